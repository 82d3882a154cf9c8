import { test } from "node:test";
import assert from "node:assert/strict";
import { createBackend } from "../../../../core/backend.ts";
import type { DriverInspection } from "../../../../core/driver.ts";
import type { QueueError } from "../../../../core/errors.ts";
import { HandClock } from "../../../doubles/hand_clock.ts";
import { failure, hang, ScriptedDriver } from "../../../doubles/scripted_driver.ts";

function setUp(inspect: DriverInspection) {
  const clock = new HandClock();
  const backend = createBackend(new ScriptedDriver({ inspect }), { clock, random: () => 0, timeoutMs: 1_000 });
  return { clock, backend, inspect: backend.inspect! };
}

const codeOf = (promise: Promise<unknown>) => promise.then(() => "none", (error: QueueError) => error.code);

test("Inspection is present exactly where the capability is declared", () => {
  assert.equal("inspect" in createBackend(new ScriptedDriver()), false);
  const undeclared = new ScriptedDriver({ inspect: { groups: hang }, capabilities: { inspect: false } });
  assert.equal("inspect" in createBackend(undeclared), false);
  assert.equal(typeof setUp({ groups: hang }).inspect.peek, "function");
});

test("createBackend refuses a driver that declares inspect and offers none of it", () => {
  const refused = (script: object) => {
    assert.throws(() => createBackend(new ScriptedDriver(script)), /capabilities\.inspect/);
  };
  refused({ capabilities: { inspect: true } });
  refused({ inspect: {} });
  refused({ capabilities: { inspect: "yes" } });
});

test("Inspection rejects what the driver cannot tell as unsupported", async () => {
  const { inspect } = setUp({ groups: () => Promise.resolve([]) });
  assert.equal(await codeOf(inspect.peek("k")), "unsupported");
  assert.equal(await codeOf(inspect.oldest("k")), "unsupported");
  assert.equal(await codeOf(inspect.keys().next()), "unsupported");
  assert.deepEqual(await inspect.groups("k"), []);
});

test("Inspection.keys follows the cursor to the end and names each key once", async () => {
  const pages: Readonly<Record<string, readonly [string[], string?]>> = {
    "": [["a", "b"], "1"],
    1: [[], "2"],
    2: [["b", "c"]],
  };
  const { inspect } = setUp({
    keys: (cursor = "") => Promise.resolve({ keys: pages[cursor]![0], cursor: pages[cursor]![1] }),
  });
  assert.deepEqual(await Array.fromAsync(inspect.keys()), ["a", "b", "c"]);
});

test("Inspection defaults to the default group and ten messages", async () => {
  const asked: unknown[] = [];
  const { inspect } = setUp({
    peek: (key, options) => (asked.push([key, options]), Promise.resolve([])),
    oldest: (key, group) => (asked.push([key, group]), Promise.resolve(undefined)),
  });
  await inspect.peek("k");
  await inspect.peek("k", { group: "bots", limit: 3 });
  assert.equal(await inspect.oldest("k"), undefined);
  await inspect.oldest("k", { group: "bots" });
  assert.deepEqual(asked, [
    ["k", { group: "slack-mcp", limit: 10 }],
    ["k", { group: "bots", limit: 3 }],
    ["k", "slack-mcp"],
    ["k", "bots"],
  ]);
});

test("Inspection.peek parses bodies, leaves unreadable ones, and keeps to the limit", async () => {
  const one = { id: "1", state: "ready", attempts: 0, headers: {} } as const;
  const { inspect } = setUp({
    peek: () =>
      Promise.resolve([
        { ...one, body: '{"n":1}' },
        { ...one, body: "no json" },
        { ...one, body: "e30=", bodyEncoding: "base64" },
        { ...one, body: "{}" },
      ]),
  });
  const found = await inspect.peek("k", { limit: 3 });
  assert.deepEqual(found.map(({ payload }) => payload), [{ n: 1 }, undefined, undefined]);
});

test("Inspection.oldest is a date", async () => {
  const { inspect } = setUp({ oldest: () => Promise.resolve(1_700_000_000_000) });
  assert.deepEqual(await inspect.oldest("k"), new Date(1_700_000_000_000));
});

test("Inspection retries transient failures and times out on a silent broker", async () => {
  let calls = 0;
  const { clock, inspect } = setUp({
    groups: () => calls++ < 2 ? Promise.reject(failure("unavailable")) : Promise.resolve(["bots"]),
    oldest: hang,
  });
  const groups = inspect.groups("k");
  await clock.advance(1_000);
  assert.deepEqual(await groups, ["bots"]);
  const oldest = codeOf(inspect.oldest("k"));
  await clock.advance(10_000);
  assert.equal(await oldest, "timeout");
});

test("Inspection refuses wrong arguments and a backend that is closed", async () => {
  const { backend, inspect } = setUp({ peek: () => Promise.resolve([]), groups: () => Promise.resolve([]) });
  await assert.rejects(inspect.peek(""), TypeError);
  await assert.rejects(inspect.peek("k", { limit: 0 }), RangeError);
  await assert.rejects(inspect.groups("k", { limits: 1 } as never), TypeError);
  await backend.close();
  assert.equal(await codeOf(inspect.groups("k")), "closed");
});
