// Bodies that are no JSON: none of their bytes changes on the way into the dead letters and back.
import { test } from "node:test";
import assert from "node:assert/strict";
import { deadLetterTo } from "../../../../backends/cloudflare/mod.ts";
import { createBatchHandler } from "../../../../core/consume/consumer.ts";
import { open } from "../../../../core/envelope.ts";
import type { JsonObject } from "../../../../core/protocol.ts";
import { BindingDouble, pushed } from "../../../doubles/queue_binding.ts";
import { code, KEY, type Setup, setup } from "../../support/cloudflare_setup.ts";

const base64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes));

async function gzip(text: string): Promise<Uint8Array> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Bytes that are no UTF-8. */
async function bytes(): Promise<Record<string, Uint8Array>> {
  return {
    "gzip of JSON": await gzip('{"a":1}'),
    "JSON in Latin-1": Uint8Array.from('{"name":"J\xfcrgen"}', (char) => char.charCodeAt(0)),
    "all 256 values": Uint8Array.from({ length: 256 }, (_, n) => n),
    "half a character": new TextEncoder().encode('{"a":"ä').slice(0, -1),
    "JSON in UTF-16": Uint8Array.from('{"a":1}'.split("").flatMap((char) => [char.charCodeAt(0), 0])).fill(0xd8, 1, 2),
  };
}

async function dieOf(body: unknown): Promise<BindingDouble> {
  const dlq = new BindingDouble();
  const { batch, settled } = pushed([{ body }]);
  const handle = createBatchHandler({ handler: () => assert.fail("handled"), deadLetter: deadLetterTo(dlq) });
  assert.equal((await handle(batch)).deadLettered, 1);
  assert.deepEqual(settled, { m0: ["ack"] });
  return dlq;
}

test("deadLetterTo keeps pushed bytes that are no UTF-8, and replay returns them", async () => {
  for (const [name, came] of Object.entries(await bytes())) {
    for (const body of [came, came.buffer, new DataView(came.buffer)]) {
      const [message] = (await dieOf(body)).messages;
      assert.equal(message!.contentType, "json", name);
      const letter = await open(message!.body);
      assert.deepEqual([letter.payload, letter.body, letter.attempts], [undefined, came, 1], name);
    }
    const { backend, connect, queue, dead } = setup();
    const [message] = (await dieOf(came)).messages;
    dead.add({ type: "json", text: JSON.stringify(message!.body) }, 0, "worker");
    const [listed] = await Array.fromAsync(backend.deadLetters.list("slack-events"));
    assert.deepEqual([listed!.body, listed!.bodyEncoding, listed!.payload], [base64(came), "base64", undefined], name);
    assert.equal(await backend.deadLetters.replay("slack-events"), 1);
    assert.deepEqual([queue.size, dead.size], [1, 0]);
    // It is still no message: it dies again, the same.
    assert.deepEqual(await Array.fromAsync(backend.receive(KEY, { stopWhenEmpty: true })), []);
    await backend.close();
    const [again] = await Array.fromAsync(connect().deadLetters.list(KEY));
    assert.deepEqual([again!.body, again!.bodyEncoding], [base64(came), "base64"], name);
  }
});

test("CloudflareHttpBackend dead-letters pulled bytes that are no UTF-8, whole", async () => {
  for (const [name, came] of Object.entries(await bytes())) {
    for (const type of ["bytes", "v8"] as const) {
      const { backend, connect, queue, dead } = setup();
      queue.add({ type, text: base64(came) }, 0, "worker");
      await backend.publish(KEY, { n: 1 });
      for await (const delivery of backend.receive(KEY, { stopWhenEmpty: true })) {
        assert.deepEqual(delivery.payload, { n: 1 }, name);
        await delivery.ack();
      }
      await backend.close();
      assert.deepEqual([queue.size, dead.size], [0, 1]);
      const [letter] = await Array.fromAsync(connect().deadLetters.list(KEY));
      assert.deepEqual([letter!.body, letter!.bodyEncoding, letter!.attempts], [base64(came), "base64", 1], name);
      const kept = JSON.parse(dead.messages[0]!.content.text)["@slack-mcp/queue"];
      assert.equal(kept.contentType, type === "v8" ? "v8" : undefined);
    }
  }
});

