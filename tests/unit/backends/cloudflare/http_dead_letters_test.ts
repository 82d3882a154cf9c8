// Dead letters over Cloudflare's HTTP API.
import { test } from "node:test";
import assert from "node:assert/strict";
import { asked, KEY, never, setup } from "../../support/cloudflare_setup.ts";

test("cloudflare http: a dead letter is whole and its message is gone", async () => {
  const { backend, queue, clock } = setup();
  const publishedAt = clock.now();
  await backend.publish(KEY, { n: 1 }, { id: "Ev1", headers: { h: "1" } });
  for await (const delivery of backend.receive(KEY)) {
    if (delivery.attempts < 2) {
      await delivery.retry();
      continue;
    }
    clock.skip(1500);
    assert.equal(await delivery.deadLetter(new TypeError("poison")), true);
    break;
  }
  assert.equal(queue.size, 0);
  const letters = await Array.fromAsync(backend.deadLetters.list(KEY));
  assert.equal(letters.length, 1);
  const { id: _id, diedAt, ...letter } = letters[0]!;
  assert.deepEqual(letter, {
    messageId: "Ev1",
    key: KEY,
    group: "slack-mcp",
    payload: { n: 1 },
    body: '{"n":1}',
    headers: { h: "1" },
    attempts: 2,
    cause: { name: "TypeError", message: "poison" },
    publishedAt: new Date(publishedAt),
  });
  assert.ok(diedAt!.getTime() >= publishedAt + 1500);
});

test("cloudflare http: dead-letters the unreadable as it came, the next one flows", async () => {
  const { backend, connect, queue, dead } = setup();
  queue.add({ type: "text", text: "{no json" }, 0, "dash");
  queue.add({ type: "json", text: "[1,2]" }, 0, "dash");
  queue.add({ type: "v8", text: btoa("\xff\x0f") }, 0, "worker");
  await backend.publish(KEY, { n: 1 });
  for await (const delivery of backend.receive(KEY)) {
    assert.deepEqual(delivery.payload, { n: 1 });
    await delivery.ack();
    break;
  }
  await backend.close();
  assert.deepEqual([queue.size, dead.size], [0, 3]);
  const letters = await Array.fromAsync(connect().deadLetters.list(KEY));
  assert.deepEqual(letters.map(({ payload, body }) => [payload, body]).slice(0, 2), [
    [undefined, "{no json"],
    [undefined, "[1,2]"],
  ]);
  assert.ok(letters.every(({ cause }) => cause.name === "ConsumeError"));
  await connect().deadLetters.replay(KEY);
  assert.deepEqual(queue.messages.map(({ content }) => content.text).slice(0, 2), ["{no json", "[1,2]"]);
});

test("cloudflare http: what the platform itself gave up is listed and replayed too", async () => {
  const { backend, clock, queue, dead } = setup({ settings: { maxRetries: 1 } });
  await backend.publish(KEY, { n: 1 }, { id: "Ev1", headers: { h: "1" } });
  const attempts: number[] = [];
  for await (const delivery of backend.receive(KEY)) {
    attempts.push(delivery.attempts);
    await delivery.retry();
    if (attempts.length === 2) break;
  }
  assert.deepEqual([attempts, queue.size, dead.size], [[1, 2], 0, 1]);
  const [letter] = await Array.fromAsync(backend.deadLetters.list(KEY));
  assert.deepEqual([letter!.messageId, letter!.payload, letter!.headers], ["Ev1", { n: 1 }, { h: "1" }]);
  assert.match(letter!.cause.message, /max_retries/);
  assert.equal(await backend.deadLetters.replay(KEY), 1);
  clock.skip(1);
  for await (const delivery of backend.receive(KEY)) {
    assert.deepEqual([delivery.id, delivery.payload, delivery.headers, delivery.attempts], [
      "Ev1",
      { n: 1 },
      { h: "1" },
      1,
    ]);
    await delivery.ack();
    break;
  }
  assert.deepEqual([queue.size, dead.size], [0, 0]);
});

