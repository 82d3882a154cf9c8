/**
 * The protocol: what a queue backend offers.
 *
 * {@link QueueBackend} is the smallest contract, which every plugin meets. {@link LeasingBackend} is
 * what every first-party backend is, and what `createBackend(driver)` makes of a driver.
 *
 * @module
 */

import type { JsonObject, JsonValue } from "./util/json.ts";

export type { JsonObject, JsonValue };

/**
 * An environment: strings on Deno, Bun and Node, strings and bindings on Workers.
 *
 * The type that a plugin's `fromEnv` takes. Functions of this package that read an environment take any `object`, so
 * that an `interface Env` as `wrangler types` writes it, which has no index signature, fits.
 */
export type Env = Readonly<Record<string, unknown>>;

/** Options of one publish. */
export interface PublishOptions {
  /**
   * The idempotency key. Where `capabilities.dedup` is true, publishing again with the same id adds nothing while the
   * backend remembers it, and the receipt says `"duplicate"`.
   *
   * @default a new id
   */
  readonly id?: string | undefined;
  /**
   * The conversation that the message belongs to. Messages of one key and ordering key are handled one at a time, in the
   * order in which the broker accepted them, within each group: the next is delivered only when the one before is
   * acknowledged, dead, expired or purged. Non-empty text of at most 1,024 characters. A backend whose
   * `capabilities.orderingKeys` is false rejects it with a QueueError `"unsupported"`.
   *
   * @default none: the message waits for no other
   */
  readonly orderingKey?: string | undefined;
  /**
   * Milliseconds before which no consumer gets the message.
   *
   * @default 0
   */
  readonly delayMs?: number | undefined;
  /**
   * Milliseconds after which an unsettled message leaves the queue by itself.
   *
   * @default the backend's `messageTtlMs`, else never
   */
  readonly ttlMs?: number | undefined;
  /**
   * Text that travels with the payload.
   *
   * @default none
   */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Aborts the publish. Where nothing has left yet, nothing is sent and the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds to wait for the broker's confirmation.
   *
   * @default the backend's `timeoutMs`
   */
  readonly timeoutMs?: number | undefined;
}

/** Options of a batch as a whole. */
export type BatchOptions = Pick<PublishOptions, "signal" | "timeoutMs">;

/** One message of a batch. */
export interface OutgoingMessage extends Pick<PublishOptions, "id" | "orderingKey" | "delayMs" | "ttlMs" | "headers"> {
  /** The payload that the consumer gets. */
  readonly payload: JsonObject;
}

/** The broker's confirmation of one message. */
export interface PublishReceipt {
  /** The message's id: the publisher's, else a new one. */
  readonly id: string;
  /** `"duplicate"`: the queue had a message with this id, and nothing was added. */
  readonly outcome: "added" | "duplicate";
}

/** Options of `receive`. */
export interface ReceiveOptions {
  /**
   * The consumer group. Each group gets every message; its members share them.
   *
   * @default "slack-mcp"
   */
  readonly group?: string | undefined;
  /**
   * The most unsettled deliveries that this consumer holds at once.
   *
   * @default the backend's `prefetch`, else 100
   */
  readonly prefetch?: number | undefined;
  /**
   * Milliseconds for which a delivery is leased; renewed while it is not settled.
   *
   * @default the backend's `leaseMs`, else 30_000
   */
  readonly leaseMs?: number | undefined;
  /**
   * The most messages of one ordering key that are leased to this consumer together, in their order, as one turn. While
   * one of them is unsettled, no consumer of the group gets more of that key. Has no effect where
   * `capabilities.orderingKeys` is false.
   *
   * @default 1
   */
  readonly maxPerOrderingKey?: number | undefined;
  /** Ends the iteration: prefetched deliveries are released, those in hand can still be settled. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Ends the iteration when the broker has nothing ready, in place of waiting.
   *
   * @default false
   */
  readonly stopWhenEmpty?: boolean | undefined;
}

