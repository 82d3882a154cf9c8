import { test } from "node:test";
import assert from "node:assert/strict";
import { type ConsumerOptions, createConsumer } from "../../../../core/consume/consumer.ts";
import { type ConsumeError, PermanentError } from "../../../../core/errors.ts";
import type { FailureEvent } from "../../../../core/observer.ts";
import type { Delivery, FailureCause } from "../../../../core/protocol.ts";
import { turn } from "../../../doubles/hand_clock.ts";
import { bodies, setUp } from "./support/scripted_consumer.ts";

test("Consumer does not run a message that was delivered more often than allowed", async () => {
  const { backend, driver, consumer } = setUp();
  driver.put({ body: "{}", attempts: 6 });
  const summary = await consumer({ handler: () => assert.fail("it ran") }).drain(backend, "k");
  assert.equal(summary.deadLettered, 1);
  const [settlement] = driver.settled.flat();
  assert.ok(settlement?.kind === "dead");
  assert.deepEqual(settlement.cause, {
    name: "PermanentError",
    message: "Cannot handle the message: it was delivered 5 times without success",
  });
});

test("Consumer takes anything that a handler throws as a failure of its message", async () => {
  const thrown = [undefined, null, 0, "text", Symbol("s"), Object.create(null), { toString: null }];
  const { backend, driver, consumer } = setUp();
  driver.put(...bodies(thrown.length + 1));
  const summary = await consumer({
    handler: ({ payload }) => {
      if (payload.n as number < thrown.length) throw thrown[payload.n as number];
    },
  }).drain(backend, "k");
  assert.deepEqual(summary, { acked: 1, retried: thrown.length, deadLettered: 0, lost: 0 });
});

test("Consumer acknowledges a dead message once the sink has it", async () => {
  const { backend, driver, consumer } = setUp({ capabilities: { deadLetters: false } });
  driver.put(...bodies(1));
  let stored = () => {};
  const sunk: [unknown, FailureCause][] = [];
  const draining = consumer({
    handler: () => {
      throw new PermanentError("poison");
    },
    deadLetter: (delivery, cause) => {
      sunk.push([delivery.payload, cause]);
      return new Promise<void>((resolve) => stored = resolve);
    },
  }).drain(backend, "k");
  await turn();
  assert.deepEqual(driver.settlements, []);
  stored();
  assert.equal((await draining).deadLettered, 1);
  assert.deepEqual(sunk, [[{ n: 0 }, { name: "PermanentError", message: "poison" }]]);
  assert.deepEqual(driver.settlements, [`ack lease-{"n":0}`]);
});

test("Consumer does not use the sink where the backend keeps dead letters", async () => {
  const deadLetters = {
    list: () => Promise.resolve({ letters: [], cursor: undefined }),
    purge: () => Promise.resolve(0),
  };
  const { backend, driver, consumer } = setUp({ deadLetters });
  driver.put(...bodies(1));
  const handler = () => {
    throw new PermanentError("poison");
  };
  await consumer({ handler, deadLetter: () => assert.fail("asked") }).drain(backend, "k");
  assert.deepEqual(driver.settlements, [`dead lease-{"n":0}`]);
});

test("Consumer retries by the default backoff when the sink fails, and reports it", async () => {
  const { backend, driver, consumer } = setUp({ capabilities: { deadLetters: false } });
  driver.put(...bodies(2), { id: "again", body: `{"n":0}`, attempts: 6 });
  const told: FailureEvent[] = [];
  const sunk: FailureCause[] = [];
  const stop = new AbortController();
  const run = consumer({
    concurrency: 1,
    backoff: () => 0,
    handler: ({ payload }) => {
      if (payload.n === 0) throw new PermanentError("poison");
    },
    deadLetter: (_delivery, cause) => {
      if (sunk.push(cause) === 1) throw new Error("the sink is down");
      return Promise.resolve();
    },
    observer: { failed: (event) => void told.push(event) },
  }).run(backend, "k", { signal: stop.signal });
  await turn();
  const cause = { name: "PermanentError", message: "poison" };
  assert.deepEqual(driver.settled.flat(), [
    { lease: `lease-{"n":0}`, kind: "retry", delayMs: 500, cause },
    { lease: `lease-{"n":1}`, kind: "ack" },
    { lease: "lease-again", kind: "ack" },
  ]);
  assert.equal(sunk.length, 2);
  assert.deepEqual(told.map(({ backend, key, operation, failures }) => [backend, key, operation, failures]), [
    ["scripted", "k", "settle", 1],
  ]);
  assert.equal(told[0]?.error.message, "Cannot keep a dead letter: the deadLetter sink failed");
  assert.equal(told[0]?.error.key, "k");
  assert.equal((told[0]?.error.cause as Error).message, "the sink is down");
  stop.abort();
  assert.deepEqual(await run, { acked: 1, retried: 1, deadLettered: 1, lost: 0 });
});

