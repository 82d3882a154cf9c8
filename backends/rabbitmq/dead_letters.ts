/**
 * Dead letters: a queue of their own beside the queue of a group, read by taking them and giving them back.
 *
 * @module
 */
import type { DriverDeadLetterQuery, DriverDeadLetters } from "../../core/driver.ts";
import { QueueError } from "../../core/errors.ts";
import type { DeadLetter } from "../../core/protocol.ts";
import { abortable } from "../../core/util/async.ts";
import type { AmqpChannel, AmqpMessage } from "./client.ts";
import type { Connection, Link } from "./connection.ts";
import { classifyError } from "./errors.ts";
import { letterIdOf, replayOptions, toDeadLetter } from "./copies.ts";
import { deadNameOf } from "./names.ts";
import type { Publisher } from "./publisher.ts";
import type { Topology } from "./topology.ts";

/** Dead letters of one page. */
const PAGE = 500;

/** Dead letters that are put back together. */
const REPLAY_BATCH = 500;

/** Milliseconds without a further letter after which the rest counts as held by somebody else who looks. */
const QUIET_MS = 2_000;

/** Dead letters that are given back together. */
const RETURN_BATCH = 30;

/** Milliseconds between two looks for letters that were given back, and how many there are at most. */
const LOOK_MS = 5;
const MAX_LOOKS = 200;

/** The dependencies of the dead letters. */
export interface DeadLetterParts {
  /** A connection that may break without harm: see `take`. */
  readonly link: Link;
  readonly publisher: Publisher;
  readonly topology: Topology;
  readonly persistent: boolean;
}

/** Dead letters by AMQP alone. */
export class RabbitMQDeadLetters implements DriverDeadLetters {
  readonly #parts: DeadLetterParts;

  /** With these parts of the driver. */
  constructor(parts: DeadLetterParts) {
    this.#parts = parts;
  }

  /** The oldest first. A page is found by passing over those before it. */
  async list(
    key: string,
    { group, ids, limit }: DriverDeadLetterQuery,
    cursor: string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly letters: readonly DeadLetter[]; readonly cursor: string | undefined }> {
    const from = Number(cursor ?? 0);
    const count = ids ? Infinity : Math.min(limit, PAGE);
    return await this.#browse(key, group, from + count, signal, (messages) => {
      const some = messages.slice(from).map((message) => toDeadLetter(message, key, group)).toSorted(byDeath);
      const letters = ids ? some.filter(({ id }) => ids.includes(id)).slice(0, limit) : some;
      const more = !ids && letters.length === count && count < limit;
      return Promise.resolve({ letters, cursor: more ? String(from + count) : undefined });
    }, { letters: [], cursor: undefined });
  }

  /** Puts them back at the end of the queue that they died in: each is there before it is no dead letter any more. */
  async replay(key: string, query: DriverDeadLetterQuery, signal: AbortSignal): Promise<number> {
    const { publisher, topology, persistent } = this.#parts;
    const { group } = query;
    const queue = topology.queueOf(key, group);
    return await this.#browse(key, group, mostOf(query), signal, async (messages, remove) => {
      const wanted = chosen(messages, query);
      // They may be there because their queue is not.
      topology.forgetQueue(await publisher.connection(signal), queue);
      for (let from = 0; from < wanted.length; from += REPLAY_BATCH) {
        const batch = wanted.slice(from, from + REPLAY_BATCH);
        await topology.group(await publisher.connection(signal), key, group);
        const confirmations = await publisher.publish(
          batch.map((message) => ({
            exchange: "",
            routingKey: queue,
            content: message.content,
            options: replayOptions(message, persistent),
          })),
          signal,
        );
        for (const [i, confirmation] of confirmations.entries()) {
          if (confirmation === "confirmed") remove(batch[i]!);
          else if (confirmation === "unroutable") throw new QueueError("not-found", `there is no queue ${queue}`);
          else throw confirmation;
        }
      }
      return wanted.length;
    }, 0);
  }

  /** Removes them. */
  async purge(key: string, query: DriverDeadLetterQuery, signal: AbortSignal): Promise<number> {
    const { link, topology } = this.#parts;
    if (query.ids === undefined && query.limit === Infinity) {
      const connection = await link.open(signal);
      const queue = deadNameOf(topology.queueOf(key, query.group));
      try {
        const purged = connection.withChannel((channel) => channel.purgeQueue(queue));
        return (await abortable(purged, signal)).messageCount;
      } catch (error) {
        if (classifyError(error) === "not-found" && !connection.lost) return 0;
        throw error;
      }
    }
    return await this.#browse(key, query.group, mostOf(query), signal, (messages, remove) => {
      const wanted = chosen(messages, query);
      for (const message of wanted) remove(message);
      return Promise.resolve(wanted.length);
    }, 0);
  }

  /** Takes the oldest letters, has `use` look at them, and gives back those that it did not acknowledge. */
  async #browse<T>(
    key: string,
    group: string,
    most: number,
    signal: AbortSignal,
    use: (messages: readonly AmqpMessage[], remove: (message: AmqpMessage) => void) => Promise<T>,
    none: T,
  ): Promise<T> {
    const { link, topology } = this.#parts;
    const queue = deadNameOf(topology.queueOf(key, group));
    const connection: Connection = await link.open(signal);
    const work = connection.withChannel(async (channel) => {
      const messages = await take(channel, queue, most, signal);
      if (messages.length === 0) return none;
      const removed = new Set<AmqpMessage>();
      const result = await use(messages, (message) => {
        channel.ack(message);
        removed.add(message);
      });
      const kept = messages.filter((message) => !removed.has(message));
      // A few after the other: a quorum queue takes many at once back in no order.
      for (let from = 0; from < kept.length; from += RETURN_BATCH) {
        const batch = kept.slice(from, from + RETURN_BATCH);
        for (const message of batch) channel.reject(message, true);
        await reappear(channel, queue, from + batch.length);
      }
      return result;
    });
    try {
      return await abortable(work, signal);
    } catch (error) {
      if (classifyError(error) === "not-found" && !connection.lost && !(error instanceof QueueError)) return none;
      throw error;
    }
  }
}

