/**
 * RabbitMQ: what the backend costs beside amqplib with the same guarantees, on one node of its own: persistent, mandatory
 * messages with ids on a quorum queue, each confirmed; each delivery parsed, acknowledged, and the acknowledgement read by
 * the broker.
 *
 * Every pair is measured in turns, several times, and the best of each counts: what else the machine does only makes a
 * turn slower. `deno task bench rabbitmq` runs it; rabbitmq-server must be installed.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { RabbitMQBackend } from "@slack-mcp/queue/rabbitmq";
import { connect } from "amqplib";
import { startRabbitMQ } from "../tests/servers/rabbitmq_server.ts";

const BATCH = 1_000;
const COUNT = 20_000;
const PREFETCH = 1_000;
const ROUNDS = 5;
const BUDGET = 0.7;
const EXCHANGE = "bench";
const QUEUE = "bench_slack-mcp";
const payload = {
  type: "event_callback",
  event_id: "Ev0PV52K21",
  event: { type: "message", ts: "1700000000.123456", text: "x".repeat(1_000) },
};
const messages = Array.from({ length: BATCH }, () => ({ payload }));

await using server = await startRabbitMQ({ onDisk: true });
await using backend = new RabbitMQBackend({
  url: server.url,
  exchange: EXCHANGE,
  prefetch: PREFETCH,
  timeoutMs: 60_000,
});
const connection = await connect(server.url, { noDelay: true });
const publishing = await connection.createConfirmChannel();
publishing.on("return", () => {
  throw new Error("A message came back");
});
await backend.publish(EXCHANGE, payload); // declares

async function rate(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return COUNT / (performance.now() - startedAt) * 1_000;
}

/** Messages come and go between turns, outside of what is timed. */
async function emptied(): Promise<void> {
  await publishing.purgeQueue(QUEUE);
}

async function plainPublish(): Promise<void> {
  for (let from = 0; from < COUNT; from += BATCH) {
    for (let n = 0; n < BATCH; n++) {
      publishing.publish(EXCHANGE, EXCHANGE, Buffer.from(JSON.stringify(payload)), {
        mandatory: true,
        persistent: true,
        contentType: "application/json",
        messageId: crypto.randomUUID(),
        timestamp: Math.floor(Date.now() / 1_000),
      });
    }
    await publishing.waitForConfirms();
  }
}

async function publish(): Promise<void> {
  for (let from = 0; from < COUNT; from += BATCH) await backend.publishBatch(EXCHANGE, messages);
}

async function concurrent(): Promise<void> {
  for (let from = 0; from < COUNT; from += BATCH) {
    await Promise.all(Array.from({ length: BATCH }, () => backend.publish(EXCHANGE, payload)));
  }
}

/** Acknowledges what came together at once, and waits until the broker has read it. */
async function plainConsume(): Promise<void> {
  const channel = await connection.createChannel();
  await channel.prefetch(PREFETCH);
  const { promise: all, resolve } = Promise.withResolvers<void>();
  let seen = 0;
  let last: Parameters<typeof channel.ack>[0] | undefined;
  const settle = async () => {
    const message = last!;
    last = undefined;
    channel.ack(message, true);
    await channel.prefetch(PREFETCH);
    if (last) await settle();
    else if (seen >= COUNT) resolve();
    else settling = false;
  };
  let settling = false;
  await channel.consume(QUEUE, (message) => {
    JSON.parse(message!.content.toString());
    seen += 1;
    last = message!;
    if (settling) return;
    settling = true;
    queueMicrotask(settle);
  });
  await all;
  await channel.close();
}

async function consume(): Promise<void> {
  let seen = 0;
  const acks: Promise<boolean>[] = [];
  for await (const delivery of backend.receive(EXCHANGE)) {
    acks.push(delivery.ack());
    if (++seen === COUNT) break;
  }
  if (!(await Promise.all(acks)).every(Boolean)) throw new Error("An ack was refused");
}

/** The best of several turns each, in turns. */
async function compare(works: readonly (() => Promise<void>)[], before: () => Promise<void>): Promise<number[]> {
  const best = works.map(() => 0);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, work] of works.entries()) {
      await before();
      best[i] = Math.max(best[i]!, await rate(work));
    }
  }
  return best;
}

const [plainPublished, published, publishedAtOnce] = await compare([plainPublish, publish, concurrent], emptied);
const [plainConsumed, consumed] = await compare([plainConsume, consume], async () => {
  await emptied();
  await plainPublish();
});

const rows = [
  ["publish: amqplib, batches of 1,000", plainPublished!, undefined],
  ["publish: publishBatch", published!, published! / plainPublished!],
  ["publish: 1,000 at once", publishedAtOnce!, publishedAtOnce! / plainPublished!],
  ["consume + ack: amqplib", plainConsumed!, undefined],
  ["consume + ack: receive", consumed!, consumed! / plainConsumed!],
] as const;
for (const [name, perSecond, ratio] of rows) {
  const shown = ratio === undefined ? "" : `  ${ratio.toFixed(2)}× (budget ≥ ${BUDGET}×)`;
  console.log(`${name.padEnd(40)} ${Math.round(perSecond).toString().padStart(8)}/s${shown}`);
}
await connection.close();
if (rows.some(([, , ratio]) => ratio !== undefined && ratio < BUDGET)) Deno.exitCode = 1;
