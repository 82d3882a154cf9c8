/**
 * The options of the backend.
 *
 * @module
 */
import { func, object, type Validator } from "../../core/util/validate.ts";
import type { BackendOptions } from "../../core/backend_options.ts";

/** One message on its way into a binding. */
export interface BindingMessage {
  /** The payload, or the envelope around it; of a dead letter perhaps the body that could not be read. */
  readonly body: unknown;
  /**
   * `"json"` for every message that is published, so that a pull consumer can read it whatever the Worker's
   * compatibility date. A dead letter keeps the content type that can carry it.
   */
  readonly contentType: "json" | "text" | "bytes" | "v8";
  /** Whole seconds. Absent: the queue's own. Never `undefined`, which the platform's own type does not allow. */
  readonly delaySeconds?: number;
}

/** The part of a Worker's `Queue` binding that is used. */
export interface QueueBinding {
  /** Resolves when the messages are on disk. */
  sendBatch(messages: readonly BindingMessage[]): Promise<unknown>;
}

/** A queue over HTTP: its id (32 hexadecimal digits) or its name, and those of its dead letter queue. */
export interface QueueAddress {
  /** The queue. */
  readonly queue: string;
  /** Where its dead letters go. Default: the one that its consumer is configured with. */
  readonly deadLetters?: string | undefined;
}

/** From a key to what carries it; `undefined`: by the rule. */
export type ByKey<T> = Readonly<Record<string, T>> | ((key: string) => T | undefined);

/** Options of a `CloudflareBackend`: from inside a Worker. */
export interface CloudflareOptions extends BackendOptions {
  /** The queue binding of each key. */
  readonly bindings: ByKey<QueueBinding>;
}

/** Options of a `CloudflareHttpBackend`. */
export interface CloudflareHttpOptions extends BackendOptions {
  /** The account's id. */
  readonly accountId: string;
  /** A token with *Queues: Edit*. Never shown. */
  readonly apiToken: string;
  /**
   * The queue of each key. Default: the queue whose name is the key in lower case, with a dash for each run of
   * characters that a queue's name cannot have (`slack_events` → `slack-events`).
   */
  readonly queues?: ByKey<string | QueueAddress> | undefined;
  /** Milliseconds of the longest gap between two pulls of an idle consumer. Default: 10,000. */
  readonly maxPollMs?: number | undefined;
  /** Requests other than pulls and acknowledgements that the API takes of the account in five minutes. Default: 1,200. */
  readonly requestLimit?: number | undefined;
  /** The API's base. Default: `https://api.cloudflare.com/client/v4`. */
  readonly apiUrl?: string | undefined;
  /** Sends the requests. Default: the platform's `fetch`. */
  readonly fetch?: typeof fetch | undefined;
}

/** Of options that go by key. */
export const byKey: Validator = (value) => func(value) && object(value) && ["an object by key or a function"];

/** Looks a key up. */
export function lookUp<T>(map: ByKey<T> | undefined, key: string): T | undefined {
  if (typeof map === "function") return map(key);
  return map && Object.hasOwn(map, key) ? map[key] : undefined;
}
