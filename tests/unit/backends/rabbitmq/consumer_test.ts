import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import type { AmqpChannel, AmqpMessage } from "../../../../backends/rabbitmq/client.ts";
import type { Connection } from "../../../../backends/rabbitmq/connection.ts";
import { PushConsumer } from "../../../../backends/rabbitmq/consumer.ts";
import { IDLE_MS, IdleTimer } from "../../../../backends/rabbitmq/idle_timer.ts";
import type { Held } from "../../../../backends/rabbitmq/held.ts";

/** A signal that never aborts: one for each test, since workerd ties it to a request. */
const never = () => new AbortController().signal;

/** A channel to a queue with as many messages as are asked for, which keeps to the prefetch as the broker does. */
class FakeChannel {
  /** The prefetch of each subscription, in their order. */
  readonly subscriptions: number[] = [];
  /** The most unsettled messages so far. */
  most = 0;
  readonly #unsettled: Set<number> = new Set();
  #prefetch = 0;
  #tag = 0;
  #sent = 0;
  #current: { readonly room: number; readonly own: Set<number>; onMessage(message: AmqpMessage): void } | undefined;

  on(): void {}

  prefetch(count: number): Promise<void> {
    this.#prefetch = count;
    return turn();
  }

  async consume(_queue: string, onMessage: (message: AmqpMessage) => void): Promise<{ consumerTag: string }> {
    this.subscriptions.push(this.#prefetch);
    this.#current = { room: this.#prefetch, own: new Set(), onMessage };
    await turn();
    this.#push();
    return { consumerTag: String(++this.#tag) };
  }

  /** Whether the broker pushes. */
  get subscribed(): boolean {
    return this.#current !== undefined;
  }

  async cancel(): Promise<void> {
    this.#current = undefined;
    await turn();
  }

  registerConsumer(): void {}

  reject(): void {}

  close(): Promise<void> {
    return turn();
  }

  async checkQueue(): Promise<{ messageCount: number; consumerCount: number }> {
    await turn();
    return { messageCount: 1_000_000, consumerCount: 1 };
  }

  ack({ fields: { deliveryTag } }: AmqpMessage, allUpTo = false): void {
    const settled = allUpTo ? [...this.#unsettled].filter((tag) => tag <= deliveryTag) : [deliveryTag];
    for (const tag of settled) {
      this.#unsettled.delete(tag);
      this.#current?.own.delete(tag);
    }
    setTimeout(() => this.#push());
  }

  #push(): void {
    const current = this.#current;
    while (current && current === this.#current && current.own.size < current.room) {
      const deliveryTag = ++this.#sent;
      current.own.add(deliveryTag);
      this.#unsettled.add(deliveryTag);
      this.most = Math.max(this.most, this.#unsettled.size);
      const fields = { deliveryTag, redelivered: false, routingKey: "" };
      current.onMessage({ content: Buffer.from("{}"), fields, properties: {} });
    }
  }
}

/** An answer of the broker comes in a turn of its own. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

async function openConsumer(channel: FakeChannel): Promise<PushConsumer> {
  const connection = { openChannel: () => Promise.resolve(channel as unknown as AmqpChannel) } as unknown as Connection;
  const actions = { release: () => Promise.resolve(), onGone: () => undefined, onClosed: () => undefined };
  return await PushConsumer.open(connection, "queue", actions);
}

/**
 * Takes and acknowledges messages, at most `max` at a time, and asks for more while that is under way. Resolves with the longest
 * time, in milliseconds, of one step: handlers are fast only where it is short.
 */
async function takeFast(
  consumer: PushConsumer,
  { max, prefetch, count }: Record<"max" | "prefetch" | "count", number>,
): Promise<number> {
  let [taken, settled, longest, before] = [0, 0, 0, performance.now()];
  let settling: Promise<void> | undefined;
  let waiting: Held[] = [];
  const settle = async () => {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      for (const held of batch) held.settling = true;
      await consumer.acknowledge(batch);
      settled += batch.length;
    }
    settling = undefined;
  };
  while (taken < count) {
    const now = performance.now();
    longest = Math.max(longest, now - before);
    before = now;
    const most = Math.min(max, prefetch - (taken - settled));
    if (most === 0) {
      await settling;
      continue;
    }
    const held = await consumer.receive({ max: most, prefetch, leaseMs: 60_000, waitMs: 60_000, signal: never() });
    taken += held.length;
    waiting.push(...held);
    settling ??= settle();
  }
  await settling;
  return longest;
}

test("PushConsumer has more pushed ahead of fast handlers, by few subscriptions", async () => {
  // A consumer that stands still gives up its subscription: on a busy machine, another try shows what fast handlers get.
  for (let tries = 1;; tries++) {
    const channel = new FakeChannel();
    const consumer = await openConsumer(channel);
    const longest = await takeFast(consumer, { max: 16, prefetch: 1_000, count: 20_000 });
    await consumer.close();
    if (longest > IDLE_MS / 4 && tries < 50) continue;
    assert.ok(channel.subscriptions.at(-1)! > 250, `${channel.subscriptions}`);
    assert.ok(channel.subscriptions.length <= 6, `${channel.subscriptions}`);
    assert.deepEqual(channel.subscriptions, channel.subscriptions.toSorted((a, b) => a - b), "none is for fewer");
    return;
  }
});

test("PushConsumer has never more than the prefetch of its consumer", async () => {
  for (const prefetch of [16, 20, 100]) {
    const channel = new FakeChannel();
    const consumer = await openConsumer(channel);
    await takeFast(consumer, { max: 16, prefetch, count: 5_000 });
    assert.ok(channel.most <= prefetch, `${channel.most} of ${prefetch}: ${channel.subscriptions}`);
    await consumer.close();
  }
});

test("PushConsumer takes what one receive asks for where no prefetch is given", async () => {
  const channel = new FakeChannel();
  const consumer = await openConsumer(channel);
  const options = { prefetch: undefined, leaseMs: 60_000, waitMs: 60_000, signal: never() };
  const held = await consumer.receive({ max: 5, ...options });
  assert.equal(held.length, 5);
  assert.equal((await consumer.receive({ max: 3, ...options })).length, 3, "beside what handlers keep");
  assert.deepEqual(channel.subscriptions, [5, 3]);
  await consumer.close();
});

test("PushConsumer waits for room where all that it may hold is held", async () => {
  const channel = new FakeChannel();
  const consumer = await openConsumer(channel);
  const options = { prefetch: 2, leaseMs: 60_000, waitMs: 60_000, signal: never() };
  const [first, ...rest] = await consumer.receive({ max: 2, ...options });
  assert.equal(rest.length, 1);
  await consumer.pause();
  const receiving = consumer.receive({ max: 1, ...options });
  await turn(); // other work goes on
  await consumer.acknowledge([first!]);
  assert.equal((await receiving).length, 1);
  assert.equal(channel.most, 2);
  await consumer.close();
});

test("PushConsumer takes no more when nobody asks, but while it settles something", async () => {
  const channel = new FakeChannel();
  const consumer = await openConsumer(channel);
  const [held] = await consumer.receive({ max: 1, prefetch: 2, leaseMs: 60_000, waitMs: 60_000, signal: never() });
  held!.settling = true;
  for (let idle = 0; idle < 3; idle++) await new Promise<void>((resolve) => new IdleTimer(resolve).start());
  assert.ok(channel.subscribed);
  held!.settling = false;
  while (channel.subscribed) await turn();
  await consumer.close();
});
