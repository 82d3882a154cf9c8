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
   * The idempotency key. Publishing again with the same id, while the backend remembers it, adds
   * nothing and answers `"duplicate"`, wherever `capabilities.dedup` is true. Default: a new id.
   */
  readonly id?: string | undefined;
  /**
   * The conversation that the message belongs to. Messages of one key and ordering key are handled one at a time, in the
   * order in which the broker accepted them, within each group: the next is delivered only when the one before is
   * acknowledged, dead, expired or purged. Non-empty text of at most 1,024 characters. Default: none, the message waits for no other.
   *
   * A backend whose `capabilities.orderingKeys` is false rejects it with a QueueError `"unsupported"`.
   */
  readonly orderingKey?: string | undefined;
  /** Milliseconds before which no consumer sees the message. Default: 0. */
  readonly delayMs?: number | undefined;
  /** Milliseconds after which an unsettled message leaves the queue by itself. Default: the backend's own, else never. */
  readonly ttlMs?: number | undefined;
  /** Text that travels beside the payload. Default: none. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Gives up the wait. A publish that had not left yet is never sent. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait for the broker's confirmation. Default: the backend's `timeoutMs`. */
  readonly timeoutMs?: number | undefined;
}

/** Options of a batch as a whole. */
export type BatchOptions = Pick<PublishOptions, "signal" | "timeoutMs">;

/** One message of a batch. */
export interface OutgoingMessage extends Pick<PublishOptions, "id" | "orderingKey" | "delayMs" | "ttlMs" | "headers"> {
  /** What the consumer gets. */
  readonly payload: JsonObject;
}

/** What the broker confirmed. */
export interface PublishReceipt {
  /** The message's id: the one that was given, else the one that was made. */
  readonly id: string;
  /** `"duplicate"`: a message of this id was there already, and nothing was added. */
  readonly outcome: "added" | "duplicate";
}

/** Options of `receive`. */
export interface ReceiveOptions {
  /** The consumer group. Each group gets every message; its members share them. Default: `"slack-mcp"`. */
  readonly group?: string | undefined;
  /** The most unsettled deliveries that this consumer holds at once. Default: the backend's (100 unless it says otherwise). */
  readonly prefetch?: number | undefined;
  /** Milliseconds for which a delivery is leased; renewed while it is in hand. Default: the backend's `leaseMs` (30,000). */
  readonly leaseMs?: number | undefined;
  /** Ends the iteration: what is prefetched is released, what is in hand can still be settled. */
  readonly signal?: AbortSignal | undefined;
  /** End the iteration when the broker has nothing ready, in place of waiting. Default: false. */
  readonly stopWhenEmpty?: boolean | undefined;
}

/** Options of `consume`. */
export type ConsumeOptions = ReceiveOptions;

/** Why a message is retried or dead: the broker keeps it beside the message. */
export interface FailureCause {
  /** The error's name, such as `"TypeError"`. */
  readonly name: string;
  /** The error's message. */
  readonly message: string;
}

/** One message, leased to one consumer. The first settlement wins; later calls answer what the first answered. */
export interface Delivery {
  /** The message's id: the publisher's, where the backend carries it, else the broker's. */
  readonly id: string;
  /** The key it was published under. */
  readonly key: string;
  /** What was published. */
  readonly payload: JsonObject;
  /** The ordering key that it was published with; `undefined` where there was none. */
  readonly orderingKey: string | undefined;
  /** 1 at the first delivery; the broker's count. */
  readonly attempts: number;
  /** Text that travelled beside the payload. */
  readonly headers: Readonly<Record<string, string>>;
  /** When the broker took it, where that is known. */
  readonly publishedAt: Date | undefined;
  /** Aborts when the lease is lost or the backend closes. */
  readonly signal: AbortSignal;
  /** Done. `false`: the lease was lost, and someone else has the message now. */
  ack(): Promise<boolean>;
  /**
   * Back to the queue, after `delayMs` milliseconds (default 0), never earlier. `false`: the lease was lost. Rejects,
   * settling nothing, with a QueueError `"unsupported"` for a delay where `capabilities.delay` is false, and with a
   * RangeError for one that is longer than the backend takes.
   */
  retry(options?: RetryDeliveryOptions): Promise<boolean>;
  /** To the dead letters, whole, with the reason. `false`: the lease was lost. */
  deadLetter(reason: unknown): Promise<boolean>;
  /** Makes the lease end `leaseMs` milliseconds from now. `false`: it was lost already. */
  extend(leaseMs: number): Promise<boolean>;
}

/** Options of {@link Delivery.retry}. */
export interface RetryDeliveryOptions {
  /** Milliseconds before the message may come again. Default: 0. */
  readonly delayMs?: number | undefined;
  /** Why; kept as the last failure where the broker can. */
  readonly reason?: unknown;
}

/** How many messages of a key are in which state, for one group. */
export interface QueueDepth {
  /** Deliverable now. */
  readonly ready: number;
  /** Leased and not settled. */
  readonly inFlight: number;
  /** Published or retried with a delay that is not over. */
  readonly delayed: number;
  /** Waiting behind another message of their ordering key; 0 where `capabilities.orderingKeys` is false. */
  readonly blocked: number;
  /** Dead letters. */
  readonly dead: number;
}

