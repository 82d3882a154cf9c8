// Publishing over Cloudflare's HTTP API.
import { test } from "node:test";
import assert from "node:assert/strict";
import { PublishError } from "../../../../core/errors.ts";
import { asked, code, KEY, setup } from "../../support/cloudflare_setup.ts";
import { systemClock } from "../../../../core/util/clock.ts";
import { noise } from "../../support/slack_texts.ts";

test("cloudflare http: the key's queue is found by its name, once", async () => {
  const { backend, api, queue } = setup();
  await backend.publish(KEY, { n: 1 });
  await backend.publish(KEY, { n: 2 });
  assert.equal(queue.size, 2);
  assert.deepEqual(api.requests.map(({ action }) => action), ["list", "batch", "batch"]);
});

test("cloudflare http: ids and names by key, an id needs no look-up", async () => {
  const { api, backend } = setup({ queues: { a: "slack-events", b: "0123456789abcdef0123456789abcdef" } });
  await backend.publish("a", {});
  await assert.rejects(backend.publish("b", {}), code("not-found"));
  assert.equal(api.count("list"), 1);
});

test("cloudflare http: names the command for a missing queue and finds it once made", async () => {
  const { backend, api } = setup();
  await assert.rejects(
    backend.publish("Team.Events", {}),
    (error: PublishError) =>
      error instanceof PublishError && error.code === "not-found" &&
      /wrangler queues create team-events$/.test(error.message),
  );
  const queue = api.queue("team-events");
  await backend.publish("Team.Events", {});
  assert.equal(queue.size, 1);
});

test("cloudflare http: concurrent publishes travel as batches of 100, in order, whole", async () => {
  const { backend, api, queue } = setup();
  await Promise.all(Array.from({ length: 250 }, (_, n) => backend.publish(KEY, { n, text: "ü\u0000" })));
  assert.equal(api.count("batch"), 3);
  assert.deepEqual(
    queue.messages.map(({ content }) => JSON.parse(content.text)),
    Array.from({ length: 250 }, (_, n) => ({ n, text: "ü\u0000" })),
  );
});

test("cloudflare http: batches keep within 256 KB with all that the platform counts", async () => {
  const cases: [count: number, textBytes: number, headerBytes: number][] = [
    [12, 60_000, 9_000], // four a batch by their payloads, three with their headers
    [12, 60_000, 20_000],
    [100, 2_440, 1], // one batch by their payloads, two with the platform's own hundred bytes each
    [2, 127_700, 1],
  ];
  for (const [count, textBytes, headerBytes] of cases) {
    const { backend, api, queue } = setup();
    const text = "x".repeat(textBytes);
    const headers = { h: "y".repeat(headerBytes) };
    await backend.publishBatch(KEY, Array.from({ length: count }, () => ({ payload: { text }, headers })));
    assert.equal(queue.size, count);
    assert.ok(api.requests.every(({ status }) => status === 200));
  }
});

test("cloudflare http: in a batch a message that is too large is refused alone", async () => {
  const { backend, queue } = setup({ clock: systemClock }); // compression takes real time
  const sent = backend.publishBatch(KEY, [{ payload: { n: 1 } }, { payload: { text: noise(200_000) } }, {
    payload: { n: 3 },
  }]);
  await assert.rejects(sent, code("too-large"));
  assert.deepEqual(queue.messages.map(({ content }) => JSON.parse(content.text)), [{ n: 1 }, { n: 3 }]);
});

test("cloudflare http: sends a plain payload as body, id and headers in an envelope", async () => {
  const { driver, backend, queue } = setup();
  await backend.publish(KEY, { n: 1 });
  await backend.publish(KEY, { n: 2 }, { id: "Ev1", headers: { team: "T1" } });
  assert.deepEqual(queue.messages.map(({ content }) => JSON.parse(content.text)), [
    { n: 1 },
    { "@slack-mcp/queue": { v: 1, id: "Ev1", headers: { team: "T1" } }, payload: { n: 2 } },
  ]);
  const [plain, sealed] = await driver.receive(KEY, asked());
  assert.equal(plain!.id, queue.messages[0]!.id);
  assert.equal(plain!.headers, undefined);
  assert.deepEqual([sealed!.id, sealed!.headers, sealed!.body], ["Ev1", { team: "T1" }, { n: 2 }]);
});

test("cloudflare http: delays are whole seconds, rounded up, up to 24 hours", async () => {
  const { backend, clock, queue } = setup();
  const now = clock.now();
  await backend.publish(KEY, { n: 1 }, { delayMs: 1001 });
  await backend.publish(KEY, { n: 2 }, { delayMs: 86_400_000 });
  await backend.publish(KEY, { n: 3 });
  assert.deepEqual(queue.messages.map(({ visibleAt }) => visibleAt - now), [2000, 86_400_000, 0]);
  await assert.rejects(backend.publish(KEY, {}, { delayMs: 86_400_001 }), RangeError);
});

test("cloudflare http: without a delay the queue's own delivery delay holds", async () => {
  const { backend, clock, queue } = setup({ settings: { deliveryDelay: 60 } });
  const now = clock.now();
  await backend.publish(KEY, {});
  assert.equal(queue.messages[0]!.visibleAt - now, 60_000);
});
