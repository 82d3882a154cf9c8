/**
 * The protocol: what a queue backend offers.
 *
 * {@link QueueBackend} is the smallest contract, which every plugin meets. {@link LeasingBackend} is
 * what every first-party backend is, and what `createBackend(driver)` makes of a driver.
 *
 * @module
 */

import type { BatchOptions, OutgoingMessage, PublishOptions, PublishReceipt } from "./outgoing.ts";
import type { ConsumeOptions, Delivery, ReceiveOptions } from "./incoming.ts";
import type { DeadLetters, Finding, GroupOptions, Health, Inspection, QueueDepth } from "./introspection.ts";
import type { JsonObject, JsonValue } from "./util/json.ts";

export type { JsonObject, JsonValue };
export type * from "./incoming.ts";
export type * from "./introspection.ts";
export type * from "./outgoing.ts";

/**
 * An environment: strings on Deno, Bun and Node, strings and bindings on Workers.
 *
 * The type that a plugin's `fromEnv` takes. Functions of this package that read an environment take any `object`, so
 * that an `interface Env` as `wrangler types` writes it, which has no index signature, fits.
 */
export type Env = Readonly<Record<string, unknown>>;

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
