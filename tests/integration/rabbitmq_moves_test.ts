// not on workerd: starts a rabbitmq-server
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after } from "node:test";
import { connect } from "amqplib";
import { RabbitMQBackend, type RabbitMQOptions } from "../../backends/rabbitmq/mod.ts";
import type { LeasingBackend } from "../../core/protocol.ts";
import { requires } from "../runner/services.ts";
import { WriteCounter } from "../servers/amqp_frames.ts";
import { type RabbitMQServer, startRabbitMQ } from "../servers/rabbitmq_server.ts";
import { startProxy } from "../servers/tcp_proxy.ts";

// What happens between a copy and the end of its original.
const test = requires("rabbitmq-server");

let starting: Promise<RabbitMQServer> | undefined;
const server = () => starting ??= startRabbitMQ();
after(async () => {
  await (await starting)?.[Symbol.asyncDispose]();
});

async function open(exchange: string, options: RabbitMQOptions = {}): Promise<RabbitMQBackend> {
  return new RabbitMQBackend({ url: (await server()).url, exchange, timeoutMs: 120_000, ...options });
}

/** A backend whose publishes, and nothing else, go through a proxy. */
async function openThroughProxy(exchange: string, options: RabbitMQOptions = {}) {
  const { url, port } = await server();
  const proxy = await startProxy(port, () => new WriteCounter());
  let connections = 0;
  const through = url.replace(String(port), String(proxy.port));
  // The first connection is that of the first publish.
  const backend = await open(exchange, { connect: () => connect(connections++ === 1 ? url : through), ...options });
  await backend.publish(exchange, { first: true });
  const reader = backend.receive(exchange, { prefetch: 1 });
  assert.ok(await (await reader.next()).value!.ack());
  return { backend, proxy, reader };
}

async function withChannel<T>(fn: (channel: Awaited<ReturnType<typeof newChannel>>) => Promise<T>): Promise<T> {
  const connection = await connect((await server()).url);
  try {
    return await fn(await newChannel(connection));
  } finally {
    await connection.close();
  }
}

const newChannel = (connection: Awaited<ReturnType<typeof connect>>) => connection.createConfirmChannel();

async function nextOf(backend: LeasingBackend, key: string): Promise<[n: unknown, attempts: number]> {
  const reader = backend.receive(key, { prefetch: 1 });
  const { value } = await reader.next();
  assert.ok(await value!.ack());
  await reader.return!();
  return [value!.payload.n, value!.attempts];
}

for (const settle of ["retry", "deadLetter"] as const) {
  test(`Delivery.${settle} keeps the message where its copy is not confirmed`, async () => {
    const exchange = `unconfirmed_${settle}`;
    const { backend, proxy, reader } = await openThroughProxy(exchange, {
      timeoutMs: 12_000,
      maxRetries: 0,
      leaseMs: 2_000,
      closeDeadlineMs: 1,
    });
    await using _ = backend;
    await using __ = proxy;
    await backend.publish(exchange, { n: 1 });
    const { value } = await reader.next();
    proxy.refuse();
    const settling = settle === "retry" ? value!.retry() : value!.deadLetter("no");
    assert.equal(await settling.catch(() => false), false);
    await reader.return!();
    await backend.close();
    await using other = await open(exchange);
    assert.deepEqual((await nextOf(other, exchange))[0], 1);
  });
}

test("Delivery.deadLetter declares its queue anew where somebody deleted it", async () => {
  await using backend = await open("buried");
  await backend.publishBatch("buried", [{ payload: { n: 1 } }, { payload: { n: 2 } }]);
  const reader = backend.receive("buried", { prefetch: 1 });
  for (const n of [1, 2]) {
    const { value } = await reader.next();
    assert.equal(value!.payload.n, n);
    assert.ok(await value!.deadLetter("no"));
    if (n === 1) await withChannel((channel) => channel.deleteQueue("buried_slack-mcp.dead"));
  }
  await reader.return!();
  const letters = await Array.fromAsync(backend.deadLetters.list("buried"));
  assert.deepEqual(letters.map(({ payload }) => payload), [{ n: 2 }]);
});

test("A delayed message is not lost where it cannot be moved when it is due", async () => {
  const { backend, proxy, reader } = await openThroughProxy("stuck", { timeoutMs: 20_000 });
  await using _ = backend;
  await using __ = proxy;
  await backend.publish("stuck", { n: 1 }, { delayMs: 600 });
  proxy.refuse();
  await using other = await open("stuck");
  while ((await other.depth("stuck")).delayed > 0 && !await inDue("stuck"));
  proxy.refuse(false);
  const { value } = await reader.next();
  assert.deepEqual([value!.payload, value!.attempts], [{ n: 1 }, 1]);
  assert.ok(await value!.ack());
  await reader.return!();
});

/** Whether the mover holds a message: the queue of what is due has none that is ready, and the delay queue none either. */
async function inDue(exchange: string): Promise<boolean> {
  const queue = `${exchange}:${exchange}.delay.9`;
  return (await withChannel((channel) => channel.checkQueue(queue))).messageCount === 0;
}