/** Waits until letters that were given back can be seen again: a quorum queue takes a moment for it. */
async function reappear(channel: AmqpChannel, queue: string, count: number): Promise<void> {
  for (let looks = 0; looks < MAX_LOOKS; looks++) {
    if ((await channel.checkQueue(queue)).messageCount >= count) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** The oldest first: a queue whose reader died may have taken its letters back in another order. */
function byDeath(a: DeadLetter, b: DeadLetter): number {
  return (a.diedAt?.getTime() ?? 0) - (b.diedAt?.getTime() ?? 0);
}

/** How many letters must be looked at. */
function mostOf({ ids, limit }: DriverDeadLetterQuery): number {
  return ids ? Infinity : limit;
}

function chosen(messages: readonly AmqpMessage[], { ids, limit }: DriverDeadLetterQuery): readonly AmqpMessage[] {
  const named = ids ? messages.filter((message) => ids.includes(letterIdOf(message))) : messages;
  return named.slice(0, limit);
}

/** Returns the first messages of a queue, at most `most`. The channel keeps them until it is closed. */
async function take(channel: AmqpChannel, queue: string, most: number, signal: AbortSignal): Promise<AmqpMessage[]> {
  const messages: AmqpMessage[] = [];
  let gone = false;
  let onMessage = () => {};
  channel.on("close", () => {
    gone = true;
    onMessage();
  });
  const prefetch = most <= 65_535 ? most : 0;
  await channel.prefetch(prefetch);
  // Where there is no such queue this closes the channel. A quorum queue answers when it can be read: a look at its length
  // may find nothing while it starts.
  const { consumerTag } = await channel.consume(queue, (message) => {
    if (message === null) gone = true;
    else if (messages.length < most) messages.push(message);
    onMessage();
  }, { noAck: false });
  for (let quietMs = 0; messages.length < most && quietMs < QUIET_MS;) {
    signal.throwIfAborted();
    if (gone) throw new QueueError("unavailable", `the queue ${queue} is gone`);
    const { length } = messages;
    const { messageCount } = await channel.checkQueue(queue);
    await channel.prefetch(prefetch); // what was pushed before the look has come
    if (messages.length > length) continue;
    if (messageCount === 0) break;
    const arrived = new Promise<void>((resolve) => onMessage = resolve);
    const timer = setTimeout(onMessage, LOOK_MS);
    await arrived;
    clearTimeout(timer);
    quietMs = messages.length > length ? 0 : quietMs + LOOK_MS;
  }
  await channel.cancel(consumerTag);
  return messages;
}
