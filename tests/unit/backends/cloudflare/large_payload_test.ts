// Payloads that are larger than a message of Cloudflare Queues may be: through bindings and push, and over HTTP.
import { test } from "node:test";
import assert from "node:assert/strict";
import { CloudflareBackend, deadLetterTo } from "../../../../backends/cloudflare/mod.ts";
import { createBatchHandler } from "../../../../core/consume/consumer.ts";
import { open } from "../../../../core/envelope.ts";
import type { PublishError } from "../../../../core/errors.ts";
import type { Delivery, JsonObject } from "../../../../core/protocol.ts";
import { systemClock } from "../../../../core/util/clock.ts";
import { BindingDouble, pushed } from "../../../doubles/queue_binding.ts";
import { code, KEY, setup } from "../../support/cloudflare_setup.ts";
import { LARGE_EVENTS, messageChanged, noise, prose } from "../../support/slack_texts.ts";

/** Compression takes real time, which a clock that jumps to its next timer would not wait for. */
const REAL_TIME = { clock: systemClock };

const bytesOf = (payload: JsonObject) => new TextEncoder().encode(JSON.stringify(payload)).length;

async function publishAndPush(payload: JsonObject, binding = new BindingDouble()): Promise<Delivery[]> {
  const backend = new CloudflareBackend({ bindings: { [KEY]: binding } });
  await backend.publish(KEY, payload, { id: "Ev1", headers: { h: "ä" } });
  const seen: Delivery[] = [];
  const { batch, settled } = pushed(binding.messages);
  await createBatchHandler({ handler: (delivery) => void seen.push(delivery) })(batch);
  assert.deepEqual(settled, { m0: ["ack"] });
  return seen;
}

for (const [name, make] of LARGE_EVENTS) {
  test(`CloudflareBackend carries a message_changed with ${name} into the handler whole`, async () => {
    const payload = make();
    assert.ok(bytesOf(payload) > 128_000, `${bytesOf(payload)}`);
    const [delivery, ...more] = await publishAndPush(payload);
    assert.deepEqual([delivery!.payload, delivery!.id, delivery!.headers], [payload, "Ev1", { h: "ä" }]);
    assert.equal(more.length, 0);
  });

  test(`CloudflareHttpBackend carries a message_changed with ${name} to its consumer whole`, async () => {
    const { backend, queue } = setup(REAL_TIME);
    const payload = make();
    await backend.publish(KEY, payload, { id: "Ev1" });
    assert.equal(queue.size, 1);
    for await (const delivery of backend.receive(KEY)) {
      assert.deepEqual([delivery.payload, delivery.id], [payload, "Ev1"]);
      await delivery.ack();
      break;
    }
    assert.equal(queue.size, 0);
  });
}

test("CloudflareBackend sends what fits as plain JSON for foreign Workers", async () => {
  const binding = new BindingDouble();
  const backend = new CloudflareBackend({ bindings: { [KEY]: binding } });
  const largest = { text: "x".repeat(127_900 - '{"text":""}'.length) };
  await backend.publish(KEY, { n: 1 });
  await backend.publish(KEY, largest);
  await backend.publish(KEY, { text: `${largest.text}x` });
  const [small, whole, packed] = binding.messages.map(({ body }) => body as Record<string, unknown>);
  assert.deepEqual([small, whole], [{ n: 1 }, largest]);
  assert.deepEqual(Object.keys(packed!), ["@slack-mcp/queue", "body"]);
});

test("CloudflareBackend refuses what cannot compress to 128 KB and sends the others", async () => {
  const binding = new BindingDouble();
  const backend = new CloudflareBackend({ bindings: { [KEY]: binding } });
  const payload = { text: noise(200_000) };
  const batch = backend.publishBatch(KEY, [{ payload: { n: 1 } }, { payload }, { payload: { n: 3 } }]);
  await assert.rejects(batch, (error: PublishError) => {
    assert.deepEqual([error.code, error.retryable], ["too-large", false]);
    assert.deepEqual(error.outcomes!.map((outcome) => "outcome" in outcome ? outcome.outcome : outcome.code), [
      "added",
      "too-large",
      "added",
    ]);
    assert.match(error.outcomes![1] instanceof Error ? error.outcomes![1].message : "", /at most 127900 bytes/);
    return true;
  });
  assert.deepEqual(binding.messages.map(({ body }) => body), [{ n: 1 }, { n: 3 }]);
  await assert.rejects(backend.publish(KEY, { text: "x".repeat(1_048_577) }), RangeError);
});