test("A process that only delayed something moves it though its connections broke", async () => {
  const { url, port } = await server();
  await using proxy = await startProxy(port, () => new WriteCounter());
  await using backend = await open("published", { url: url.replace(String(port), String(proxy.port)) });
  await backend.publish("published", { n: 1 }, { delayMs: 1_000 });
  proxy.dropConnections();
  // Somebody else consumes, who knows nothing of what moves.
  const connection = await connect(url);
  const channel = await newChannel(connection);
  const body = await new Promise((resolve) => channel.consume("published_slack-mcp", (message) => resolve(message)));
  assert.ok(body);
  await connection.close();
});

test("RabbitMQBackend.close lets what is being moved arrive once", async () => {
  // Closing waits a quarter of it for what is being moved, and at most five seconds.
  const { backend, proxy, reader } = await openThroughProxy("once", { timeoutMs: 40_000 });
  await using __ = proxy;
  await reader.return!();
  await backend.publish("once", { n: 1 }, { delayMs: 100 });
  proxy.delayMs = 500; // the confirmation of the move is on its way while everything is closed
  await using other = await open("once", { groups: [] });
  while ((await withChannel((channel) => channel.checkQueue("once_slack-mcp"))).messageCount === 0);
  await backend.close();
  assert.deepEqual(await nextOf(other, "once"), [1, 1]);
  await other.publish("once", { n: 2 }, { delayMs: 300 });
  assert.deepEqual(await nextOf(other, "once"), [2, 1]);
});

test("A message whose queue is deleted while it waits becomes a dead letter of it", async () => {
  await using backend = await open("deserted");
  await backend.publish("deserted", { n: 1 });
  const reader = backend.receive("deserted", { prefetch: 1 });
  assert.ok(await (await reader.next()).value!.retry({ delayMs: 1_000 }));
  await reader.return!();
  await withChannel((channel) => channel.deleteQueue("deserted_slack-mcp"));
  const letters = () => Array.fromAsync(backend.deadLetters.list("deserted"));
  while ((await letters()).length === 0);
  const [letter] = await letters();
  assert.deepEqual([letter!.payload, letter!.attempts, letter!.cause.message], [{ n: 1 }, 1, "its queue is gone"]);
  assert.equal(await backend.deadLetters.replay("deserted"), 1);
  assert.deepEqual(await nextOf(backend, "deserted"), [1, 1]);
});

test("A foreign message in the queue of what is due is kept, and holds nothing up", async () => {
  await using backend = await open("stranger");
  await backend.publish("stranger", { n: 1 }, { delayMs: 300 });
  await withChannel(async (channel) => {
    channel.sendToQueue("stranger.due", Buffer.from("{}"), {});
    await channel.waitForConfirms();
  });
  assert.deepEqual(await nextOf(backend, "stranger"), [1, 1]);
  const stray = async () => (await withChannel((channel) => channel.checkQueue("stranger.due.dead"))).messageCount;
  while (await stray().catch(() => 0) === 0);
});

test("A consumer that does not wait counts nothing that it does not get", async () => {
  await using publisher = await open("exact");
  await publisher.publish("exact", { n: -1 });
  await nextOf(publisher, "exact");
  const consumers = await Promise.all([1, 2, 3].map(() => open("exact")));
  const attempts = new Map<unknown, number>();
  let publishing = true;
  const loops = consumers.map(async (backend) => {
    for (let last = false; !last;) {
      last = !publishing;
      for await (const delivery of backend.receive("exact", { prefetch: 1, stopWhenEmpty: true })) {
        attempts.set(delivery.payload.n, delivery.attempts);
        assert.ok(await delivery.ack());
        break;
      }
      if (attempts.size < 200) last = false;
    }
  });
  for (let n = 0; n < 200; n++) await publisher.publish("exact", { n });
  publishing = false;
  await Promise.all(loops);
  assert.deepEqual([...attempts].filter(([, count]) => count !== 1), []);
  await Promise.all(consumers.map((backend) => backend.close()));
});

test("RabbitMQBackend confirms nothing on a new queue that a kill would lose", async () => {
  await using node = await startRabbitMQ();
  // A broker that a busy machine has held up writes its directory later than we wait: such a try shows nothing.
  let lost = -1;
  for (let tries = 1; lost < node.lostQueues && tries <= 5; tries++) {
    lost = node.lostQueues;
    const key = `fresh${tries}`;
    const backend = new RabbitMQBackend({ url: node.url, exchange: key, timeoutMs: 120_000 });
    await backend.publish(key, { n: 1 });
    await node.kill();
    await node.restart();
    if (node.lostQueues === lost) assert.deepEqual(await nextOf(backend, key), [1, 1]);
    await backend.close();
  }
  assert.equal(node.lostQueues, lost, "each kill lost a queue");
});
