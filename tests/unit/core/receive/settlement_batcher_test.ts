import { test } from "node:test";
import assert from "node:assert/strict";
import { createBackend } from "../../../../core/backend.ts";
import type { ConsumeError } from "../../../../core/errors.ts";
import type { BackendOptions } from "../../../../core/backend_options.ts";
import type { Delivery } from "../../../../core/protocol.ts";
import { HandClock, turn } from "../../../doubles/hand_clock.ts";
import { failure, hang, type Script, ScriptedDriver } from "../../../doubles/scripted_driver.ts";

function setUp(script: Script = {}, options: BackendOptions = {}) {
  const clock = new HandClock();
  const driver = new ScriptedDriver(script);
  const backend = createBackend(driver, { clock, random: () => 0.5, ...options });
  return { driver, clock, backend };
}

async function hold({ backend, driver }: ReturnType<typeof setUp>, count: number): Promise<Delivery[]> {
  driver.put(...Array.from({ length: count }, (_, n) => `{"n":${n}}`));
  const deliveries = backend.receive("k", { prefetch: 1_000 });
  const held: Delivery[] = [];
  while (held.length < count) held.push((await deliveries.next()).value!);
  return held;
}

test("SettlementBatcher settles what comes in one turn in one round trip, in order", async () => {
  const setup = setUp();
  const [a, b, c, d] = await hold(setup, 4);
  const answers = await Promise.all([
    c!.ack(),
    a!.retry({ delayMs: 70, reason: new TypeError("again") }),
    d!.deadLetter("poison"),
    b!.retry(),
  ]);
  assert.deepEqual(answers, [true, true, true, true]);
  assert.deepEqual(setup.driver.settled, [[
    { lease: `lease-{"n":2}`, kind: "ack" },
    { lease: `lease-{"n":0}`, kind: "retry", delayMs: 70, cause: { name: "TypeError", message: "again" } },
    { lease: `lease-{"n":3}`, kind: "dead", cause: { name: "Error", message: "poison" } },
    { lease: `lease-{"n":1}`, kind: "retry", delayMs: 0, cause: undefined },
  ]]);
});

test("SettlementBatcher gathers during a round trip, up to the driver's limit", async () => {
  const confirm: (() => void)[] = [];
  const setup = setUp({
    maxSettleBatch: 3,
    settle: async (all) => {
      await new Promise<void>((resolve) => confirm.push(resolve));
      return all.map(() => true);
    },
  });
  const held = await hold(setup, 8);
  const acked = [held[0]!.ack()];
  await turn();
  acked.push(...held.slice(1).map((delivery) => delivery.ack()));
  for (let i = 0; i < 4; i++) {
    await turn();
    assert.equal(confirm.length, Math.min(i + 1, 4));
    confirm[i]!();
  }
  await Promise.all(acked);
  assert.deepEqual(setup.driver.settled.map((batch) => batch.length), [1, 3, 3, 1]);
});

test("SettlementBatcher gathers the acks of a loop, and sends them when it waits", async () => {
  const setup = setUp();
  setup.driver.put(...Array.from({ length: 50 }, (_, n) => `{"n":${n}}`));
  const payloads = setup.backend.consume("k", { prefetch: 50 });
  for (let n = 0; n < 50; n++) await payloads.next();
  const waiting = payloads.next(); // acknowledges the last; nothing more is to come
  await turn();
  assert.equal(setup.driver.settlements.length, 50);
  assert.ok(setup.driver.settled.length <= 10, `${setup.driver.settled.length} round trips for 50 acknowledgements`);
  await payloads.return!();
  await waiting;
});

test("SettlementBatcher counts the first settlement; later ones return its result", async () => {
  for (const answer of [true, false]) {
    const setup = setUp({ settle: (all) => all.map(() => answer) });
    const [delivery] = await hold(setup, 1);
    const answers = [delivery!.retry({ delayMs: 5 }), delivery!.ack(), delivery!.deadLetter("x")];
    assert.deepEqual(await Promise.all(answers), [answer, answer, answer]);
    assert.equal(await delivery!.ack(), answer);
    assert.deepEqual(setup.driver.settlements, [`retry lease-{"n":0}`]);
  }
});

test("Delivery refuses wrong arguments of a settlement, and settles nothing", async () => {
  const setup = setUp();
  const [delivery] = await hold(setup, 1);
  for (const delayMs of [-1, NaN, Infinity]) await assert.rejects(delivery!.retry({ delayMs }), RangeError);
  await assert.rejects(delivery!.retry({ delayMs: "1" as unknown as number }), TypeError);
  await assert.rejects(delivery!.retry({ delay: 1 } as object), /has no option "delay"/);
  assert.equal(await delivery!.ack(), true);
  assert.deepEqual(setup.driver.settlements, [`ack lease-{"n":0}`]);
});