/** Options of `consume`. */
export type ConsumeOptions = ReceiveOptions;

/** Why a message was retried or given up, as the broker keeps it with the message. */
export interface FailureCause {
  /** The error's name, such as `"TypeError"`. */
  readonly name: string;
  /** The error's message. */
  readonly message: string;
}

/** How a delivery was settled. */
export interface DeliverySettlement {
  /** `"release"`: it was given back without counting the attempt. */
  readonly kind: "ack" | "retry" | "release" | "dead";
  /** The reason of a retry or a dead letter, where there was one. */
  readonly cause?: FailureCause | undefined;
}

/** One message, leased to one consumer. The first settlement counts; later calls return the result of the first. */
export interface Delivery {
  /** The message's id: the publisher's, where the backend carries it, else the broker's. */
  readonly id: string;
  /** The key it was published under. */
  readonly key: string;
  /** The payload that was published. */
  readonly payload: JsonObject;
  /** The ordering key that it was published with, if any. */
  readonly orderingKey: string | undefined;
  /** How often the message was delivered, by the broker's count: 1 at the first delivery. */
  readonly attempts: number;
  /** Text that travelled with the payload. */
  readonly headers: Readonly<Record<string, string>>;
  /** When the broker accepted it, where that is known. */
  readonly publishedAt: Date | undefined;
  /** Aborts when the lease is lost or the backend closes. */
  readonly signal: AbortSignal;
  /** The first settlement that was asked for; `undefined` while there was none. */
  readonly settlement?: DeliverySettlement | undefined;
  /**
   * Acknowledges the message: it is done and leaves the queue.
   *
   * @returns `false` where the lease was lost: the message belongs to another consumer, or soon will.
   * @throws {ConsumeError} The broker refused.
   */
  ack(): Promise<boolean>;
  /**
   * Puts the message back into the queue, to come again after `delayMs` milliseconds, never earlier.
   *
   * @returns `false` where the lease was lost.
   * @throws {QueueError} `"unsupported"`: a delay where `capabilities.delay` is false. Nothing is settled.
   * @throws {RangeError} A delay that is longer than the backend accepts. Nothing is settled.
   * @throws {ConsumeError} The broker refused.
   */
  retry(options?: RetryDeliveryOptions): Promise<boolean>;
  /**
   * Moves the message to the dead letters, whole, with the reason.
   *
   * @returns `false` where the lease was lost.
   * @throws {ConsumeError} The broker refused.
   */
  deadLetter(reason: unknown): Promise<boolean>;
  /**
   * Makes the lease end `leaseMs` milliseconds from now.
   *
   * @returns `false` where it was lost before.
   * @throws {QueueError} `"unsupported"` where `capabilities.extend` is false.
   */
  extend(leaseMs: number): Promise<boolean>;
}

/** Options of {@link Delivery.retry}. */
export interface RetryDeliveryOptions {
  /**
   * Milliseconds before the message may come again.
   *
   * @default 0
   */
  readonly delayMs?: number | undefined;
  /** The reason, kept as the message's last failure where the broker can. */
  readonly reason?: unknown;
}

/** The number of messages of a key in each state, for one group. */
export interface QueueDepth {
  /** Messages that a consumer would get now. */
  readonly ready: number;
  /** Messages that are leased and not settled. */
  readonly inFlight: number;
  /** Messages whose delay, of a publish or a retry, is not over. */
  readonly delayed: number;
  /** Messages that wait behind another one of their ordering key; 0 where `capabilities.orderingKeys` is false. */
  readonly blocked: number;
  /** Dead letters. */
  readonly dead: number;
}