test("Consumer uses the default for a backoff that throws or returns nonsense", async () => {
  const bad: [unknown, RegExp][] = [
    [NaN, /^backoff must be a finite number of at least 0, found NaN$/],
    [-1, /found -1$/],
    [Infinity, /found Infinity$/],
    ["5", /found a string$/],
    [undefined, /found undefined$/],
  ];
  const { backend, driver, consumer } = setUp();
  driver.put(...bodies(bad.length + 1));
  const told: string[] = [];
  const stop = new AbortController();
  const run = consumer({
    concurrency: 1,
    handler: ({ payload }) => {
      throw Object.assign(new Error("fails"), { n: payload.n });
    },
    backoff: (_attempts, error) => {
      const { n } = error as { n: number };
      if (n === bad.length) throw error;
      return bad[n]![0] as number;
    },
    observer: { failed: ({ error }) => void told.push((error.cause as Error).message) },
  }).run(backend, "k", { signal: stop.signal });
  await turn();
  assert.deepEqual(driver.settled.flat().map((one) => one.kind === "retry" && one.delayMs), Array(6).fill(500));
  for (const [n, [, message]] of bad.entries()) assert.match(told[n]!, message);
  assert.deepEqual(told.slice(bad.length), ["fails"]);
  stop.abort();
  assert.equal((await run).retried, 6);
});

test("Consumer waits no longer than a day, which every backend accepts", async () => {
  const { backend, driver, consumer } = setUp({ maxDelayMs: 86_400_000 });
  const handler = () => {
    throw new Error("fails");
  };
  driver.put(...bodies(1));
  await consumer({ handler, backoff: () => 1e12 }).drain(backend, "k");
  driver.put({ id: "late", body: "{}", attempts: 60 });
  const backoff = { maxMs: 1e12, jitter: "none" } as const;
  await consumer({ handler, maxAttempts: 100, backoff }).drain(backend, "k");
  assert.deepEqual(driver.settled.flat().map((one) => one.kind === "retry" && one.delayMs), [86_400_000, 86_400_000]);
});

test("Consumer retries at once on a backend without delays", async () => {
  const { backend, driver, consumer } = setUp({ capabilities: { delay: false } });
  driver.put(...bodies(2));
  const handler = async (delivery: Delivery) => {
    if (delivery.payload.n === 0) throw new Error("fails");
    await assert.rejects(delivery.retry({ delayMs: 5 }), (error: ConsumeError) => error.code === "unsupported");
    assert.equal(await delivery.retry({ delayMs: 0 }), true);
  };
  assert.equal((await consumer({ handler }).drain(backend, "k")).retried, 2);
  assert.deepEqual(driver.settled.flat().map((one) => [one.kind, one.kind === "retry" && one.delayMs]), [
    ["retry", 0],
    ["retry", 0],
  ]);
});