test("Compressed payloads keep texts like places, repeated texts and odd names", async () => {
  const text = "\0" + noise(100);
  const payload = JSON.parse(
    JSON.stringify({
      places: ["\0", "\0" + "0", "\0" + "1", "\0\0", "0", ""],
      texts: [
        text,
        text,
        text.slice(1),
        "x".repeat(63),
        "x".repeat(64),
        "a\nb".repeat(50),
        "lone \ud800 surrogate".repeat(9),
      ],
      nested: { a: [{ b: text }] },
      numbers: [0, 1.5, 1e21, null, true],
      filler: "y".repeat(130_000),
    }).replace("{", '{"__proto__":{"polluted":"' + "z".repeat(80) + '"},'),
  );
  const [delivery] = await publishAndPush(payload);
  assert.equal(JSON.stringify(delivery!.payload), JSON.stringify(payload));
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

test("A large message's dead letter is whole, pushed or pulled, and can be replayed", async () => {
  const payload = messageChanged(50, (seed) => prose(3_000, seed));
  const dlq = new BindingDouble();
  const binding = new BindingDouble();
  await new CloudflareBackend({ bindings: { [KEY]: binding } }).publish(KEY, payload, { id: "Ev1" });
  const handler = () => Promise.reject(new TypeError("poison"));
  await createBatchHandler({ handler, maxAttempts: 1, deadLetter: deadLetterTo(dlq) })(pushed(binding.messages).batch);
  const letter = await open(dlq.messages[0]!.body);
  assert.deepEqual([letter.payload, letter.id, letter.cause!.message], [payload, "Ev1", "poison"]);

  const { backend, queue, dead } = setup(REAL_TIME);
  await backend.publish(KEY, payload, { id: "Ev1" });
  for await (const delivery of backend.receive(KEY, { stopWhenEmpty: true })) await delivery.deadLetter("poison");
  assert.deepEqual([queue.size, dead.size], [0, 1]);
  const [listed] = await Array.fromAsync(backend.deadLetters.list(KEY));
  assert.deepEqual([listed!.payload, listed!.messageId, listed!.cause.message], [payload, "Ev1", "poison"]);
  assert.equal(await backend.deadLetters.replay(KEY), 1);
  for await (const delivery of backend.receive(KEY, { stopWhenEmpty: true })) {
    assert.deepEqual([delivery.payload, delivery.id], [payload, "Ev1"]);
    await delivery.ack();
  }
  assert.deepEqual([queue.size, dead.size], [0, 0]);
});

test("A compressed body that was damaged goes to the dead letters as it came", async () => {
  const binding = new BindingDouble();
  await new CloudflareBackend({ bindings: { [KEY]: binding } }).publish(KEY, { text: "x".repeat(200_000) });
  const sound = binding.messages[0]!.body as Record<string, string>;
  for (const body of ["%", "", sound.body!.slice(0, -8), btoa("no gzip"), sound.body!.replace(/[a-m]/g, "z")]) {
    const damaged = { ...sound, body };
    const dlq = new BindingDouble();
    const handler = () => assert.fail("handled");
    const { batch, settled } = pushed([{ body: damaged }]);
    await createBatchHandler({ handler, deadLetter: deadLetterTo(dlq) })(batch);
    assert.deepEqual(settled, { m0: ["ack"] });
    const letter = await open(dlq.messages[0]!.body);
    assert.deepEqual([letter.payload, letter.body, letter.cause!.name], [undefined, damaged, "ConsumeError"]);
  }
});

test("CloudflareHttpBackend refuses what does not compress to 128 KB before it is sent", async () => {
  const { backend, api } = setup(REAL_TIME);
  await backend.health();
  const before = api.count("batch");
  await assert.rejects(backend.publish(KEY, { text: noise(200_000) }), code("too-large"));
  await assert.rejects(backend.publish(KEY, { text: "x".repeat(1_048_577) }), RangeError);
  assert.equal(api.count("batch"), before);
});
