import { test } from "node:test";
import assert from "node:assert/strict";
import type { DriverMessage, DriverReceiveOptions } from "../../../core/driver.ts";
import { alterDriver, FakeClock, faultyDriver, InjectedFault, seededRandom } from "../../../testing/mod.ts";
import { MemoryBroker, MemoryDriver } from "../../../backends/memory/mod.ts";

/** Made where it is asked for: workerd ties it to the request. */
const never = (): AbortSignal => new AbortController().signal;

function message(n: number): DriverMessage {
  const payload = { n };
  const body = JSON.stringify(payload);
  return {
    id: `id-${n}`,
    explicitId: true,
    body,
    payload,
    orderingKey: undefined,
    delayMs: 0,
    ttlMs: undefined,
    headers: undefined,
  };
}

function asking(options: Partial<DriverReceiveOptions> = {}): DriverReceiveOptions {
  return { group: "g", max: 10, leaseMs: 1_000, waitMs: 0, signal: never(), ...options };
}

function setUp(options: Parameters<typeof faultyDriver>[1] = {}) {
  const clock = new FakeClock(0);
  const broker = new MemoryBroker({ clock });
  const inner = new MemoryDriver({ broker, clock });
  return { clock, inner, driver: faultyDriver(inner, { clock, ...options }) };
}

async function ready(inner: MemoryDriver): Promise<number> {
  return (await inner.depth("k", "g")).ready;
}

test("faulty driver: without faults it does what the driver does, and counts", async () => {
  const { driver } = setUp();
  assert.deepEqual(await driver.send("k", [message(1)], never()), [{ outcome: "added" }]);
  const [raw] = await driver.receive!("k", asking());
  assert.deepEqual(await driver.settle!("k", "g", [{ kind: "ack", lease: raw!.lease }], never()), [true]);
  assert.deepEqual([driver.calls.send, driver.calls.receive, driver.calls.settle, driver.calls.ping], [1, 1, 1, 0]);
});

test("faulty driver: failNext fails that many calls of one operation before the broker", async () => {
  const { driver, inner } = setUp();
  driver.failNext("send", "rate-limited", 2);
  driver.failNext("receive", new TypeError("its own"));
  for (let n = 0; n < 2; n++) {
    const error = await driver.send("k", [message(1)], never()).then(() => undefined, (error) => error);
    assert.equal(driver.classify(error), "rate-limited");
  }
  assert.equal(await ready(inner), 0);
  await driver.send("k", [message(1)], never());
  await assert.rejects(driver.receive!("k", asking()), /its own/);
  assert.equal((await driver.receive!("k", asking())).length, 1);
});

test("faulty driver: an error that is not a fault is the wrapped driver's to classify", () => {
  const { inner } = setUp();
  const driver = faultyDriver(alterDriver(inner, { classify: () => "too-large" }));
  assert.equal(driver.classify(new Error("from the client")), "too-large");
  assert.equal(driver.classify(new InjectedFault("timeout")), "timeout");
});

test("faulty driver: a lost reply leaves what was done", async () => {
  const { driver, inner } = setUp();
  driver.loseNextReply("send");
  const error = await driver.send("k", [message(1)], never()).then(() => undefined, (error) => error);
  assert.equal(driver.classify(error), "unknown-outcome");
  assert.equal(await ready(inner), 1);
});

test("faulty driver: duplicated calls and receives happen twice", async () => {
  const { driver, inner } = setUp();
  driver.duplicateNext("send");
  assert.deepEqual(await driver.send("k", [message(1)], never()), [{ outcome: "duplicate" }]);
  assert.equal(await ready(inner), 1);
  driver.duplicateNext("receive");
  assert.deepEqual((await driver.receive!("k", asking())).map(({ id }) => id), ["id-1", "id-1"]);
});

