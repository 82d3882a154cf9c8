// not on workerd: starts a rabbitmq-server
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createServer } from "node:net";
import { after } from "node:test";
import { connect } from "amqplib";
import { RabbitMQBackend, type RabbitMQOptions } from "../../backends/rabbitmq/mod.ts";
import { QueueError } from "../../core/errors.ts";
import type { DeadLetter } from "../../core/protocol.ts";
import { visibleText } from "../../testing/cases/secrets.ts";
import { requires } from "../runner/services.ts";
import { messageChanged, noise, prose } from "../unit/support/slack_texts.ts";
import { type RabbitMQServer, startRabbitMQ } from "../servers/rabbitmq_server.ts";

const test = requires("rabbitmq-server");
/** What the node takes: a little more than the largest event that Slack sends. */
const MAX_BYTES = 1_000_000;
const PASSWORD = "correct-horse-battery-staple";

let starting: Promise<RabbitMQServer> | undefined;
/** One node for all tests, each of which has an exchange of its own. */
const server = () =>
  starting ??= startRabbitMQ({
    config: [`max_message_size = ${MAX_BYTES}`],
    advanced: "{rabbit, [{channel_tick_interval, 500}]}",
  });
after(async () => {
  await (await starting)?.[Symbol.asyncDispose]();
});

async function open(exchange: string, options: RabbitMQOptions = {}): Promise<RabbitMQBackend> {
  return new RabbitMQBackend({ url: (await server()).url, exchange, timeoutMs: 120_000, ...options });
}

/** A channel of the client alone, for what a foreign program does. */
async function withChannel<T>(fn: (channel: Awaited<ReturnType<typeof newChannel>>) => Promise<T>): Promise<T> {
  const connection = await connect((await server()).url);
  try {
    return await fn(await newChannel(connection));
  } finally {
    await connection.close();
  }
}

const newChannel = (connection: Awaited<ReturnType<typeof connect>>) => connection.createConfirmChannel();

async function errorOf(promise: Promise<unknown>): Promise<QueueError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof QueueError, `${error}`);
    assert.ok(!visibleText(error).includes(PASSWORD), "the error shows the password");
    return error;
  }
  throw new Error("It did not reject");
}

const NOT_A_BROKER = "amqp://me:correct-horse-battery-staple@127.0.0.1";

for (const timeoutMs of [100, 1_000, 5_000]) {
  test(`RabbitMQBackend names a refused connection within a timeout of ${timeoutMs} ms`, async () => {
    await using backend = new RabbitMQBackend({ url: `${NOT_A_BROKER}:1`, timeoutMs });
    for (const call of [() => backend.publish("k", { n: 1 }), () => backend.depth("k")]) {
      const { code, message } = await errorOf(call());
      assert.equal(code, "connection", message);
      // A busy machine may take longer than that to learn it.
      assert.match(message, timeoutMs === 100 ? /ECONNREFUSED|refused|not answered yet/i : /ECONNREFUSED|refused/i);
    }
    const health = await backend.health();
    assert.deepEqual([health.ok, (health.error as QueueError).code], [false, "connection"]);
  });
}

test("RabbitMQBackend gives up a port that takes connections and never answers", async () => {
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as { port: number };
  await using backend = new RabbitMQBackend({ url: `${NOT_A_BROKER}:${port}`, timeoutMs: 6_000, maxRetries: 1 });
  const { code } = await errorOf(backend.publish("k", { n: 1 }));
  assert.equal(code, "connection");
  silent.close();
});

test("RabbitMQBackend names a wrong password and a missing or forbidden vhost", async () => {
  const node = await server();
  await node.ctl("add_user", "stranger", PASSWORD);
  const at = `127.0.0.1:${node.port}`;
  const wrong: [string, string][] = [
    [`amqp://guest:${PASSWORD}@${at}`, "unauthorized"],
    [`amqp://nobody:${PASSWORD}@${at}`, "unauthorized"],
    [`amqp://stranger:${PASSWORD}@${at}`, "not-found"],
    [`amqp://guest:guest@${at}/no-such-vhost`, "not-found"],
  ];
  for (const [url, code] of wrong) {
    await using backend = new RabbitMQBackend({ url, timeoutMs: 120_000 });
    for (const call of [() => backend.publish("k", { n: 1 }), () => backend.receive("k").next()]) {
      const error = await errorOf(call());
      assert.deepEqual([error.code, error.retryable], [code, false], error.message);
    }
    assert.equal((await backend.health()).ok, false);
  }
});

