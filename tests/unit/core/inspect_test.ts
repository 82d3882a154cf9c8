import { test } from "node:test";
import assert from "node:assert/strict";
import { createBackend } from "../../../core/backend.ts";
import type { DriverDeadLetterQuery, DriverDeadLetters } from "../../../core/driver.ts";
import { ConnectionError, type ConsumeError, type QueueError } from "../../../core/errors.ts";
import type { BackendOptions } from "../../../core/backend_options.ts";
import type { DeadLetter, DeadLetterQuery } from "../../../core/protocol.ts";
import { countedSignal } from "../../doubles/counted_signal.ts";
import { HandClock, turn } from "../../doubles/hand_clock.ts";
import { failure, hang, type Script, ScriptedDriver } from "../../doubles/scripted_driver.ts";

const DEPTH = { ready: 1, inFlight: 2, delayed: 3, blocked: 0, dead: 4 };

function setUp(script: Script = {}, options: BackendOptions = {}) {
  const clock = new HandClock();
  const driver = new ScriptedDriver(script);
  return { driver, clock, backend: createBackend(driver, { clock, random: () => 0.5, ...options }) };
}

function letter(n: number, body = `{"n":${n}}`): DeadLetter {
  return {
    id: `d${n}`,
    messageId: `m${n}`,
    key: "k",
    group: "slack-mcp",
    payload: undefined,
    body,
    headers: {},
    attempts: 5,
    cause: { name: "Error", message: "poison" },
    publishedAt: undefined,
    diedAt: undefined,
  };
}

/** Dead letters in pages of three; what was asked is noted. */
function pages(letters: readonly DeadLetter[]): DriverDeadLetters & { readonly asked: DriverDeadLetterQuery[] } {
  const asked: DriverDeadLetterQuery[] = [];
  return {
    asked,
    list: (_key, query, cursor) => {
      asked.push(query);
      const from = Number(cursor ?? 0);
      const more = from + 3 < letters.length;
      return Promise.resolve({ letters: letters.slice(from, from + 3), cursor: more ? String(from + 3) : undefined });
    },
    replay: (_key, query) => Promise.resolve(asked.push(query)),
    purge: (_key, query) => Promise.resolve(asked.push(query)),
  };
}

test("call retries transient failures, and rejects refusals with key and backend", async () => {
  let calls = 0;
  const { backend, clock } = setUp({
    depth: () => ++calls < 3 ? Promise.reject(failure("connection")) : Promise.resolve(DEPTH),
  });
  const looking = backend.depth("k");
  await clock.advance(150);
  assert.deepEqual([await looking, calls, clock.waits()], [DEPTH, 3, []]);
  const refused = setUp({ depth: () => Promise.reject(failure("unauthorized", "no")) });
  await assert.rejects(refused.backend.depth("k"), (error: ConsumeError) => {
    assert.deepEqual([error.name, error.code, error.key, error.backend], [
      "ConsumeError",
      "unauthorized",
      "k",
      "scripted",
    ]);
    return error.message === 'Cannot look into "k" on scripted: no';
  });
});

test("call rejects with timeout after its retries when no reply comes", async () => {
  const signals: AbortSignal[] = [];
  const { backend, clock } = setUp({
    depth: (signal) => {
      signals.push(signal);
      return hang();
    },
  }, { timeoutMs: 1_000, maxRetries: 2, retryDelayMs: 0 });
  const looking = assert.rejects(
    backend.depth("k"),
    (error: QueueError) => error.code === "timeout" && error.retryable,
  );
  await clock.advance(3_000);
  await looking;
  assert.deepEqual([signals.map(({ aborted }) => aborted), clock.waits()], [[true, true, true], []]);
});

test("call rejects with the signal's reason on abort, and leaves nothing behind", async () => {
  for (const depth of [() => hang<typeof DEPTH>(), () => Promise.reject(failure("connection"))]) {
    const { backend, clock } = setUp({ depth });
    const { controller, signal, listeners } = countedSignal();
    const reason = new Error("enough");
    const looking = backend.depth("k", { signal });
    await turn();
    controller.abort(reason);
    await assert.rejects(looking, (error) => error === reason);
    assert.deepEqual([clock.waits(), listeners()], [[], 0]);
  }
});

test("call leaves neither timer nor listener after success", async () => {
  const { backend, clock } = setUp({ depth: () => Promise.resolve(DEPTH), deadLetters: pages([]) });
  const { signal, listeners } = countedSignal();
  await backend.depth("k", { signal });
  await backend.health({ signal });
  await backend.deadLetters.purge("k", { signal });
  assert.deepEqual([clock.waits(), listeners()], [[], 0]);
});