/** A message that was given up, whole. */
export interface DeadLetter {
  /** Names the dead letter in `replay` and `purge`. */
  readonly id: string;
  /** The id of the message that died. */
  readonly messageId: string;
  /** The key it was published under. */
  readonly key: string;
  /** The group that gave it up. */
  readonly group: string;
  /** The payload; `undefined` where the message could not be read, and then `body` has what came. */
  readonly payload: JsonObject | undefined;
  /** The body as the broker has it: text, or base64 of bytes that are no UTF-8. */
  readonly body: string;
  /** `"base64"` where `body` is that; absent where it is text. Replay puts the same bytes back. */
  readonly bodyEncoding?: "base64" | undefined;
  /** Text that travelled beside the payload. */
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

/** Which dead letters are meant. */
export interface DeadLetterQuery {
  /** The group whose dead letters are meant. Default: `"slack-mcp"`. */
  readonly group?: string | undefined;
  /** These alone. Default: all. */
  readonly ids?: readonly string[] | undefined;
  /** No more than so many. Default: no limit. */
  readonly limit?: number | undefined;
  /** Gives up. */
  readonly signal?: AbortSignal | undefined;
}

/** The dead letters of a backend. */
export interface DeadLetters {
  /** The oldest first. Taking one does not remove it. */
  list(key: string, query?: DeadLetterQuery): AsyncIterableIterator<DeadLetter>;
  /** Puts them back, whole, with their attempts at zero, for the group that gave them up; answers how many. */
  replay(key: string, query?: DeadLetterQuery): Promise<number>;
  /** Removes them for good; answers how many. */
  purge(key: string, query?: DeadLetterQuery): Promise<number>;
}

/** Tells whether the broker can be used now. */
export interface Health {
  /**
   * True where the broker answered and, as far as the backend can try, would take a publish; also where nobody could ask
   * it: see `asked`.
   */
  readonly ok: boolean;
  /**
   * False where the driver has no `ping`: nothing was asked of the broker, and `ok` says only that the backend is open.
   *
   * @default true
   */
  readonly asked?: boolean | undefined;
  /** Milliseconds until the answer. */
  readonly latencyMs: number;
  /** Why not, where `ok` is false. Never a secret. */
  readonly error?: Error | undefined;
  /** A sentence for each thing that works and is not as safe as it should be, such as a server that evicts keys. */
  readonly warnings?: readonly string[] | undefined;
}

/** What a backend can do: declared by its driver, proved by the conformance kit. */
export interface Capabilities {
  /** Messages outlive the process that published them. */
  readonly durable: boolean;
  /** `publish` and `retry` honour `delayMs`. */
  readonly delay: boolean;
  /** `publish` honours `ttlMs`. */
  readonly ttl: boolean;
  /** Publishing an id again adds nothing; so a send whose reply was lost is safe to repeat. */
  readonly dedup: boolean;
  /** Each group gets every message. */
  readonly groups: boolean;
  /** Dead letters are kept and can be listed. */
  readonly deadLetters: boolean;
  /** Dead letters can be put back. */
  readonly replay: boolean;
  /** A late settlement never touches somebody else's delivery. */
  readonly fencing: boolean;
  /** A lease can be renewed. */
  readonly extend: boolean;
  /** A delivery can be given back without counting an attempt. */
  readonly release: boolean;
  /** `attempts` comes from the broker and counts consumers that were killed. */
  readonly attempts: boolean;
  /** Headers arrive as they were sent. */
  readonly headers: boolean;
  /** `maxLength` is kept. */
  readonly maxLength: boolean;
  /** `depth` answers. */
  readonly depth: boolean;
  /** The order in which one consumer sees messages of one key that never failed. */
  readonly order: "fifo" | "best-effort";
  /** Messages of one ordering key are delivered one at a time, in the order of their acceptance, whatever fails. */
  readonly orderingKeys: boolean;
  /** How deliveries come: asked for, pushed by the platform, or either. */
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
  /** Asking for the next payload acknowledges the one before; leaving the loop releases the one in hand. */
  consume(key: string, options?: ConsumeOptions): AsyncIterableIterator<JsonObject>;
  /** Stops taking, releases what is held, closes what was opened. Idempotent. */
  close(): Promise<void>;
}

/** What every first-party backend is: leases, explicit settlement, batches, introspection. */
export interface LeasingBackend extends QueueBackend {
  /** The backend's name, such as `"memory"`. */
  readonly name: string;
  /** What it can do. */
  readonly capabilities: Capabilities;
  /** Publishes in order; one receipt per message. */
  publishBatch(key: string, messages: readonly OutgoingMessage[], options?: BatchOptions): Promise<PublishReceipt[]>;
  /** Deliveries under lease, to be settled one by one. */
  receive(key: string, options?: ReceiveOptions): AsyncIterableIterator<Delivery>;
  /** How many messages are where. */
  depth(key: string, options?: { readonly group?: string; readonly signal?: AbortSignal }): Promise<QueueDepth>;
  /** List, replay, purge. */
  readonly deadLetters: DeadLetters;
  /** Whether the broker can be used now. Publishes nothing. */
  health(options?: { readonly signal?: AbortSignal }): Promise<Health>;
}

const LEASING_METHODS = ["publish", "consume", "close", "publishBatch", "receive", "depth", "health"] as const;

/**
 * Whether a backend offers leases, batches and introspection. All first-party backends do; a plugin may offer less.
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