test("Consumer reports the outcome of each delivery and how long its handler took", async () => {
  const { backend, driver, clock, consumer } = setUp({
    settle: (all) => all.map(({ lease }) => lease !== "lease-lost"),
  });
  driver.put(...["ok", "retry", "dead", "lost"].map((id) => ({ id, body: JSON.stringify({ id }) })));
  const told: unknown[] = [];
  const tell = (name: string) => (event: { id: string; durationMs?: number; reason?: unknown }) =>
    void told.push([name, event.id, event.durationMs, (event.reason as Error | undefined)?.message]);
  const draining = consumer({
    concurrency: 1,
    observer: {
      delivered: tell("delivered"),
      acked: tell("acked"),
      retried: tell("retried"),
      deadLettered: tell("deadLettered"),
      leaseLost: tell("leaseLost"),
    },
    handler: async ({ payload }) => {
      await new Promise<void>((resolve) => clock.setTimeout(resolve, 25));
      if (payload.id === "retry") throw new Error("again");
      if (payload.id === "dead") throw new PermanentError("never");
    },
  }).drain(backend, "k");
  await clock.advance(100);
  await draining;
  assert.deepEqual(told, [
    ["delivered", "ok", undefined, undefined],
    ["acked", "ok", 25, undefined],
    ["delivered", "retry", undefined, undefined],
    ["retried", "retry", 25, "again"],
    ["delivered", "dead", undefined, undefined],
    ["deadLettered", "dead", 25, "never"],
    ["delivered", "lost", undefined, undefined],
    ["leaseLost", "lost", 25, undefined],
  ]);
});

test("Consumer refuses wrong options before it fetches", async () => {
  const handler = () => undefined;
  const wrong: [unknown, RegExp][] = [
    [undefined, /consumer options must be an object, found undefined/],
    [{}, /handler must be a function, found undefined/],
    [{ handler, concurrency: 0 }, /concurrency must be a whole number of at least 1, found 0/],
    [{ handler, maxAttempts: 1.5 }, /maxAttempts must be a whole number of at least 1, found 1.5/],
    [{ handler, timeoutMs: -1 }, /timeoutMs must be a finite number above 0, found -1/],
    [{ handler, backoff: 5 }, /backoff must be an object, found 5/],
    [{ handler, backoff: { baseMs: -5 } }, /baseMs must be a finite number of at least 0, found -5/],
    [{ handler, backoff: { jitter: "some" } }, /jitter must be "full" or "none", found a string/],
    [{ handler, retries: 3 }, /consumer options has no option "retries"/],
  ];
  for (const [options, message] of wrong) assert.throws(() => createConsumer(options as ConsumerOptions), message);
  const { backend, driver, consumer } = setUp();
  const good = consumer({ handler });
  await assert.rejects(good.run(backend, "k", { stopWhenEmpty: true } as object), /has no option "stopWhenEmpty"/);
  await assert.rejects(good.drain(backend, "k", { deadlineMs: 0 }), RangeError);
  await assert.rejects(good.run(backend, ""), /key must be a non-empty, well-formed string, found an empty string/);
  await assert.rejects(good.run(backend, "k", { group: "" }), /group must be a non-empty, well-formed string/);
  assert.deepEqual(driver.asked, []);
});

test("Consumer counts and tells what its handler has settled by itself", async () => {
  const { backend, driver, consumer } = setUp();
  driver.put(...bodies(6));
  const settle: readonly ((delivery: Delivery) => unknown)[] = [
    (delivery) => delivery.ack(),
    (delivery) => delivery.retry({ reason: new Error("soon") }),
    (delivery) => delivery.deadLetter(new Error("never")),
    (delivery) => delivery.retry(),
    (delivery) => delivery.deadLetter("no").then(() => Promise.reject(new Error("thrown afterwards"))),
    (delivery) => delivery.retry({ delayMs: -1 }).catch(() => undefined), // settles nothing
  ];
  const told: string[] = [];
  const tell = (name: string) => ({ id, reason }: { id: string; reason?: unknown }) => {
    told.push(`${name} ${JSON.parse(id).n} ${(reason as FailureCause | undefined)?.message ?? "-"}`);
  };
  const observer = { acked: tell("acked"), retried: tell("retried"), deadLettered: tell("deadLettered") };
  const handler = (delivery: Delivery) => settle[Number(delivery.payload.n)]!(delivery);
  const summary = await consumer({ handler, observer, concurrency: 1 }).drain(backend, "k");
  assert.deepEqual(summary, { acked: 2, retried: 2, deadLettered: 2, lost: 0 });
  assert.deepEqual(told, [
    "acked 0 -",
    "retried 1 soon",
    "deadLettered 2 never",
    "retried 3 -",
    "deadLettered 4 no",
    "acked 5 -",
  ]);
  assert.deepEqual(driver.settled.flat().map(({ kind }) => kind), ["ack", "retry", "dead", "retry", "dead", "ack"]);
});
