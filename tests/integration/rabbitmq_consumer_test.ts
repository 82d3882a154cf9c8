// not on workerd: starts a rabbitmq-server
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after } from "node:test";
import { connect } from "amqplib";
import { RabbitMQBackend, type RabbitMQOptions } from "../../backends/rabbitmq/mod.ts";
import { requires } from "../runner/services.ts";
import { type RabbitMQServer, startRabbitMQ } from "../servers/rabbitmq_server.ts";

// What a consumer takes, and what it leaves to others.
const test = requires("rabbitmq-server");

let starting: Promise<RabbitMQServer> | undefined;
/** One node for all tests, each of which has an exchange of its own. */
const server = () => starting ??= startRabbitMQ();
after(async () => {
  await (await starting)?.[Symbol.asyncDispose]();
});

async function open(exchange: string, options: RabbitMQOptions = {}): Promise<RabbitMQBackend> {
  return new RabbitMQBackend({ url: (await server()).url, exchange, timeoutMs: 120_000, ...options });
}

/** A channel of the client alone, for what a foreign program does. */
async function openChannel() {
  const connection = await connect((await server()).url);
  const channel = await connection.createConfirmChannel();
  return Object.assign(channel, { [Symbol.asyncDispose]: () => connection.close() });
}

async function publishMany(backend: RabbitMQBackend, key: string, count: number): Promise<void> {
  await backend.publishBatch(key, Array.from({ length: count }, (_, n) => ({ payload: { n } })));
}

test("A consumer has no more of the broker than its prefetch, and leaves the rest", async () => {
  await using backend = await open("bounded");
  await publishMany(backend, "bounded", 300);
  await using channel = await openChannel();
  const reader = backend.receive("bounded", { prefetch: 5 });
  await reader.next();
  const { messageCount } = await channel.checkQueue("bounded_slack-mcp");
  assert.ok(messageCount >= 295, `${messageCount} of 300 are left`);
  await reader.return!();
});

test("A consumer of fast handlers has more pushed ahead, never above its prefetch", async () => {
  const { url } = await server();
  let subscriptions = 0;
  await using backend = await open("fast", {
    connect: async () => {
      const connection = await connect(url);
      const createChannel = connection.createChannel.bind(connection);
      connection.createChannel = async () => {
        const channel = await createChannel();
        const consume = channel.consume.bind(channel);
        channel.consume = (queue, ...rest) => {
          if (queue === "fast_slack-mcp") subscriptions += 1;
          return consume(queue, ...rest);
        };
        return channel;
      };
      return connection;
    },
  });
  const [count, prefetch] = [6_000, 200];
  await publishMany(backend, "fast", count);
  await using channel = await openChannel();
  let most = 0;
  const acks: Promise<boolean>[] = [];
  for await (const delivery of backend.receive("fast", { prefetch })) {
    acks.push(delivery.ack());
    if (acks.length % 500 === 0) {
      const { messageCount } = await channel.checkQueue("fast_slack-mcp");
      most = Math.max(most, count - messageCount - acks.length);
    }
    if (acks.length === count) break;
  }
  assert.ok((await Promise.all(acks)).every(Boolean));
  assert.ok(most <= prefetch, `${most} were out, and ${prefetch} may be`);
  // Each costs round trips in which nothing comes: one for each step from the first 16 to the prefetch, and few beside.
  assert.ok(subscriptions <= 8, `${subscriptions} subscriptions`);
});

test("A consumer gets more messages while its handlers keep the earlier ones", async () => {
  await using backend = await open("kept");
  await publishMany(backend, "kept", 64);
  const reader = backend.receive("kept", { prefetch: 64 });
  const kept = [];
  while (kept.length < 64) kept.push((await reader.next()).value!);
  assert.deepEqual(kept.map(({ payload }) => payload.n), Array.from({ length: 64 }, (_, n) => n));
  assert.ok((await Promise.all(kept.map((delivery) => delivery.ack()))).every(Boolean));
  await reader.return!();
});

test("An expired message is never handed out, whoever published it", async () => {
  await using backend = await open("over");
  await backend.publish("over", { n: 0 });
  await using channel = await openChannel();
  // The broker does not know: no expiration, as in a queue whose messages somebody has moved.
  const headers = { "x-slack-mcp-expires": Date.now() - 1_000 };
  channel.publish("over", "over", Buffer.from('{"n":1}'), { headers });
  channel.publish("over", "over", Buffer.from('{"n":2}'), {});
  await channel.waitForConfirms();
  const reader = backend.receive("over", { prefetch: 3 });
  for (const n of [0, 2]) {
    const { value } = await reader.next();
    assert.equal(value!.payload.n, n);
    assert.ok(await value!.ack());
  }
  await reader.return!();
  assert.equal((await channel.checkQueue("over_slack-mcp")).messageCount, 0, "it is not given back either");
});

test("Delays wait in quorum queues where queues are classic, and outlive a kill", async () => {
  await using node = await startRabbitMQ();
  const options = { url: node.url, exchange: "classic", queueType: "classic", timeoutMs: 120_000 } as const;
  const backend = new RabbitMQBackend(options);
  await backend.publish("classic", { n: 1 });
  const reader = backend.receive("classic", { prefetch: 1 });
  assert.ok(await (await reader.next()).value!.retry({ delayMs: 5_000 }));
  await reader.return!();
  await backend.publish("classic", { n: 2 }, { delayMs: 5_000 });
  const askedAt = Date.now();
  const listed = await node.ctl("list_queues", "-q", "--no-table-headers", "name", "type");
  const types = new Map(listed.split("\n").map((line) => line.split("\t") as [string, string]));
  assert.equal(types.get("classic_slack-mcp"), "classic");
  for (const name of ["classic_slack-mcp", "classic:classic"]) {
    const levels = [...types].filter(([queue]) => queue.startsWith(`${name}.delay.`));
    assert.ok(levels.length >= 2 && levels.every(([, type]) => type === "quorum"), listed);
  }
  await node.registered();
  await node.kill();
  await node.restart();
  // What is in hand of the mover when the broker dies may come twice, and counts once more on a classic queue.
  const attempts = new Map<unknown, number>();
  for await (const delivery of backend.receive("classic", { prefetch: 2 })) {
    const { n } = delivery.payload;
    attempts.set(n, Math.max(attempts.get(n) ?? 0, delivery.attempts));
    if (n === 2) assert.ok(Date.now() >= askedAt + 4_000, "it is early");
    assert.ok(await delivery.ack());
    if (attempts.size === 2) break;
  }
  assert.ok(attempts.get(1)! >= 2, "the retry is counted");
  await backend.close();
});
