/**
 * The sending side of the streams driver.
 *
 * @module
 */
import type { DriverMessage, SendResult } from "../../core/driver.ts";
import { QueueError } from "../../core/errors.ts";
import { type Clock, monotonic } from "../../core/util/clock.ts";
import { type QueueKeys, queueKeys, sentKey } from "./keys.ts";
import {
  isPlainBatch,
  type OutgoingBatch,
  plainCall,
  type QueueLimits,
  readAnswer,
  readPlainAnswer,
  sendCall,
} from "./outgoing.ts";
import { partsOf, SentBatches } from "./sent_batches.ts";
import type { StreamsTransport } from "./transport.ts";

/** Batches of a key after which a publisher removes what consumers of another kind have settled, and what has expired. */
const TRIM_EVERY = 128;

/** The most keys whose state is kept. An older one is made anew when it is published to again. */
const MAX_QUEUES = 1_000;

/** The least milliseconds for which a batch is remembered: a client sends it again within seconds. */
const REMEMBERED_MS = 60_000;

/** The server gets that time anew once in this part of it. */
const PARTS = 4;

/** The answer to a plain batch that is to be sent message by message. */
const SORT_OUT = "?";

/** The answer where nothing was added yet: delayed messages that are due come first, and are more than one call moves. */
const MORE_DUE = "~";

function unique(): string {
  return crypto.randomUUID().replaceAll("-", "");
}

/** The state of a key that is published to. */
interface Queue {
  readonly keys: QueueKeys;
  readonly sent: SentBatches;
  /** When the server last got the time for which it remembers a publisher's batches. */
  readonly rememberedAt: Map<string, number>;
  batches: number;
  /** Batches that are under way. */
  inFlight: number;
}

/** Publishes to any key. */
export class StreamsPublisher {
  readonly #transport: StreamsTransport;
  readonly #clock: Clock;
  readonly #backend: string;
  readonly #limits: QueueLimits;
  /** Names of batches that have chosen ids alone, by their first message. */
  readonly #tokens: WeakMap<DriverMessage, string> = new WeakMap();
  readonly #queues: Map<string, Queue> = new Map();
  #name: string | undefined;

  /** A publisher over a transport. */
  constructor(transport: StreamsTransport, backend: string, limits: QueueLimits, clock: Clock) {
    this.#clock = clock;
    this.#transport = transport;
    this.#backend = backend;
    this.#limits = limits;
  }

  /** Sends a batch with one script. */
  async send(key: string, messages: readonly DriverMessage[], signal: AbortSignal): Promise<SendResult[]> {
    const queue = this.#queue(key);
    const { publisher, token } = this.#nameOf(messages);
    const field = queue.sent.field(token);
    const trim = ++queue.batches % TRIM_EVERY === 0;
    const rememberMs = this.#rememberMs(queue, publisher);
    const batch = { messages, publisher, token, field, trim, rememberMs };
    let [unknown, answered] = [false, false];
    queue.inFlight += 1;
    try {
      const results = await this.#run(queue, batch, signal, key);
      // To the caller, a batch that was called off may have arrived.
      unknown = signal.aborted;
      answered = !unknown;
      return results;
    } catch (error) {
      const code = error instanceof QueueError ? error.code : this.#transport.classify(error);
      unknown = signal.aborted || code === "unknown-outcome";
      queue.rememberedAt.delete(publisher);
      throw error;
    } finally {
      queue.inFlight -= 1;
      queue.sent.ended(token, field, unknown, answered);
    }
  }

  /** The keys in which the batches of a key are remembered. */
  sentKeys(key: string): string[] {
    return [...this.#queues.get(key)?.rememberedAt.keys() ?? []].map((publisher) => sentKey(key, publisher));
  }

  async #run(queue: Queue, batch: OutgoingBatch, signal: AbortSignal, key: string): Promise<SendResult[]> {
    if (isPlainBatch(batch, this.#limits)) {
      const { script, keys, args } = plainCall(queue.keys, batch);
      const answer = String(await this.#transport.run(script, keys, args, signal));
      if (answer !== SORT_OUT) return readPlainAnswer(answer);
    }
    const { script, keys, args } = sendCall(queue.keys, batch, this.#limits);
    let answer: string;
    do answer = String(await this.#transport.run(script, keys, args, signal)); while (answer === MORE_DUE);
    return readAnswer(answer, batch.messages, {
      backend: this.#backend,
      key,
      maxLength: this.#limits.maxLength,
    });
  }

  /** The time for the server, longer by the part in which it gets no new one; undefined within that part. */
  #rememberMs({ rememberedAt }: Queue, publisher: string): number | undefined {
    const now = monotonic(this.#clock);
    const ms = Math.max(this.#limits.dedupWindowMs, REMEMBERED_MS);
    if (now - (rememberedAt.get(publisher) ?? -Infinity) < ms / PARTS) return undefined;
    rememberedAt.set(publisher, now);
    return ms * (1 + 1 / PARTS);
  }

  #queue(key: string): Queue {
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      for (const [silent, { inFlight }] of this.#queues) {
        if (this.#queues.size < MAX_QUEUES) break;
        if (inFlight === 0) this.#queues.delete(silent);
      }
      // A tag of its own: a queue that was forgotten may have left batches without an answer.
      const sent = new SentBatches(unique().slice(0, 8));
      this.#queues.set(key, queue = { keys: queueKeys(key), sent, rememberedAt: new Map(), batches: 0, inFlight: 0 });
    }
    return queue;
  }

  /** The names of a batch and of its publisher: by the first id that was made for it, else by what its first message keeps. */
  #nameOf(messages: readonly DriverMessage[]): { readonly publisher: string; readonly token: string } {
    const made = messages.find((message) => !message.explicitId);
    if (made) return { publisher: partsOf(made.id).publisher, token: made.id };
    let token = this.#tokens.get(messages[0]!);
    if (token === undefined) this.#tokens.set(messages[0]!, token = unique());
    return { publisher: this.#name ??= unique(), token };
  }
}