test("A Worker's v8 body becomes a dead letter with nested Map, Set, Error and bytes", async () => {
  const bodies: unknown[] = [
    new Map([["a", new Set([1])]]),
    new Set([1, 2]),
    new Date(5),
    [new Map([["a", 1]])],
    12n,
    undefined,
  ];
  for (const body of bodies.slice(0, -1)) {
    const [message] = (await dieOf(body)).messages;
    assert.equal(message!.contentType, "v8");
    const letter = await open(message!.body);
    assert.deepEqual([letter.body, letter.cause!.name], [body, "ConsumeError"]);
  }
  const [error] = (await dieOf(new TypeError("no such user"))).messages;
  assert.match(String((await open(error!.body)).body), /no such user/);
  // An object is a payload, also one that JSON cannot carry: its handler fails, and it dies whole.
  const dlq = new BindingDouble();
  const handle = createBatchHandler({
    handler: () => Promise.reject(new Error("poison")),
    maxAttempts: 1,
    deadLetter: deadLetterTo(dlq),
  });
  const body = { users: new Map([["U1", 1]]), at: new Date(5) };
  await handle(pushed([{ body }]).batch);
  assert.equal(dlq.messages[0]!.contentType, "v8");
  assert.deepEqual((await open(dlq.messages[0]!.body)).payload, body as unknown as JsonObject);
});

test("deadLetterTo sends the body alone where it is too large with its story", async () => {
  const text = '"'.repeat(127_000);
  const raw = Uint8Array.from({ length: 127_000 }, (_, n) => n % 256);
  const [asText] = (await dieOf(text)).messages;
  assert.deepEqual([asText!.contentType, asText!.body], ["text", text]);
  const [asBytes] = (await dieOf(raw)).messages;
  assert.deepEqual([asBytes!.contentType, asBytes!.body], ["bytes", raw]);
});

test("CloudflareHttpBackend refuses to replay bytes that its API cannot send", async () => {
  const { backend, connect, queue, dead } = setup();
  const raw = Uint8Array.from({ length: 127_000 }, (_, n) => n % 256);
  queue.add({ type: "bytes", text: btoa(Array.from(raw, (byte) => String.fromCharCode(byte)).join("")) }, 0, "worker");
  assert.deepEqual(await Array.fromAsync(backend.receive(KEY, { stopWhenEmpty: true })), []);
  await backend.close();
  assert.deepEqual([queue.size, dead.size], [1, 0]);
  const other = connect();
  dead.adopt(queue.messages[0]!); // what the platform does after max_retries
  dead.add({ type: "text", text: "no object" }, 0, "dash");
  await assert.rejects(other.deadLetters.replay(KEY), code("too-large"));
  assert.deepEqual([queue.size, dead.size], [2, 1]);
});

test("Pushed text and bytes that spell a JSON object are payloads, BOM or not", async () => {
  const seen: unknown[] = [];
  const handle = createBatchHandler({ handler: ({ payload }) => void seen.push(payload.a) });
  const utf8 = new TextEncoder().encode('{"a":"ü"}');
  const { batch } = pushed([{ body: '{"a":"ü"}' }, { body: utf8 }, { body: utf8.buffer }]);
  await handle(batch);
  assert.deepEqual(seen, ["ü", "ü", "ü"]);
});

test("A replay leaves alone what a running consumer gives up again meanwhile", async () => {
  const made: Setup = setup({
    // Whatever is put back dies again at once, as a new dead letter.
    fetch: async (input, init) => {
      const response = await made.api.textFetch(input, init);
      for (const { id, content } of made.queue.messages) {
        made.queue.remove(id);
        made.dead.add(content, 0, "http");
      }
      return response;
    },
  });
  for (let n = 0; n < 3; n++) made.dead.add({ type: "text", text: `no object ${n}` }, 0, "dash");
  const replayed = made.backend.deadLetters.replay(KEY);
  assert.equal(await replayed, 3);
  assert.deepEqual([made.queue.size, made.dead.size], [0, 3]);
  assert.equal(made.api.count("batch"), 1);
});
