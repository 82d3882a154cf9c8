// not on workerd: starts a rabbitmq-server
import assert from "node:assert/strict";
import { after } from "node:test";
import { connect } from "amqplib";
import { RabbitMQBackend, type RabbitMQOptions } from "../../backends/rabbitmq/mod.ts";
import { requires } from "../runner/services.ts";
import { type RabbitMQServer, startRabbitMQ } from "../servers/rabbitmq_server.ts";

const test = requires("rabbitmq-server");
const KEY = "events";

let starting: Promise<RabbitMQServer> | undefined;
/** One node for all tests, each of which has an exchange of its own. */
const server = () => starting ??= startRabbitMQ();
after(async () => {
  await (await starting)?.[Symbol.asyncDispose]();
});

async function open(exchange: string, options: RabbitMQOptions = {}): Promise<RabbitMQBackend> {
  return new RabbitMQBackend({ url: (await server()).url, exchange, timeoutMs: 120_000, ...options });
}

/** Asks the broker for a queue, without a driver. Resolves with whether it is there. */
async function isThere(queue: string): Promise<boolean> {
  const connection = await connect((await server()).url);
  try {
    const channel = await connection.createChannel();
    channel.on("error", () => undefined); // the broker closes the channel where there is none
    return await channel.checkQueue(queue).then(() => true, () => false);
  } finally {
    await connection.close();
  }
}

async function settings(backend: RabbitMQBackend, group?: string): Promise<string[]> {
  const findings = await backend.diagnose!(KEY, group === undefined ? {} : { group });
  return findings.map(({ severity, setting }) => `${severity} ${setting}`);
}

test("RabbitMQBackend.diagnose finds a queue that nobody reads", async () => {
  await using backend = await open("unread");
  assert.deepEqual(await settings(backend), [], "there is no queue yet");
  await backend.publish(KEY, { n: 1 });
  assert.deepEqual(await settings(backend), ["warning group slack-mcp"]);
  const deliveries = backend.receive(KEY);
  const { value } = await deliveries.next();
  assert.deepEqual(await settings(backend), [], "somebody reads");
  await value.ack();
  await deliveries.return?.();
});

test("RabbitMQBackend.diagnose finds a classic queue where a quorum queue is wanted", async () => {
  await using classic = await open("old", { queueType: "classic" });
  await classic.publish(KEY, { n: 1 });
  await using backend = await open("old");
  assert.deepEqual(await settings(backend), ["warning group slack-mcp", "warning RABBITMQ_QUEUE_TYPE"]);
  assert.deepEqual(await settings(classic), ["warning group slack-mcp"], "it is what is wanted");
});

test("RabbitMQBackend.dropQueue leaves no queue behind, and the key can be used again", async () => {
  await using backend = await open("dropped");
  await backend.publish(KEY, { n: 1 });
  await backend.publish(KEY, { n: 2 });
  await backend.publish(KEY, { n: 3 }, { delayMs: 600_000 });
  let seen = 0;
  for await (const delivery of backend.receive(KEY, { prefetch: 2 })) {
    await (seen++ === 0 ? delivery.deadLetter("no") : delivery.retry({ delayMs: 600_000 }));
    if (seen === 2) break;
  }
  const queue = `dropped_${KEY}_slack-mcp`;
  const names = [queue, `${queue}.dead`];
  for (const name of names) assert.equal(await isThere(name), true, name);
  assert.equal((await backend.depth(KEY)).delayed, 2);
  await backend.dropQueue!(KEY);
  for (const name of names) assert.equal(await isThere(name), false, name);
  assert.deepEqual(await backend.depth(KEY), { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 });
  await backend.publish(KEY, { n: 4 });
  assert.equal((await backend.depth(KEY)).ready, 1);
});
