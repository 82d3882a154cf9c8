import assert from "node:assert/strict";
import { test } from "node:test";
import { GroupReceiver } from "../../../../backends/streams/group_receiver.ts";
import { groupKeys } from "../../../../backends/streams/keys.ts";
import type { StreamsTransport } from "../../../../backends/streams/transport.ts";
import { HandClock } from "../../../doubles/hand_clock.ts";

test("GroupReceiver tells how long each lease may have lasted when the answer came", async () => {
  const clock = new HandClock();
  const answers: unknown[][] = [
    [-1], // the lease's name is spent, so it asks again: that does not count
    [1, "1-0", "{}", ["2-0", "id", "{}"], ["3-0", "{}", "key", "", ""], ["4-0", 2, "data", "{}"]],
  ];
  const transport = {
    run: async () => {
      await clock.advance(700);
      return answers.shift();
    },
  } as unknown as StreamsTransport;
  const receiver = new GroupReceiver(transport, groupKeys("k", "g"), { clock, onAnswer: () => {} });
  const { signal } = new AbortController();
  const deliveries = await receiver.receive({ group: "g", max: 10, leaseMs: 1_000, waitMs: 0, signal });
  assert.deepEqual(deliveries.map(({ id, leasedForMs }) => [id, leasedForMs]), [
    ["1-0", 700],
    ["id", 700],
    ["3-0", 700],
    ["4-0", 700],
  ]);
});

const ONE = [1, "1-0", "{}"];

/** Receives twice, with `between` milliseconds between both, and returns what the transport was asked in that order. */
async function askedBy(
  first: readonly unknown[],
  { unchanged, waitMs = 60_000, between = 0 }: { unchanged?: () => boolean; waitMs?: number; between?: number },
): Promise<unknown[]> {
  const clock = new HandClock();
  const asked: unknown[] = [];
  let version = 0;
  const transport = {
    run: () => Promise.resolve(asked.push("look") === 1 ? first : ONE),
    version: () => ++version,
    unchanged,
    wait: ({ version }: { version: number }, ms: number) => Promise.resolve(void asked.push([version, ms])),
  } as unknown as StreamsTransport;
  const receiver = new GroupReceiver(transport, groupKeys("k", "g"), { clock, onAnswer: () => {} });
  const { signal } = new AbortController();
  const options = { group: "g", max: 10, leaseMs: 60_000, waitMs, signal };
  assert.equal((await receiver.receive(options)).length, 1);
  await clock.advance(between);
  assert.equal((await receiver.receive(options)).length, 1);
  assert.equal((await receiver.receive(options)).length, 1);
  return asked;
}

test("GroupReceiver waits before it looks where the last look took all there was", async () => {
  const unchanged = () => true;
  const DRAINED = [...ONE, -1];
  assert.deepEqual(await askedBy(DRAINED, { unchanged }), ["look", [1, 250], "look", "look"]);
  assert.deepEqual(await askedBy([...ONE, 40], { unchanged }), ["look", [1, 40], "look", "look"], "until one is due");
  assert.deepEqual(await askedBy(DRAINED, { unchanged, between: 100 }), ["look", [1, 150], "look", "look"]);
  const atOnce = ["look", "look", "look"];
  assert.deepEqual(await askedBy(DRAINED, { unchanged, between: 250 }), atOnce, "time has passed");
  assert.deepEqual(await askedBy(ONE, { unchanged }), atOnce, "there may be more");
  assert.deepEqual(await askedBy(DRAINED, { unchanged: () => false }), atOnce, "something is new");
  assert.deepEqual(await askedBy(DRAINED, { unchanged, waitMs: 0 }), atOnce, "the caller does not wait");
  assert.deepEqual(await askedBy(DRAINED, {}), atOnce, "nothing would be known");
});

test("GroupReceiver waits for a settlement, not for long, where what comes next waits", async () => {
  const clock = new HandClock();
  let looks = 0;
  let during = () => {};
  const run = () => {
    during();
    return Promise.resolve(++looks % 2 ? [...ONE, -3] : ONE);
  };
  const transport = { run } as unknown as StreamsTransport;
  const receiver = new GroupReceiver(transport, groupKeys("k", "g"), { clock, onAnswer: () => {} });
  const called = new AbortController();
  const options = { group: "g", max: 10, leaseMs: 60_000, waitMs: 60_000, signal: called.signal };
  const ends: [string, () => unknown][] = [
    ["a settlement", () => receiver.settling([])],
    ["time", () => clock.advance(1)],
  ];
  for (const [name, end] of ends) {
    await receiver.receive(options);
    const before = looks;
    const next = receiver.receive(options);
    await clock.advance(19);
    assert.equal(looks, before, `before ${name}`);
    await end();
    assert.equal((await next).length, 1, name);
  }
  await receiver.receive(options);
  receiver.settling([]); // before anybody waits
  assert.equal((await receiver.receive(options)).length, 1);
  during = () => receiver.settling([]);
  await receiver.receive(options);
  during = () => {};
  assert.equal((await receiver.receive(options)).length, 1, "the look did not see what was settled meanwhile");
  await receiver.receive(options);
  assert.equal((await receiver.receive({ ...options, waitMs: 0 })).length, 1, "the caller does not wait");
  await receiver.receive(options);
  const last = receiver.receive(options);
  called.abort();
  assert.deepEqual(await last, []);
});