/** A message that was given up, as it was published, with the cause. */
export interface DeadLetter {
  /** The id to name it by in `replay` and `purge`. */
  readonly id: string;
  /** The id of the message that died. */
  readonly messageId: string;
  /** The key it was published under. */
  readonly key: string;
  /** The group that gave it up. */
  readonly group: string;
  /** The payload; `undefined` where the message could not be read: see `body`. */
  readonly payload: JsonObject | undefined;
  /** The body as the broker has it: text, or base64 of bytes that are no UTF-8. */
  readonly body: string;
  /** `"base64"` where `body` is base64; absent where it is text. Replay puts the same bytes back. */
  readonly bodyEncoding?: "base64" | undefined;
  /** Text that travelled with the payload. */
  readonly headers: Readonly<Record<string, string>>;
  /** How often it was delivered. */
  readonly attempts: number;
  /** Why it died. */
  readonly cause: FailureCause;
  /** When it was published, where that is known. */
  readonly publishedAt: Date | undefined;
  /** When it died, where that is known. */
  readonly diedAt: Date | undefined;
}

/** A message that waits or is in flight, as a look into the queue finds it. */
export interface PeekedMessage {
  /** The message's id, as its delivery has it. */
  readonly id: string;
  /**
   * `"ready"`: a consumer would get it now. `"inFlight"`: it is leased. `"delayed"`: the delay of its publish or retry is
   * not over. `"blocked"`: it waits behind another one of its ordering key.
   */
  readonly state: "ready" | "inFlight" | "delayed" | "blocked";
  /** How often it was delivered to the group. */
  readonly attempts: number;
  /** The ordering key that it was published with, if any. */
  readonly orderingKey?: string | undefined;
  /** Text that travels with the payload. */
  readonly headers: Readonly<Record<string, string>>;
  /** When it was published, where that is known. */
  readonly publishedAt?: Date | undefined;
  /** The payload; `undefined` where the message cannot be read: see `body`. */
  readonly payload?: JsonObject | undefined;
  /** The body as the broker has it: text, or base64 of bytes that are no UTF-8. */
  readonly body: string;
  /** `"base64"` where `body` is base64; absent where it is text. */
  readonly bodyEncoding?: "base64" | undefined;
}