test("faulty driver: a partly failed send keeps each result in its place", async () => {
  const { driver, inner } = setUp();
  driver.failSomeOfNext([0, 2]);
  const results = await driver.send("k", [1, 2, 3].map(message), never());
  assert.deepEqual(results.map((result) => "error" in result ? "error" : result.outcome), ["error", "added", "error"]);
  assert.equal(await ready(inner), 1);
});

test("faulty driver: late responses come by the clock", async () => {
  const { driver, clock } = setUp();
  driver.delayResponses(300);
  let answered = false;
  const sending = driver.send("k", [message(1)], never()).then(() => answered = true);
  await clock.advance(299);
  assert.equal(answered, false);
  await clock.advance(1);
  await sending;
});

test("faulty driver: a cut connection ends calls in flight, a cut receive takes none", async () => {
  const { driver, inner } = setUp();
  const waiting = driver.receive!("k", asking({ waitMs: 30_000 })).then(() => undefined, (error) => error);
  driver.dropConnections();
  assert.equal(driver.classify(await waiting), "connection");
  await inner.send("k", [message(1)]);
  assert.equal(await ready(inner), 1);
});

test("faulty driver: a killed consumer sends and gets nothing", async () => {
  const { driver, inner, clock } = setUp();
  const waiting = driver.receive!("k", asking({ waitMs: 30_000 }));
  driver.kill();
  const settling = driver.settle!("k", "g", [{ kind: "ack", lease: 1 }], never());
  let answered = 0;
  void waiting.then(() => answered++);
  void settling.then(() => answered++);
  await inner.send("k", [message(1)]);
  await clock.advance(60_000);
  assert.equal(answered, 0);
  assert.equal(await ready(inner), 1);
  driver.bury();
  assert.deepEqual([await waiting, await settling], [[], [false]]);
  await assert.rejects(driver.send("k", [message(2)], never()), InjectedFault);
});

test("faulty driver: chance depends on the seed and the calls alone", async () => {
  const outcomes = async (seed: number): Promise<string> => {
    const { driver } = setUp({ seed, fail: 0.2, loseReply: 0.2, duplicate: 0.2, partial: 0.3 });
    let text = "";
    for (let n = 0; n < 60; n++) {
      text += await driver.send("k", [message(n), message(n + 100)], never()).then(
        (results) => results.map((result) => "error" in result ? "p" : result.outcome[0]).join(""),
        (error) => driver.classify(error) === "connection" ? "F" : "L",
      );
    }
    return text;
  };
  const first = await outcomes(42);
  assert.equal(await outcomes(42), first);
  assert.notEqual(await outcomes(43), first);
  for (const mark of ["F", "L", "d", "p", "a"]) assert.ok(first.includes(mark), `${mark} in ${first}`);
});

test("faulty driver: offers and declares exactly what its driver does", () => {
  const { inner } = setUp();
  const bare = faultyDriver(alterDriver(inner, { extend: undefined, deadLetters: undefined, receive: undefined }));
  assert.deepEqual([bare.extend, bare.deadLetters, bare.receive], [undefined, undefined, undefined]);
  const limited = faultyDriver(alterDriver(inner, { maxBatchMessages: 7, secrets: ["s"] }));
  assert.deepEqual([limited.maxBatchMessages, limited.secrets], [7, ["s"]]);
  assert.equal(limited.name, "memory");
});

test("seeded random: repeats by its seed, covers its range, and refuses an empty list", () => {
  const numbers = (seed: number) => {
    const random = seededRandom(seed);
    return Array.from({ length: 1_000 }, () => random.below(10));
  };
  assert.deepEqual(numbers(5), numbers(5));
  assert.notDeepEqual(numbers(5), numbers(6));
  const counts = numbers(5).reduce((all, n) => all.with(n, all[n]! + 1), new Array<number>(10).fill(0));
  assert.ok(counts.every((count) => count > 60 && count < 140), String(counts));
  assert.throws(() => seededRandom(1).pick([]), RangeError);
});