test("RabbitMQBackend works without the right to declare where everything exists", async () => {
  const node = await server();
  await using owner = await open("granted");
  await owner.publish("granted", { n: 1 });
  await node.ctl("add_user", "worker", PASSWORD);
  await node.ctl("set_permissions", "worker", "^$", ".*", ".*");
  const url = `amqp://worker:${PASSWORD}@127.0.0.1:${node.port}`;
  await using backend = await open("granted", { url });
  await backend.publish("granted", { n: 2 });
  const reader = backend.receive("granted");
  for (const n of [1, 2]) {
    const { value } = await reader.next();
    assert.deepEqual(value!.payload, { n });
    assert.ok(await value!.ack());
  }
  await reader.return!();
  await using other = await open("not_granted", { url });
  assert.equal((await errorOf(other.publish("not_granted", { n: 1 }))).code, "unauthorized");
});

test("RabbitMQBackend with declare passive needs what exists and declares nothing", async () => {
  await using passive = await open("passive", { declare: "passive" });
  assert.equal((await errorOf(passive.publish("passive", { n: 1 }))).code, "not-found");
  await withChannel((channel) => channel.assertExchange("passive", "topic", { durable: true }));
  assert.equal((await errorOf(passive.publish("passive", { n: 1 }))).code, "not-found");
  await withChannel((channel) => channel.assertQueue("passive_slack-mcp", { durable: true }));
  const unbound = await errorOf(passive.publish("passive", { n: 1 }));
  assert.deepEqual([unbound.code, /no queue is bound/.test(unbound.message)], ["not-found", true]);
  await withChannel((channel) => channel.bindQueue("passive_slack-mcp", "passive", "#"));
  await passive.publish("passive", { n: 2 });
  const reader = passive.receive("passive");
  assert.deepEqual((await reader.next()).value!.payload, { n: 2 });
  await reader.return!();
});

test("RabbitMQBackend takes a queue as it was declared by somebody else", async () => {
  const declared: Record<string, Record<string, unknown>> = {
    plain: {},
    ttl: { "x-message-ttl": 3_600_000 },
    limited: { "x-queue-type": "quorum", "x-delivery-limit": 30 },
    bounded: { "x-max-length": 10 },
  };
  for (const [name, args] of Object.entries(declared)) {
    const exchange = `taken_${name}`;
    await withChannel((channel) => channel.assertQueue(`${exchange}_slack-mcp`, { durable: true, arguments: args }));
    await using backend = await open(exchange);
    await backend.publish(exchange, { name });
    const reader = backend.receive(exchange);
    const first = (await reader.next()).value!;
    assert.ok(await first.retry());
    const second = (await reader.next()).value!;
    assert.deepEqual([second.payload, second.attempts], [{ name }, 2], name);
    assert.ok(await second.ack());
    await reader.return!();
  }
});

test("RabbitMQBackend publishes nothing into nowhere when its queue is deleted", async () => {
  await using backend = await open("deleted");
  await backend.publish("deleted", { n: 1 });
  await withChannel((channel) => channel.deleteQueue("deleted_slack-mcp"));
  await backend.publish("deleted", { n: 2 });
  await withChannel((channel) => channel.checkQueue("deleted_slack-mcp")); // a broker without it closes the channel
  const reader = backend.receive("deleted");
  assert.deepEqual((await reader.next()).value!.payload, { n: 2 });
  await reader.return!();
});

test("Subscription resumes when its queue is deleted under it", async () => {
  await using backend = await open("cancelled");
  const reader = backend.receive("cancelled");
  const pending = reader.next();
  await backend.publish("cancelled", { n: 1 });
  assert.ok(await (await pending).value!.ack());
  for (let n = 2; n < 5; n++) {
    const next = reader.next();
    await withChannel((channel) => channel.deleteQueue("cancelled_slack-mcp"));
    await backend.publish("cancelled", { n });
    const { value } = await next;
    assert.deepEqual(value!.payload, { n });
    assert.ok(await value!.ack());
  }
  await reader.return!();
});

