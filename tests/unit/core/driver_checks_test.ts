import { test } from "node:test";
import assert from "node:assert/strict";
import { MemoryDriver } from "../../../backends/memory/mod.ts";
import { createBackend } from "../../../core/backend.ts";
import type { QueueDriver } from "../../../core/driver.ts";
import { QueueError } from "../../../core/errors.ts";
import type { Capabilities } from "../../../core/protocol.ts";
import { alterDriver } from "../../../testing/mod.ts";

const memory = new MemoryDriver();

function altered(members: Partial<QueueDriver>, capabilities: Partial<Capabilities> = {}): QueueDriver {
  return alterDriver(memory, { capabilities: { ...memory.capabilities, ...capabilities }, ...members });
}

const absent = undefined as never;
const wrong = (value: unknown) => value as never;

const inconsistent: readonly [what: string, driver: QueueDriver, sentence: string][] = [
  [
    "pull without receive()",
    altered({ receive: absent }),
    'capabilities.consume is "pull", and the driver has no receive()',
  ],
  [
    "both ways without receive()",
    altered({ receive: absent }, { consume: "both" }),
    'capabilities.consume is "both", and the driver has no receive()',
  ],
  [
    "pull without settle()",
    altered({ settle: absent }),
    'capabilities.consume is "pull", and the driver has no settle()',
  ],
  [
    "extend without extend()",
    altered({ extend: absent }),
    "capabilities.extend is true, and the driver has no extend()",
  ],
  ["depth without depth()", altered({ depth: absent }), "capabilities.depth is true, and the driver has no depth()"],
  [
    "dead letters that are not there",
    altered({ deadLetters: absent }, { replay: false }),
    "capabilities.deadLetters is true, and the driver has no deadLetters",
  ],
  [
    "replay without replay()",
    altered({ deadLetters: { ...memory.deadLetters, replay: undefined } }),
    "capabilities.replay is true, and the driver has no deadLetters.replay()",
  ],
  [
    "a capability that is missing",
    altered({}, { fencing: absent }),
    "capabilities.fencing must be true or false, found undefined",
  ],
  [
    "a capability that is text",
    altered({}, { groups: wrong("yes") }),
    'capabilities.groups must be true or false, found "yes"',
  ],
  ["no capabilities", altered({ capabilities: absent }), "capabilities must be an object, found undefined"],
  [
    "an unknown order",
    altered({}, { order: wrong("lifo") }),
    'capabilities.order must be "fifo" or "best-effort", found "lifo"',
  ],
  [
    "an unknown way to consume",
    altered({}, { consume: wrong("poll") }),
    'capabilities.consume must be "pull", "push" or "both", found "poll"',
  ],
  [
    "a size that is none",
    altered({}, { maxPayloadBytes: NaN }),
    "capabilities.maxPayloadBytes must be a number of bytes, found NaN",
  ],
  [
    "a cost below nothing",
    altered({}, { costPerMessage: wrong("2") }),
    'capabilities.costPerMessage must be a number of at least 0, found "2"',
  ],
  ["no send()", altered({ send: absent }), "send must be a method, found undefined"],
  ["no classify()", altered({ classify: absent }), "classify must be a method, found undefined"],
  ["a ping that is no method", altered({ ping: wrong(true) }), "ping must be a method or absent, found a boolean"],
  ["a limit of nothing", altered({ maxSettleBatch: 0 }), "maxSettleBatch must be a positive number or absent, found 0"],
];

for (const [what, driver, sentence] of inconsistent) {
  test(`createBackend refuses a driver with ${what}, in one sentence`, () => {
    assert.throws(() => createBackend(driver), {
      name: "TypeError",
      message: `Cannot create a backend of the driver "memory": ${sentence}`,
    });
  });
}

test("createBackend names every problem of a driver at once", () => {
  const driver = altered({ extend: absent, depth: absent });
  assert.throws(
    () => createBackend(driver),
    /has no extend\(\); capabilities\.depth is true, and the driver has no depth\(\)$/,
  );
});

test("createBackend refuses what is not a driver, and a driver without a name", () => {
  assert.throws(() => createBackend(undefined as never), /^TypeError: driver must be an object, found undefined$/);
  assert.throws(
    () => createBackend(altered({ name: "" })),
    /the driver's name must be non-empty text, found a string$/,
  );
});

test("createBackend refuses messageTtlMs where the driver has no ttl", () => {
  const driver = altered({}, { ttl: false });
  assert.throws(() => createBackend(driver, { messageTtlMs: 1_000 }), (error: unknown) => {
    assert.ok(error instanceof QueueError);
    assert.equal(error.code, "unsupported");
    assert.equal(error.message, "Cannot use messageTtlMs: the memory backend does not support it");
    return true;
  });
  createBackend(driver);
});

test("createBackend of a driver that only sends publishes, and refuses all that pulls", async () => {
  const bare = { extend: false, depth: false, deadLetters: false, replay: false, consume: "push" } as const;
  const members = { receive: absent, settle: absent, extend: absent, depth: absent, deadLetters: absent };
  await using backend = createBackend(altered(members, bare));
  assert.equal((await backend.publish("k", {})).outcome, "added");
  const unsupported = { code: "unsupported" };
  assert.throws(() => backend.receive("k"), unsupported);
  assert.throws(() => backend.consume("k"), unsupported);
  await assert.rejects(backend.depth("k"), unsupported);
  await assert.rejects(backend.deadLetters.list("k").next(), unsupported);
  await assert.rejects(backend.deadLetters.replay("k"), unsupported);
  await assert.rejects(backend.deadLetters.purge("k"), unsupported);
});

test("health says that nobody was asked where the driver has no ping", async () => {
  await using asked = createBackend(altered({}));
  await using silent = createBackend(altered({ ping: absent }));
  assert.deepEqual(await silent.health(), { ok: true, asked: false, latencyMs: 0 });
  assert.equal("asked" in await asked.health(), false);
});