test("Delivery makes a name and a short message of any reason", async () => {
  const throws = {
    toString: () => {
      throw new Error("no");
    },
  };
  const reasons: [unknown, string, RegExp][] = [
    [new RangeError("too far"), "RangeError", /^too far$/],
    ["text", "Error", /^text$/],
    [undefined, "unknown", /^undefined$/],
    [{ code: 1 }, "unknown", /^\[object Object\]$/],
    [Symbol("s"), "unknown", /^Symbol\(s\)$/],
    [Object.create(null), "unknown", /^unprintable$/],
    [throws, "unknown", /^unprintable$/],
    [Object.assign(new Error(), { message: { deep: 1 } }), "Error", /^\[object Object\]$/],
    [Object.assign(new Error("m"), { name: undefined }), "undefined", /^m$/],
    [new Error("x".repeat(1_000_000)), "Error", /^x{4000}$/],
    [new Error("half a pair \uD800"), "Error", /^half a pair \uFFFD$/],
  ];
  const setup = setUp();
  const held = await hold(setup, reasons.length);
  await Promise.all(held.map((delivery, i) => delivery.deadLetter(reasons[i]![0])));
  for (const [i, settlement] of setup.driver.settled.flat().entries()) {
    assert.ok(settlement.kind === "dead");
    assert.equal(settlement.cause.name, reasons[i]![1]);
    assert.match(settlement.cause.message, reasons[i]![2]);
  }
});

test("SettlementBatcher retries transient failures with the same settlements", async () => {
  const setup = setUp({
    settle: (all, _signal, call) => call <= 4 ? Promise.reject(failure("unavailable")) : all.map(() => true),
  });
  const held = await hold(setup, 2);
  const acked = Promise.all(held.map((delivery) => delivery.ack()));
  await setup.clock.advance(750); // half of 100 + 200 + 400 + 800
  assert.deepEqual(await acked, [true, true]);
  assert.equal(setup.driver.settled.length, 5);
  assert.ok(setup.driver.settled.every((batch) => batch.length === 2));
});

test("SettlementBatcher waits as long as the broker asks", async () => {
  const setup = setUp({
    settle: (all, _signal, call) =>
      call === 1 ? Promise.reject(failure("rate-limited", "", { retryAfterMs: 3_000 })) : all.map(() => true),
  });
  const [delivery] = await hold(setup, 1);
  const acked = delivery!.ack();
  await setup.clock.advance(2_999);
  assert.equal(setup.driver.settled.length, 1);
  await setup.clock.advance(1);
  assert.equal(await acked, true);
});

test("SettlementBatcher takes a false within the lease after a lost reply for done", async () => {
  for (const code of ["unknown-outcome", "connection", "timeout"] as const) {
    const setup = setUp({
      settle: (all, _signal, call) => call === 1 ? Promise.reject(failure(code)) : all.map(() => false),
    });
    const [delivery] = await hold(setup, 1);
    const acked = delivery!.ack();
    await setup.clock.advance(1_000);
    assert.equal(await acked, true, code);
  }
});

test("SettlementBatcher returns false where no reply was lost, or the lease is over", async () => {
  const refused = setUp({
    settle: (all, _signal, call) => call === 1 ? Promise.reject(failure("unavailable")) : all.map(() => false),
  });
  const [first] = await hold(refused, 1);
  const firstAcked = first!.ack();
  await refused.clock.advance(1_000);
  assert.equal(await firstAcked, false);
  const late = setUp({
    settle: (all, _signal, call) =>
      call === 1
        ? Promise.reject(failure("connection", "", { retryAfterMs: 29_999 }))
        : new Promise((resolve) => late.clock.setTimeout(() => resolve(all.map(() => false)), 2)),
  }, { leaseMs: 30_000 });
  const [second] = await hold(late, 1);
  const secondAcked = second!.ack();
  await late.clock.advance(30_001);
  assert.equal(await secondAcked, false);
});

test("SettlementBatcher repeats without a reply, and loses the lease at its end", async () => {
  const setup = setUp({ settle: hang }, { leaseMs: 10_000, timeoutMs: 3_000, retryDelayMs: 0 });
  const [delivery] = await hold(setup, 1);
  const acked = delivery!.ack();
  await setup.clock.advance(12_030); // four times three seconds, and the least waits between them
  assert.equal(await acked, false);
  assert.equal(setup.driver.settled.length, 4);
  assert.deepEqual(setup.clock.waits(), []);
});

test("SettlementBatcher rejects every caller of a refused round trip, and goes on", async () => {
  const setup = setUp({
    settle: (all, _signal, call) => call === 1 ? Promise.reject(failure("unauthorized", "no")) : all.map(() => true),
  });
  const [a, b, c] = await hold(setup, 3);
  const outcomes = await Promise.allSettled([a!.ack(), b!.retry()]);
  for (const outcome of outcomes) {
    assert.ok(outcome.status === "rejected");
    const error = outcome.reason as ConsumeError;
    assert.deepEqual([error.name, error.code, error.key], ["ConsumeError", "unauthorized", "k"]);
  }
  await assert.rejects(a!.ack(), /no/); // what the first answered
  assert.equal(await c!.ack(), true);
});

test("SettlementBatcher refusals do not end a loop that does not wait for its acks", async () => {
  const setup = setUp({ settle: () => Promise.reject(failure("unauthorized")) });
  setup.driver.put(`{"n":0}`, `{"n":1}`, `{"n":2}`);
  const seen: unknown[] = [];
  for await (const { n } of setup.backend.consume("k", { stopWhenEmpty: true })) seen.push(n);
  assert.deepEqual(seen, [0, 1, 2]);
  await turn();
  assert.deepEqual(setup.clock.waits(), []);
});

test("SettlementBatcher ends every call when the driver returns too little or throws", async () => {
  const short = setUp({ settle: () => [] });
  const [first] = await hold(short, 1);
  assert.equal(await first!.ack(), false);
  const broken = setUp({
    settle: () => {
      throw new Error("at once");
    },
    classify: () => {
      throw new Error("and no name for it");
    },
  });
  const [second] = await hold(broken, 1);
  await assert.rejects(second!.ack(), (error: ConsumeError) => error.code === "internal");
});