test("health asks once, measures the time, and never rejects because of the broker", async () => {
  const { backend, clock } = setUp({ ping: () => new Promise((resolve) => clock.setTimeout(resolve, 30)) });
  const asking = backend.health();
  await clock.advance(30);
  assert.deepEqual(await asking, { ok: true, latencyMs: 30 });
  let calls = 0;
  const down = setUp({
    secrets: ["hunter2"],
    ping: () => (calls++, Promise.reject(failure("connection", "redis://:hunter2@host refused"))),
  });
  const health = await down.backend.health();
  assert.deepEqual([health.ok, calls], [false, 1]);
  assert.ok(health.error instanceof ConnectionError);
  assert.doesNotMatch(
    `${health.error.message} ${health.error.stack} ${(health.error.cause as Error).stack}`,
    /hunter2/,
  );
  const silent = setUp({ ping: hang }, { timeoutMs: 1_000 });
  const waiting = silent.backend.health();
  await silent.clock.advance(1_000);
  const late = await waiting;
  assert.deepEqual([late.ok, late.latencyMs, (late.error as QueueError).code], [false, 1_000, "timeout"]);
  assert.deepEqual(silent.clock.waits(), []);
});

test("DeadLetters.list walks all pages, parses payloads, and keeps unreadable bodies", async () => {
  const deadLetters = pages([letter(0), letter(1), letter(2, "not json"), letter(3), letter(4, "[1]")]);
  const { backend } = setUp({ deadLetters });
  const all = await Array.fromAsync(backend.deadLetters.list("k", { group: "g" }));
  assert.deepEqual(all.map(({ payload }) => payload), [{ n: 0 }, { n: 1 }, undefined, { n: 3 }, undefined]);
  assert.deepEqual(all.map(({ body }) => body), [`{"n":0}`, `{"n":1}`, "not json", `{"n":3}`, "[1]"]);
  assert.ok(
    deadLetters.asked.every(({ group, ids, limit }) =>
      group === "g" && ids === undefined && limit === Infinity || limit < Infinity
    ),
  );
});

test("DeadLetters.list returns no more than the limit, and fetches no page in vain", async () => {
  const deadLetters = pages(Array.from({ length: 10 }, (_, n) => letter(n)));
  const { backend } = setUp({ deadLetters });
  const ids = async (query: DeadLetterQuery) =>
    (await Array.fromAsync(backend.deadLetters.list("k", query))).map(({ id }) => id);
  assert.deepEqual(await ids({ limit: 4 }), ["d0", "d1", "d2", "d3"]);
  assert.deepEqual(deadLetters.asked.splice(0).map(({ limit }) => limit), [4, 1]);
  assert.deepEqual(await ids({ limit: 3 }), ["d0", "d1", "d2"]);
  assert.equal(deadLetters.asked.splice(0).length, 1);
  for await (const _ of backend.deadLetters.list("k")) break;
  assert.equal(deadLetters.asked.length, 1);
});

test("DeadLetters.replay and purge pass on the query, and return the number", async () => {
  const deadLetters = pages([]);
  const { backend } = setUp({ deadLetters });
  assert.equal(await backend.deadLetters.replay("k", { ids: ["a"], limit: 2 }), 1);
  assert.equal(await backend.deadLetters.purge("k", { group: "g" }), 2);
  assert.deepEqual(deadLetters.asked, [
    { group: "slack-mcp", ids: ["a"], limit: 2 },
    { group: "g", ids: undefined, limit: Infinity },
  ]);
});

test("DeadLetters refuses a wrong query before it calls the driver, and when closed", async () => {
  const deadLetters = pages([]);
  const { backend } = setUp({ deadLetters });
  for (const query of [{ limit: 0 }, { ids: "a" }, { ids: [""] }, { group: 1 }, { all: true }]) {
    const bad = query as unknown as DeadLetterQuery;
    const refused = (error: unknown) => error instanceof TypeError || error instanceof RangeError;
    await assert.rejects(backend.deadLetters.list("k", bad).next(), refused);
    await assert.rejects(backend.deadLetters.replay("k", bad), refused);
    await assert.rejects(backend.deadLetters.purge("k", bad), refused);
  }
  await backend.close();
  for (
    const asked of [
      backend.deadLetters.list("k").next(),
      backend.deadLetters.replay("k"),
      backend.deadLetters.purge("k"),
    ]
  ) {
    await assert.rejects(asked, (error: QueueError) => error.code === "closed");
  }
  assert.deepEqual(deadLetters.asked, []);
});