/** Options of a look into one group of a key. */
export interface InspectOptions {
  /**
   * The group.
   *
   * @default "slack-mcp"
   */
  readonly group?: string | undefined;
  /** Aborts the call. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link Inspection.peek}. */
export interface PeekOptions extends InspectOptions {
  /**
   * The most messages.
   *
   * @default 10
   */
  readonly limit?: number | undefined;
}

/**
 * Looks into queues without taking part: nothing is leased, no attempt is counted, no group is created. A broker that
 * cannot tell one of these rejects it with a QueueError `"unsupported"`.
 */
export interface Inspection {
  /** Names the keys of the broker, in any order. */
  keys(options?: Pick<InspectOptions, "signal">): AsyncIterableIterator<string>;
  /** Names the groups of a key. */
  groups(key: string, options?: Pick<InspectOptions, "signal">): Promise<readonly string[]>;
  /**
   * Tells when the oldest message was published that a group has not settled.
   *
   * @returns `undefined` where there is none, or its time is not known.
   */
  oldest(key: string, options?: InspectOptions): Promise<Date | undefined>;
  /** Reads the oldest messages that a group has not settled, in their order. */
  peek(key: string, options?: PeekOptions): Promise<readonly PeekedMessage[]>;
}

/** Selects dead letters. */
export interface DeadLetterQuery {
  /**
   * The group that gave the messages up.
   *
   * @default "slack-mcp"
   */
  readonly group?: string | undefined;
  /**
   * Their ids.
   *
   * @default all of them
   */
  readonly ids?: readonly string[] | undefined;
  /**
   * The most letters.
   *
   * @default no limit
   */
  readonly limit?: number | undefined;
  /** Aborts the call. */
  readonly signal?: AbortSignal | undefined;
}

/** The dead letters of a backend. */
export interface DeadLetters {
  /** Lists dead letters, the oldest first. Reading one does not remove it. */
  list(key: string, query?: DeadLetterQuery): AsyncIterableIterator<DeadLetter>;
  /**
   * Puts dead letters back into the queue of the group that gave them up, whole, with their attempts at zero.
   *
   * @returns How many.
   */
  replay(key: string, query?: DeadLetterQuery): Promise<number>;
  /**
   * Removes dead letters for good.
   *
   * @returns How many.
   */
  purge(key: string, query?: DeadLetterQuery): Promise<number>;
}

/** Something about a broker, or about how it is used, that makes events get lost or late later on. */
export interface Finding {
  /** `"error"`: events cannot flow, or will be lost. `"warning"`: they may be late, doubled or lost. */
  readonly severity: "error" | "warning";
  /** The variable or the server's setting to change, such as `"REDIS_URL"` or `"maxmemory-policy"`. */
  readonly setting: string;
  /** What is wrong, as one sentence with the value that was found. It holds no secret and no payload. */
  readonly problem: string;
  /** What to do, as one sentence. */
  readonly repair: string;
}

/** Options of a look at one group of a key. */
export interface GroupOptions {
  /**
   * The group.
   *
   * @default "slack-mcp"
   */
  readonly group?: string | undefined;
  /** Aborts the call. */
  readonly signal?: AbortSignal | undefined;
}

/** Tells whether the broker can be used now. */
export interface Health {
  /**
   * True where the broker replied and, as far as the backend can try, would accept a publish; also where it could not be
   * asked: see `asked`.
   */
  readonly ok: boolean;
  /**
   * False where the driver has no `ping`: nothing was asked of the broker, and `ok` says only that the backend is open.
   *
   * @default true
   */
  readonly asked?: boolean | undefined;
  /** Milliseconds until the reply. */
  readonly latencyMs: number;
  /** The reason, where `ok` is false. It holds no secret. */
  readonly error?: Error | undefined;
  /** One sentence for each setting that works but is not safe, such as a server that evicts keys. */
  readonly warnings?: readonly string[] | undefined;
}

/** The abilities of a backend: declared by its driver, proved by the conformance kit. */
export interface Capabilities {
  /** Messages outlive the process that published them. */
  readonly durable: boolean;
  /** `publish` and `retry` honour `delayMs`. */
  readonly delay: boolean;
  /** `publish` honours `ttlMs`. */
  readonly ttl: boolean;
  /** Publishing an id again adds nothing, so a send whose reply was lost is safe to repeat. */
  readonly dedup: boolean;
  /** Each group gets every message. */
  readonly groups: boolean;
  /** Dead letters are kept and can be listed. */
  readonly deadLetters: boolean;
  /** Dead letters can be put back. */
  readonly replay: boolean;
  /** A late settlement never changes another consumer's delivery. */
  readonly fencing: boolean;
  /** A lease can be renewed. */
  readonly extend: boolean;
  /** A delivery can be given back without counting an attempt. */
  readonly release: boolean;
  /** `attempts` is the broker's count and includes deliveries to consumers that were killed. */
  readonly attempts: boolean;
  /** Headers arrive as they were sent. */
  readonly headers: boolean;
  /** `maxLength` is kept. */
  readonly maxLength: boolean;
  /** `depth` is supported. */
  readonly depth: boolean;
  /**
   * `inspect` is there.
   *
   * @default false
   */
  readonly inspect?: boolean | undefined;
  /** The order in which one consumer sees messages of one key that never failed. */
  readonly order: "fifo" | "best-effort";
  /** Messages of one ordering key are delivered one at a time, in the order of their acceptance, whatever fails. */
  readonly orderingKeys: boolean;
  /** How deliveries reach a consumer: it pulls them, the platform pushes them, or both. */
  readonly consume: "pull" | "push" | "both";
  /** The largest payload, as bytes of JSON in UTF-8; `Infinity` where the backend sets none. */
  readonly maxPayloadBytes: number;
  /** Broker commands or requests that one idle consumer costs in an hour. */
  readonly idleCostPerHour: number;
  /**
   * Broker commands or requests that one message costs, from its publish to its acknowledgement, where many travel
   * together. A protocol with one command for each publish and one for each acknowledgement declares 2.
   *
   * @default 1
   */
  readonly costPerMessage?: number | undefined;
}

/** The smallest contract: what a plugin must offer, and all that the registry and the consumer ask for. */
export interface QueueBackend extends AsyncDisposable {
  /** Resolves when the broker has the message. */
  publish(key: string, payload: JsonObject, options?: PublishOptions): Promise<PublishReceipt>;
  /** Yields payloads. Asking for the next acknowledges the one before; leaving the loop releases the one in hand. */
  consume(key: string, options?: ConsumeOptions): AsyncIterableIterator<JsonObject>;
  /** Stops fetching, releases what is held, closes what was opened. Idempotent. */
  close(): Promise<void>;
}

/** A backend with leases, explicit settlement, batches and introspection. Every first-party backend is one. */
export interface LeasingBackend extends QueueBackend {
  /** The backend's name, such as `"memory"`. */
  readonly name: string;
  /** The abilities of the backend. */
  readonly capabilities: Capabilities;
  /** Publishes messages in order; resolves with one receipt per message. */
  publishBatch(key: string, messages: readonly OutgoingMessage[], options?: BatchOptions): Promise<PublishReceipt[]>;
  /** Yields deliveries under lease, to be settled one by one. */
  receive(key: string, options?: ReceiveOptions): AsyncIterableIterator<Delivery>;
  /** Counts the messages of a key by state. */
  depth(key: string, options?: { readonly group?: string; readonly signal?: AbortSignal }): Promise<QueueDepth>;
  /** The dead letters. */
  readonly deadLetters: DeadLetters;
  /** Looks into queues. Present exactly where `capabilities.inspect` is true. */
  readonly inspect?: Inspection | undefined;
  /** Tells whether the broker can be used now. Publishes nothing. */
  health(options?: { readonly signal?: AbortSignal }): Promise<Health>;
  /**
   * Looks for what makes events get lost or late later on: settings of the broker, queues that nobody reads. Changes
   * nothing. Absent where the backend cannot tell.
   *
   * @returns A finding for each, with its repair.
   */
  diagnose?(key: string, options?: GroupOptions): Promise<readonly Finding[]>;
  /**
   * Removes a queue with all that belongs to it, whatever waits in it. For keys that exist for a try alone. Absent where
   * the backend cannot.
   */
  dropQueue?(key: string, options?: GroupOptions): Promise<void>;
}

const LEASING_METHODS = ["publish", "consume", "close", "publishBatch", "receive", "depth", "health"] as const;

/**
 * Tells whether a backend offers leases, batches and introspection. All first-party backends do; a plugin may offer less.
 *
 * @example
 * ```ts
 * import { defineRegistry, isLeasing, type QueueBackend } from "@slack-mcp/queue";
 *
 * async function printDeadLetters(backend: QueueBackend): Promise<void> {
 *   if (!isLeasing(backend)) return;
 *   for await (const letter of backend.deadLetters.list("slack_events")) console.log(letter.cause.message);
 * }
 * await using backend = await defineRegistry({ memory: () => import("@slack-mcp/queue/memory") })
 *   .load({ QUEUE_BACKEND: "memory" });
 * await printDeadLetters(backend);
 * ```
 *
 * @param backend Any backend.
 * @returns True where all members of {@link LeasingBackend} are there.
 */
export function isLeasing(backend: QueueBackend): backend is LeasingBackend {
  const members = backend as Partial<LeasingBackend>;
  return typeof members.name === "string" && typeof members.capabilities === "object" &&
    typeof members.deadLetters === "object" && LEASING_METHODS.every((name) => typeof members[name] === "function");
}

export { DEFAULT_GROUP } from "./defaults.ts";