test("Subscription is told when it holds a delivery for longer than the broker allows", async () => {
  const node = await server();
  await using backend = await open("slow", { leaseMs: 600 });
  await backend.publish("slow", { n: 1 });
  await node.ctl("eval", "application:set_env(rabbit, consumer_timeout, 1000)."); // for channels that are opened now
  const reader = backend.receive("slow", { prefetch: 2 });
  const held = (await reader.next()).value!;
  await node.ctl("eval", "application:set_env(rabbit, consumer_timeout, 1800000).");
  // The broker looks at a channel only while something happens on it.
  const seen = new Map<unknown, number>();
  for (let n = 2; !held.signal.aborted || !seen.has(1); n++) {
    await backend.publish("slow", { n });
    const { value } = await reader.next();
    seen.set(value!.payload.n, value!.attempts);
    await value!.ack();
  }
  assert.equal(await held.ack(), false);
  assert.ok(seen.get(1)! >= 2, `${seen.get(1)}`); // a busy machine may have renewed it too late before
  await reader.return!();
});

test("RabbitMQBackend rejects a publish as queue-full where a policy bounds the queue", async () => {
  const node = await server();
  const policy = '{"max-length":2,"overflow":"reject-publish"}';
  await node.ctl("set_policy", "bounded", "^full_", policy, "--apply-to", "queues");
  await using backend = await open("full");
  await backend.publish("full", { n: 1 });
  const codes: string[] = [];
  // A quorum queue refuses a little later than it is full.
  for (let n = 0; n < 20 && !codes.includes("queue-full"); n++) {
    await backend.publish("full", { n }).then(() => codes.push("added"), (error) => codes.push(error.code));
  }
  assert.equal(codes.at(-1), "queue-full");
});

test("RabbitMQBackend names the message that is larger than the broker takes", async () => {
  await using backend = await open("large");
  const large = { text: "x".repeat(MAX_BYTES + 1) };
  assert.equal((await errorOf(backend.publish("large", large))).code, "too-large");
  const batch = backend.publishBatch("large", [{ payload: { n: 1 } }, { payload: large }, { payload: { n: 3 } }]);
  const error = await errorOf(batch) as QueueError & { outcomes: readonly unknown[] };
  const codes = error.outcomes.map((outcome) => outcome instanceof QueueError ? outcome.code : "added");
  assert.equal(codes[1], "too-large");
  assert.ok(["added", "unknown-outcome"].includes(codes[0]!), codes[0]);
  assert.equal(codes[2], "unavailable");
  await backend.publish("large", { n: 4 });
});

test("RabbitMQBackend carries the largest events that Slack documents", async () => {
  await using backend = await open("slack");
  const events = [
    messageChanged(50, (seed) => prose(3_000, seed), prose(40_000)),
    messageChanged(50, (seed) => prose(3_000, seed).replace(/[aeiou]/g, "の")),
    messageChanged(50, (seed) => noise(3_000, seed)),
  ];
  for (const event of events) await backend.publish("slack", event);
  const seen: unknown[] = [];
  for await (const delivery of backend.receive("slack", { prefetch: 1 })) {
    if (delivery.attempts === 1) {
      assert.ok(await delivery.retry({ delayMs: 10 }));
      continue;
    }
    seen.push(delivery.payload);
    assert.ok(await delivery.ack());
    if (seen.length === events.length) break;
  }
  assert.deepEqual(
    seen.map((event) => JSON.stringify(event)).toSorted(),
    events.map((event) => JSON.stringify(event)).toSorted(),
  );
});

