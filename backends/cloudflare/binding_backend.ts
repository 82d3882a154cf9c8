/**
 * Publishing from a Worker, through its queue bindings.
 *
 * The portable layer is not used: it would be half of a Worker's bundle, for batching, leases and transports that
 * a binding has no use for. This class keeps the same contract for publishes, and refuses all else.
 *
 * @module
 */
import { BACKEND_CHECKS } from "../../core/backend_options.ts";
import {
  DEFAULT_CLOSE_DEADLINE_MS,
  DEFAULT_MAX_RETRIES,
  DEFAULT_RETRY_DELAY_MS,
  DEFAULT_TIMEOUT_MS,
  MIN_RETRY_DELAY_MS,
} from "../../core/defaults.ts";
import { type PublishError, QueueError } from "../../core/errors.ts";
import { notify } from "../../core/observer.ts";
import type {
  BatchOptions,
  Capabilities,
  ConsumeOptions,
  DeadLetters,
  Delivery,
  Health,
  JsonObject,
  LeasingBackend,
  OutgoingMessage,
  PublishOptions,
  PublishReceipt,
  QueueDepth,
  ReceiveOptions,
} from "../../core/protocol.ts";
import { checkedBatch, PUBLISH_CHECKS } from "../../core/publish/checks.ts";
import { abortable, delay, withDeadline } from "../../core/util/async.ts";
import { monotonic, systemClock } from "../../core/util/clock.ts";
import { bytesOf, copyPayload } from "../../core/util/json.ts";
import { messageOf } from "../../core/util/redact.ts";
import { backoffMs } from "../../core/util/retry.ts";
import { checkKey, checkOptions, checkValue } from "../../core/util/validate.ts";
import { wholeSeconds } from "../../core/consume/push.ts";
import { codeOfBinding } from "./errors.ts";
import { closed, failed, NAME, type Outgoing, packMessage, receipts, unsupported } from "./binding_outcomes.ts";
import { MAX_PAYLOAD_BYTES } from "./limits.ts";
import { inBatches } from "./messages.ts";
import { byKey, type CloudflareOptions, lookUp, type QueueBinding } from "./options.ts";
import { bindingName, CAPABILITIES } from "./platform.ts";

/** Queues of Cloudflare in a Worker: publishes through its queue bindings; the platform pushes to `queue()`. */
export class CloudflareBackend implements LeasingBackend {
  /** The backend's name: `"cloudflare"`. */
  readonly name: string = NAME;
  /** The capabilities of a binding. */
  readonly capabilities: Capabilities = CAPABILITIES;
  /** Not listed in a Worker: each method rejects with code `"unsupported"`. */
  readonly deadLetters: DeadLetters = {
    // deno-lint-ignore require-yield -- a list that is refused when it is asked for its first letter
    async *list() {
      await refuseDeadLetters();
    },
    replay: refuseDeadLetters,
    purge: refuseDeadLetters,
  };
  readonly #options: CloudflareOptions;
  /** The limits of the calls that run, and their ends. */
  readonly #calls: Map<AbortController, Promise<unknown>> = new Map();
  #closing: Promise<void> | undefined;

  /**
   * A backend over bindings; nothing is opened.
   *
   * @throws {TypeError | RangeError} An option that is not as described.
   */
  constructor(options: CloudflareOptions) {
    checkOptions(`${NAME} options`, options, { ...BACKEND_CHECKS, bindings: byKey });
    checkValue("bindings", options.bindings, byKey);
    this.#options = options;
  }

