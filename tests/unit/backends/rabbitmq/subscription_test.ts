import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import type { AmqpChannel, AmqpMessage } from "../../../../backends/rabbitmq/client.ts";
import type { Connection } from "../../../../backends/rabbitmq/connection.ts";
import { PushConsumer } from "../../../../backends/rabbitmq/consumer.ts";
import { QueueSubscription } from "../../../../backends/rabbitmq/subscription.ts";

/** A channel whose broker pushes only when a test says so, and reads settlements only when a test lets it. */
class ScriptedChannel {
  /** The prefetch of each subscription, in their order. */
  readonly subscriptions: number[] = [];
  /** Subscriptions that were ended. */
  cancelled = 0;
  /** Returns how many messages a look at the queue finds. */
  onLook: () => number = () => 0;
  /** Settles when the broker reads what was sent. */
  reading: Promise<void> = Promise.resolve();
  #prefetch = 0;
  #sent = 0;
  #onMessage: (message: AmqpMessage) => void = () => {};

  on(): void {}

  registerConsumer(): void {}

  ack(): void {}

  reject(): void {}

  async prefetch(count: number): Promise<void> {
    this.#prefetch = count;
    await this.reading;
  }

  consume(_queue: string, onMessage: (message: AmqpMessage) => void): Promise<{ consumerTag: string }> {
    this.subscriptions.push(this.#prefetch);
    this.#onMessage = onMessage;
    return Promise.resolve({ consumerTag: `tag ${this.subscriptions.length}` });
  }

  cancel(): Promise<void> {
    this.cancelled += 1;
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  checkQueue(): Promise<{ messageCount: number; consumerCount: number }> {
    return Promise.resolve({ messageCount: this.onLook(), consumerCount: 1 });
  }

  push(count: number): void {
    for (let n = 0; n < count; n++) {
      const fields = { deliveryTag: ++this.#sent, redelivered: false, routingKey: "" };
      this.#onMessage({ content: Buffer.from("{}"), fields, properties: {} });
    }
  }

  /** Resolves when this number of subscriptions was made. */
  async subscribed(count: number): Promise<void> {
    while (this.subscriptions.length < count) await turn();
  }
}

/** A turn of the event loop, in which whatever is ready has run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

const asAmqp = (channel: ScriptedChannel) => channel as unknown as AmqpChannel;

async function openConsumer(channel: ScriptedChannel): Promise<PushConsumer> {
  const connection = { openChannel: () => Promise.resolve(asAmqp(channel)) } as unknown as Connection;
  const actions = { release: () => Promise.resolve(), onGone: () => undefined, onClosed: () => undefined };
  return await PushConsumer.open(connection, "queue", actions);
}

/** Waits longer than a consumer does before it looks again. */
const someLooks = () => new Promise((resolve) => setTimeout(resolve, 150));

const waiting = () => ({ leaseMs: 60_000, waitMs: 60_000, signal: new AbortController().signal });

test("PushConsumer subscribes for no more than there is room for", async () => {
  const channel = new ScriptedChannel();
  const consumer = await openConsumer(channel);
  const first = consumer.receive({ max: 2, prefetch: 4, ...waiting() });
  await channel.subscribed(1);
  channel.push(2);
  await consumer.acknowledge(await first);
  // More are asked for than the subscription is for; it is filled, to the last that may be held, before it ends.
  channel.onLook = () => {
    channel.onLook = () => 0;
    channel.push(2);
    return 1;
  };
  const filled = await consumer.receive({ max: 4, prefetch: 2, ...waiting() });
  assert.deepEqual([filled.length, channel.subscriptions, channel.cancelled], [2, [2], 1]);
  // The next call that has room subscribes again.
  await consumer.acknowledge(filled);
  const last = consumer.receive({ max: 4, prefetch: 3, ...waiting() });
  await channel.subscribed(2);
  channel.push(1);
  assert.equal((await last).length, 1);
  assert.deepEqual(channel.subscriptions, [2, 3]);
  await consumer.close();
});

test("PushConsumer waits for what is being settled in place of subscribing anew", async () => {
  const channel = new ScriptedChannel();
  const consumer = await openConsumer(channel);
  const first = consumer.receive({ max: 2, prefetch: 100, ...waiting() });
  await channel.subscribed(1);
  channel.push(2);
  const held = await first;
  const read = Promise.withResolvers<void>();
  channel.reading = read.promise;
  for (const one of held) one.settling = true;
  const settling = consumer.acknowledge(held);
  const next = consumer.receive({ max: 2, prefetch: 100, ...waiting() });
  await someLooks();
  assert.deepEqual([channel.subscriptions, channel.cancelled], [[2], 0]);
  channel.reading = Promise.resolve();
  read.resolve();
  await settling;
  channel.push(2);
  assert.equal((await next).length, 2);
  assert.deepEqual([channel.subscriptions, channel.cancelled], [[2], 0]);
  await consumer.close();
});

test("PushConsumer keeps a subscription for all that there is room for", async () => {
  const channel = new ScriptedChannel();
  const consumer = await openConsumer(channel);
  const prefetch = 8;
  // The first is for as many as may be held: what is asked for afterwards, it serves.
  for (let n = 0; n < 20; n++) {
    const receiving = consumer.receive({ max: n === 0 ? prefetch : 2, prefetch, ...waiting() });
    await channel.subscribed(1);
    channel.push(prefetch);
    const held = await receiving;
    while (consumer.buffered > 0) held.push(...await consumer.receive({ max: 2, prefetch, ...waiting() }));
    await consumer.acknowledge(held);
  }
  assert.deepEqual([channel.subscriptions, channel.cancelled], [[prefetch], 0]);
  await consumer.close();
});

test("QueueSubscription never asks for a prefetch of zero, which is unlimited", async () => {
  const channel = new ScriptedChannel();
  const events = { onMessage: () => undefined, onGone: () => undefined };
  const subscription = new QueueSubscription(asAmqp(channel), "queue", events);
  for (const left of [0, -1]) {
    await subscription.subscribe(4, { anew: false, wanted: () => left });
    assert.deepEqual([channel.subscriptions, subscription.active], [[], false]);
  }
  await subscription.subscribe(4, { anew: false, wanted: () => 70_000 });
  assert.deepEqual([channel.subscriptions, subscription.active], [[65_535], true]);
  subscription.close();
});