test("RabbitMQBackend refuses headers that do not fit and carries special names", async () => {
  await using backend = await open("headers");
  const error = await errorOf(backend.publish("headers", { n: 1 }, { headers: { long: "x".repeat(200_000) } }));
  assert.equal(error.code, "too-large");
  const headers = {
    CC: "somewhere",
    BCC: "else",
    ["__proto__"]: "p",
    "x-death": "d",
    "x-delivery-count": "7",
    "x-slack-mcp-attempts": "5",
    ["n".repeat(300)]: "long",
    traceparent: "00-1",
  };
  const id = "i".repeat(400);
  await backend.publish("headers", { n: 2 }, { id, headers });
  const reader = backend.receive("headers");
  const first = (await reader.next()).value!;
  assert.deepEqual([first.id, first.attempts, { ...first.headers }], [id, 1, headers]);
  assert.ok(await first.retry({ delayMs: 20 }));
  const second = (await reader.next()).value!;
  assert.deepEqual([second.id, second.attempts, { ...second.headers }], [id, 2, headers]);
  await reader.return!();
});

test("Subscription takes foreign messages and dead-letters what is no JSON object", async () => {
  await using backend = await open("foreign");
  await backend.publish("foreign", { n: 0 });
  const bodies = [
    Buffer.from('{"n":1}'),
    Buffer.from([0x7b, 0xff, 0x7d]),
    Buffer.from("[]"),
    Buffer.from(""),
    Buffer.from('{"n":2}'),
  ];
  await withChannel(async (channel) => {
    for (const body of bodies) channel.publish("foreign", "foreign", body, {});
    channel.sendToQueue("foreign_slack-mcp", Buffer.from('{"n":3}'), { headers: { retries: 3, deep: { a: 1 } } });
    await channel.waitForConfirms();
  });
  const seen: unknown[] = [];
  const ids = new Set<string>();
  for await (const delivery of backend.receive("foreign")) {
    seen.push(delivery.payload.n);
    ids.add(delivery.id);
    if (delivery.payload.n === 3) assert.deepEqual({ ...delivery.headers }, { retries: "3" });
    assert.ok(await delivery.ack());
    if (seen.length === 4) break;
  }
  assert.deepEqual(seen, [0, 1, 2, 3]);
  assert.equal(ids.size, 4);
  const letters: DeadLetter[] = [];
  while (letters.length < 3) {
    letters.splice(0, Infinity, ...await Array.fromAsync(backend.deadLetters.list("foreign")));
  }
  assert.deepEqual(letters.map(({ payload }) => payload), [undefined, undefined, undefined]);
  assert.equal(await backend.deadLetters.purge("foreign"), 3);
});

test("RabbitMQBackend rejects publishes during a memory alarm and recovers", async () => {
  const node = await server();
  await using backend = await open("alarm");
  await backend.publishBatch("alarm", Array.from({ length: 10 }, (_, n) => ({ payload: { n } })));
  const reader = backend.receive("alarm", { prefetch: 3 });
  const first = (await reader.next()).value!;
  await node.ctl("set_vm_memory_high_watermark", "0.0001");
  let over: Promise<string>;
  try {
    let error: QueueError | undefined;
    while (error?.code !== "queue-full") {
      error = await backend.publish("alarm", { n: 99 }, { timeoutMs: 500 }).then(() => undefined, (thrown) => thrown);
    }
    assert.match(error.message, /takes no messages/);
    assert.equal((await backend.health()).ok, false);
    assert.ok(await first.ack(), "an ack passes");
    const second = (await reader.next()).value!;
    assert.ok(await second.ack(), "and so does the next");
    await reader.return!(); // what was taken ahead goes back although nothing can be copied
  } finally {
    over = node.ctl("set_vm_memory_high_watermark", "0.4");
  }
  let asked = 0;
  while (!(await backend.health()).ok) assert.ok(++asked < 200_000, "who asks again at once never hears of its end");
  await over;
  await backend.publish("alarm", { n: 100 });
  const rest = new Set<unknown>();
  for await (const delivery of backend.receive("alarm")) {
    rest.add(delivery.payload.n);
    assert.ok(await delivery.ack());
    if (rest.has(100) && rest.size >= 9) break;
  }
});