async function withDead(count: number) {
  const made = setup();
  await made.backend.publishBatch(KEY, Array.from({ length: count }, (_, n) => ({ payload: { n } })));
  for await (const delivery of made.backend.receive(KEY, { stopWhenEmpty: true })) await delivery.deadLetter("poison");
  assert.equal(made.dead.size, count);
  return made;
}

test("cloudflare http: replays and purges dead letters by id and limit, by hundreds", async () => {
  const { backend, queue, dead } = await withDead(250);
  const listed = await Array.fromAsync(backend.deadLetters.list(KEY));
  assert.deepEqual(listed.map(({ payload }) => payload?.n), Array.from({ length: 100 }, (_, n) => n));
  assert.equal((await Array.fromAsync(backend.deadLetters.list(KEY, { limit: 3 }))).length, 3);
  const ids = [listed[1]!.id, listed[3]!.id];
  assert.deepEqual((await Array.fromAsync(backend.deadLetters.list(KEY, { ids }))).map(({ id }) => id), ids);
  assert.equal(await backend.deadLetters.replay(KEY, { ids }), 2);
  assert.deepEqual([queue.size, dead.size], [2, 248]);
  assert.equal(await backend.deadLetters.purge(KEY, { limit: 8 }), 8);
  assert.equal(await backend.deadLetters.replay(KEY), 240);
  assert.deepEqual([queue.size, dead.size], [242, 0]);
  assert.equal(await backend.deadLetters.purge(KEY), 0);
});

test("cloudflare http: of a dead letter queue for several keys each lists its own", async () => {
  const { api, backend, connect: _connect } = setup();
  api.queue("other-events", { deadLetterQueue: "slack-events-dlq" });
  for (const key of [KEY, "other_events"]) {
    await backend.publish(key, { key });
    for await (const delivery of backend.receive(key, { stopWhenEmpty: true })) await delivery.deadLetter("poison");
  }
  const letters = await Array.fromAsync(backend.deadLetters.list("other_events"));
  assert.deepEqual(letters.map(({ payload }) => payload), [{ key: "other_events" }]);
  assert.equal(await backend.deadLetters.purge(KEY), 1);
  assert.equal(api.queue("slack-events-dlq").size, 1);
});

test("cloudflare http: without a dead letter queue a dead message stays in place", async () => {
  const { driver, backend, queue } = setup({ settings: { deadLetterQueue: undefined } });
  await backend.publishBatch(KEY, [{ payload: { n: 1 } }, { payload: { n: 2 } }]);
  const [one, two] = await driver.receive(KEY, asked());
  const answers = await driver.settle(KEY, "slack-mcp", [
    { kind: "dead", lease: one!.lease, cause: { name: "Error", message: "poison" } },
    { kind: "ack", lease: two!.lease },
  ], never());
  assert.deepEqual([answers, queue.size], [[false, true], 1]);
  assert.deepEqual(await Array.fromAsync(backend.deadLetters.list(KEY)), []);
});

test("cloudflare http: acknowledges nothing while the dead letter queue is away", async () => {
  const { driver, backend, api, queue, dead } = setup();
  await backend.publish(KEY, { n: 1 });
  const [one] = await driver.receive(KEY, asked());
  const settlement = { kind: "dead", lease: one!.lease, cause: { name: "Error", message: "poison" } } as const;
  api.fault({ kind: "refuse", status: 500, code: 15000 }, "batch");
  await assert.rejects(driver.settle(KEY, "slack-mcp", [settlement], never()));
  assert.deepEqual([queue.size, dead.size], [1, 0]);
  // The next time the dead letter is safe and the acknowledgement is lost: it is not buried twice.
  api.fault({ kind: "cut" }, "ack");
  await assert.rejects(driver.settle(KEY, "slack-mcp", [settlement], never()));
  assert.deepEqual(await driver.settle(KEY, "slack-mcp", [settlement], never()), [true]);
  assert.deepEqual([queue.size, dead.size], [0, 1]);
});
