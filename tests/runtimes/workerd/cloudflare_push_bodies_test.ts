/**
 * Cloudflare Queues in Cloudflare's own runtime: bodies of every kind and size.
 *
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { open } from "../../../core/envelope.ts";
import { messageChanged, prose } from "../../unit/support/slack_texts.ts";
import { dead, handled, signed, start } from "./support/queue_platform.ts";

test("workerd push: splits a batch over the limits, refuses one message over them", async () => {
  await using worker = await start({ maxBatchSize: 100 });
  const text = "x".repeat(100_000);
  const small = Array.from({ length: 250 }, (_, n) => ({ payload: { n } }));
  const large = Array.from({ length: 5 }, (_, n) => ({ payload: { n: 1000 + n, text } }));
  assert.equal((await worker.publish([...small, ...large])).status, 200);
  const seen = await worker.until((all) => handled(all).length === 255);
  assert.equal(new Set(handled(seen).map(({ body }) => (body as { n: number }).n)).size, 255);
  const refused = await worker.publish([{ payload: { text: "x".repeat(1_048_577) } }]);
  const { name } = await refused.json() as { name: string };
  assert.deepEqual([refused.status, name], [400, "RangeError"]);
});

test("workerd push: the largest plain and compressed payloads arrive whole", async () => {
  await using worker = await start();
  for (const length of [127_900 - '{"text":""}'.length, 1_048_576 - '{"text":""}'.length]) {
    const payload = { text: "x".repeat(length) };
    assert.equal((await worker.publish([{ payload }])).status, 200);
    const seen = await worker.until((all) => all.some(({ body }) => (body as typeof payload).text.length === length));
    assert.deepEqual(seen.at(-1)!.body, payload);
  }
});

test("workerd push: a message_changed of 50 sections reaches the handler", async () => {
  await using worker = await start();
  const envelope = messageChanged(50, (seed) => prose(3_000, seed));
  const answer = await worker.fetch("http://worker/slack/events", await signed(envelope));
  assert.equal(answer.status, 200);
  const [seen] = await worker.until((all) => all.length > 0);
  assert.deepEqual([seen!.kind, seen!.body], ["slack", envelope.event]);
});

test("workerd push: a large dead message is whole in the dead letter queue", async () => {
  await using worker = await start();
  const payload = { permanent: true, ...messageChanged(50, (seed) => prose(3_000, seed)), type: "other" };
  assert.equal((await worker.publish([{ payload, id: "Ev1" }])).status, 200);
  const seen = await worker.until((all) => dead(all).length > 0);
  const { payload: kept, id, cause } = await open(dead(seen)[0]!.body);
  assert.deepEqual([kept, id, cause!.message], [payload, "Ev1", "no such user"]);
});

test("workerd push: bytes, a Map and an Error die with all that they hold", async () => {
  await using worker = await start();
  await worker.fetch("http://worker/foreign", { method: "POST" });
  const seen = await worker.until((all) => dead(all).length === 4);
  const texts = await Promise.all(dead(seen).map(async ({ body }) => String((await open(body)).body)));
  assert.deepEqual(texts.sort(), ["TypeError: no such user", "a,1", "a,1,2", "31,139,8,255"].sort());
});