  /**
   * Publishes one message.
   *
   * @param key The key, by which the binding is looked up.
   * @param payload A JSON object of at most 1 MiB. One over 127,900 bytes with its id and headers is compressed.
   * @returns The receipt, once the platform has the message on disk.
   * @throws {TypeError | RangeError} An empty key, a payload that is not a JSON object or is over the limit, a wrong option.
   * @throws {PublishError} Not confirmed: `"unknown-outcome"`, `"too-large"`, `"queue-full"`, `"timeout"` and others.
   * @throws {QueueError} `"closed"`, or `"unsupported"` for an option that the platform does not offer.
   */
  async publish(key: string, payload: JsonObject, options: PublishOptions = {}): Promise<PublishReceipt> {
    checkKey(key);
    checkOptions("publish options", options, PUBLISH_CHECKS);
    return (await this.#send(key, [this.#outgoing(payload, options)], options))[0]!;
  }

  /**
   * Publishes messages in order.
   *
   * @returns A receipt for each message, once the platform has all of them on disk.
   * @throws As `publish`. A batch that was confirmed in part rejects with a `PublishError` whose `outcomes` say which.
   */
  async publishBatch(
    key: string,
    messages: readonly OutgoingMessage[],
    options: BatchOptions = {},
  ): Promise<PublishReceipt[]> {
    const outgoing = checkedBatch(key, messages, options, (message) => this.#outgoing(message.payload, message));
    return await this.#send(key, outgoing, options);
  }

  /** Refused: the platform pushes. @throws {QueueError} `"unsupported"`. */
  consume(_key: string, _options?: ConsumeOptions): AsyncIterableIterator<JsonObject> {
    throw unsupported("pulling messages");
  }

  /** Refused: the platform pushes. @throws {QueueError} `"unsupported"`. */
  receive(_key: string, _options?: ReceiveOptions): AsyncIterableIterator<Delivery> {
    throw unsupported("pulling messages");
  }

  /** Refused: a binding does not count. @throws {QueueError} `"unsupported"`. */
  depth(_key: string): Promise<QueueDepth> {
    return Promise.reject(unsupported("depth"));
  }

  /**
   * Resolves with ok, and `asked: false`: a binding has nothing that could be asked without publishing.
   *
   * @throws {QueueError} `"closed"`.
   */
  // deno-lint-ignore require-await -- it rejects where it is closed
  async health(): Promise<Health> {
    this.#checkOpen("Cannot reach the broker");
    return { ok: true, asked: false, latencyMs: 0 };
  }

  /**
   * Lets publishes finish for up to `closeDeadlineMs`, then gives them up. Idempotent; afterwards every call rejects
   * with code `"closed"`.
   */
  close(): Promise<void> {
    return this.#closing ??= (async () => {
      const { closeDeadlineMs = DEFAULT_CLOSE_DEADLINE_MS, clock } = this.#options;
      if (this.#calls.size > 0) await delay(closeDeadlineMs, clock, undefined, Promise.all(this.#calls.values()));
      for (const limit of this.#calls.keys()) limit.abort(closed("Not confirmed"));
    })();
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkOpen(what: string, key?: string): void {
    if (this.#closing) throw closed(what, key);
  }

  #outgoing(
    content: unknown,
    { id, orderingKey, delayMs = 0, ttlMs, headers }: Omit<OutgoingMessage, "payload">,
  ): Outgoing {
    const payload = copyPayload(content);
    const json = JSON.stringify(payload);
    const { maxPayloadBytes = MAX_PAYLOAD_BYTES } = this.#options;
    const bytes = bytesOf(json);
    if (bytes > maxPayloadBytes) {
      throw new RangeError(`payload must be at most ${maxPayloadBytes} bytes as JSON, found ${bytes}`);
    }
    const delaySeconds = wholeSeconds(delayMs);
    if (ttlMs) throw unsupported("ttlMs");
    if (orderingKey) throw unsupported("orderingKey");
    const fields = { id, headers: headers && { ...headers } };
    return { id: id ?? crypto.randomUUID(), payload, json, fields, delaySeconds, text: "" };
  }

  async #send(
    key: string,
    messages: readonly Outgoing[],
    { timeoutMs = this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS, signal: outer }: BatchOptions,
  ): Promise<PublishReceipt[]> {
    this.#checkOpen(`Cannot publish to "${key}"`, key);
    outer?.throwIfAborted();
    const { clock = systemClock, observer } = this.#options;
    const binding = lookUp(this.#options.bindings, key);
    const startedAt = monotonic(clock);
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    await withDeadline(
      clock,
      timeoutMs,
      () => new QueueError("timeout", "no reply came in time"),
      outer,
      async (limit) => {
        this.#calls.set(limit, ended);
        try {
          for (const message of messages) await packMessage(key, message);
          for (const batch of inBatches(messages.filter(({ outcome }) => !outcome))) {
            const failure = await sendBatch(key, binding, batch, limit.signal, this.#options);
            for (const message of batch) {
              const { id } = message;
              message.outcome = failure ?? { id, outcome: "added" };
              if (failure) continue;
              notify(observer, "published", { backend: NAME, key, id, durationMs: monotonic(clock) - startedAt });
            }
          }
        } finally {
          this.#calls.delete(limit);
          end();
        }
      },
    );
    return receipts(key, messages.map(({ outcome }) => outcome!), outer);
  }
}

function refuseDeadLetters(): Promise<never> {
  return Promise.reject(unsupported("dead letters"));
}

/** Sends one batch, again while that is of use. Resolves with why it was not confirmed. */
async function sendBatch(
  key: string,
  binding: QueueBinding | undefined,
  batch: readonly Outgoing[],
  signal: AbortSignal,
  { clock, observer, random, maxRetries = DEFAULT_MAX_RETRIES, retryDelayMs: baseMs = DEFAULT_RETRY_DELAY_MS }:
    CloudflareOptions,
): Promise<PublishError | undefined> {
  const id = batch.length === 1 ? batch[0]!.id : undefined;
  let failure: PublishError | undefined;
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      if (!binding) throw new Error(`env has no queue binding ${bindingName(key)}: wrangler.jsonc, queues.producers`);
      const bodies = batch.map(({ text, delaySeconds }) => ({
        body: JSON.parse(text) as unknown,
        contentType: "json" as const,
        ...delaySeconds && { delaySeconds },
      }));
      await abortable(binding.sendBatch(bodies), signal);
      return undefined;
    } catch (error) {
      const code = signal.aborted ? "unknown-outcome" : binding ? codeOfBinding(error) : "not-found";
      let reason = messageOf(error);
      // A binding holds no secret; but what it says could quote a payload, as it is or within text of JSON.
      if (batch.some(({ json }) => reason.includes(json) || reason.includes(JSON.stringify(json).slice(1, -1)))) {
        reason = "its error quotes the message, and is not shown";
      }
      failure = failed(key, code, reason, { id, cause: new Error(reason) });
      notify(observer, "failed", { backend: NAME, key, operation: "publish", failures, error: failure });
      if (failures > maxRetries || !failure.retryable) return failure;
      const waitMs = Math.max(backoffMs(failures, { baseMs }, random), MIN_RETRY_DELAY_MS);
      await delay(waitMs, clock, signal).catch(() => {}); // the loop's condition looks at the signal
    }
  }
  const { reason } = signal;
  const code = reason instanceof QueueError ? reason.code : "timeout";
  return failure ?? failed(key, code, `nothing was sent: ${messageOf(reason)}`, { id, cause: reason });
}