test("RabbitMQBackend drops no message delivered more often than a queue's limit", async () => {
  await withChannel((channel) =>
    channel.assertQueue("limit_slack-mcp", {
      durable: true,
      arguments: { "x-queue-type": "quorum", "x-delivery-limit": 20 }, // what RabbitMQ 4 does by default
    })
  );
  await using backend = await open("limit");
  await backend.publish("limit", { n: 1 });
  // A kill between a copy and the end of its original leaves both: then the highest of them counts.
  let attempts = 0;
  while (attempts < 30) {
    const connection = await connect((await server()).url);
    const channel = await connection.createChannel();
    // A consumer of ours that dies takes its connection with it: the broker counts.
    await using dying = new RabbitMQBackend({
      connect: () => Promise.resolve(connection),
      exchange: "limit",
      closeDeadlineMs: 1,
    });
    const reader = dying.receive("limit", { prefetch: 1 });
    const { value } = await reader.next();
    attempts = Math.max(attempts, value!.attempts);
    await channel.close();
    await connection.close();
    await reader.return!();
  }
  const left: [payload: unknown, attempts: number][] = [];
  for await (const delivery of backend.receive("limit", { stopWhenEmpty: true })) {
    left.push([delivery.payload, delivery.attempts]);
    assert.ok(await delivery.ack());
  }
  assert.ok(left.some(([, attempts]) => attempts === 31), `${JSON.stringify(left)}`);
  assert.deepEqual(left.map(([payload]) => payload), left.map(() => ({ n: 1 })));
});

test("RabbitMQBackend looks at dead letters over a connection that may break", async () => {
  // RabbitMQ 3.10 ends the whole connection of a client that reads a quorum queue while it is declared.
  const { url } = await server();
  const connections: Awaited<ReturnType<typeof connect>>[] = [];
  await using backend = await open("looked_at", {
    connect: async () => {
      const connection = await connect(url);
      connection.on("error", () => undefined);
      connections.push(connection);
      return connection;
    },
  });
  await backend.publishBatch("looked_at", [{ payload: { n: 1 } }, { payload: { n: 2 } }]);
  const reader = backend.receive("looked_at", { prefetch: 2 });
  assert.ok(await (await reader.next()).value!.deadLetter("no"));
  const held = (await reader.next()).value!;
  const { length } = connections;
  const letters = () => Array.fromAsync(backend.deadLetters.list("looked_at"));
  assert.equal((await letters()).length, 1);
  assert.equal(connections.length, length + 1, "the look has a connection of its own");
  await connections.at(-1)!.close();
  assert.equal((await letters()).length, 1);
  assert.ok(await held.ack(), "what is held is not touched");
  await reader.return!();
});

test("RabbitMQBackend refuses two keys and groups whose queues would have one name", async () => {
  await using backend = await open("same");
  await backend.publish("same", { n: 1 });
  await backend.depth("same", { group: "orders_bots" });
  const error = await errorOf(backend.depth("orders", { group: "bots" }));
  assert.equal(error.code, "invalid");
  assert.match(error.message, /same_orders_bots/);
});

test("Keys that an exchange would read as patterns are keys like any other", async () => {
  await using backend = await open("patterns");
  const keys = ["a.*", "a.b", "#", "a.#"];
  for (const key of keys) await backend.depth(key);
  for (const key of keys) await backend.publish(key, { key });
  for (const key of keys) {
    const seen = [];
    for await (const delivery of backend.receive(key, { stopWhenEmpty: true })) {
      seen.push(delivery.payload.key);
      assert.ok(await delivery.ack());
    }
    assert.deepEqual(seen, [key]);
  }
});

test("A shorter delay does not wait behind a longer one", async () => {
  await using backend = await open("delays");
  const reader = backend.receive("delays", { prefetch: 1 });
  await backend.publish("delays", { n: 3 }, { delayMs: 3_600_000 });
  await backend.publish("delays", { n: 2 }, { delayMs: 1_500 });
  const before = performance.now();
  await backend.publish("delays", { n: 1 }, { delayMs: 100 });
  for (const [n, least] of [[1, 100], [2, 1_500]] as const) {
    const { value } = await reader.next();
    assert.equal(value!.payload.n, n);
    assert.ok(n === 2 || performance.now() - before >= least);
    assert.ok(await value!.ack());
  }
  assert.equal((await backend.depth("delays")).delayed, 1);
  await reader.return!();
});
