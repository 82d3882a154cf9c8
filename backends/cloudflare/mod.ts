/**
 * Cloudflare Queues: in a Worker through its bindings, from anywhere else over the HTTP API.
 *
 * In a Worker, `publish` sends through the queue bindings, and the platform pushes batches into `queue()`, where
 * `createBatchHandler(…)` applies the same policy as the pull loop does elsewhere. On Deno, Bun and
 * Node the HTTP API carries both ways: `publish`, and `receive`/`consume` through HTTP pull. A queue has one
 * consumer: either a Worker or HTTP pull (`wrangler queues consumer http add my-queue`).
 *
 * ## Delivery semantics
 *
 * 1. *Confirmed*: a publish resolves when the platform has the message on disk. A reply that is lost is
 *    `"unknown-outcome"`. There is no dedup: publishing again may add the message a second time. So may Deno's own
 *    `fetch`, which sends a request again when a connection that it had used before closes without an answer.
 *    `fetch` does not say when bytes leave. A connection that is refused, a host without an address and a TLS handshake
 *    that fails are told by its error, except in Workers; after a request without an answer, a request that lists queues goes ahead of the next
 *    publish, so that one that runs out of time then is known not to be sent.
 * 2. *At least once*: a pulled message comes back when its lease (visibility timeout) is over; a pushed one when its
 *    batch ends without it being settled by an error. The platform deletes what is older than the queue's retention.
 * 3. *Leases* last `leaseMs` (default 30 s, at most 12 h) and cannot be renewed, so choose one that is longer than
 *    your handlers take. They are not fenced: the platform says of a late acknowledgement both that it counts and
 *    that it does not. This side stops at its own clock: after `leaseMs` the delivery's signal aborts and `ack()`
 *    answers `false`.
 * 4. *Attempts* are the platform's own count, killed consumers included. A delivery that is given back counts too.
 * 5. *Delays* are whole seconds, rounded up, at most 24 h. With no `delayMs` the queue's own delivery delay holds.
 * 6. *Dead letters* go to the queue's dead letter queue: over HTTP the one in `QueueAddress.deadLetters`, else the
 *    one that the queue's consumer is configured with; in a Worker to {@link deadLetterTo}'s binding. They keep
 *    message, cause, attempts, key and times; where that together is over 128 KB, the message alone. A body that is no
 *    JSON object keeps its bytes: text as text, bytes in base64 (`bodyEncoding`), values that only a Worker can read
 *    under the content type `v8`. What the platform gives up by itself (`max_retries`, default 3: set it above
 *    `maxAttempts`) is there without a cause. They are listed by peeking, the first 100 of them, so the dead letter
 *    queue needs no consumer. Without a dead letter queue a message stays where it is, until the platform deletes it
 *    after `max_retries`. Where a dead letter queue has a consumer, a letter that fails again stays in it, retried after
 *    24 hours: it is never given up into the queue that it came from. The API takes no bytes: replayed over HTTP, bytes
 *    travel in base64 within an envelope and are bytes again at the consumer; those that are over 128 KB so stay.
 * 7. *Bounded*: the platform holds 25 GB a queue; beyond that a publish is refused with `"queue-full"`. There is no
 *    `maxLength`.
 * 8. *Groups*: none. One queue per group, filled by the publisher, takes their place.
 * 9. *`consume`* acknowledges by asking. Leaving the loop gives back at once what is in hand and prefetched, but
 *    each counts as an attempt.
 * 10. *Backpressure*: no more than `prefetch` are leased (at most 100 a pull); a Worker's batch is at most 100.
 * 11. *Abort and close*: a pull that is under way is let finish, and what it brought is given back.
 * 12. *Reconnects*: each request stands alone; transient failures are tried again, after Retry-After where it is given.
 * 13. *Idle cost*: in a Worker none. Over HTTP an empty pull is billed, so the gaps between them double from 0.25 s up
 *     to `maxPollMs` (default 10 s): at most 367 pulls an idle hour, within the free plan's 10,000 operations a day. A
 *     publish or a retry of the same backend wakes its consumer at once. Requests other than pulls and
 *     acknowledgements are kept below the platform's 1,200 in five minutes; publishes that happen at the same time
 *     travel as one.
 * 14. *Secrets*: the token is taken out of every error, and no answer of the API is quoted.
 *
 * Order is best effort. `depth` gives the platform's one number of unsettled messages (best effort) less what this
 * backend object itself has leased or delayed.
 *
 * A {@link ConfigError} that a pushed handler throws says nothing of the message: it is retried after 15 minutes, then
 * 30, and so on up to 24 hours, and is never a dead letter for it. The platform counts each retry, so keep `max_retries`
 * well above `maxAttempts` (20 stand for two weeks); a pushed handler runs however often the platform has counted.
 *
 * ## Sizes
 *
 * The body is the payload as JSON, so that a Worker which has never heard of this module can produce or consume. Where
 * there are headers or a chosen id, the body is `{"@slack-mcp/queue": {"v": 1, "id": …, "headers": …}, "payload": …}`.
 * Bodies of the content types `json`, `text` and `bytes` are read; `v8` over HTTP cannot be, and goes to the dead letters.
 *
 * A message of the platform is at most 127,900 bytes. A payload that is larger with its id and headers, up to 1 MiB, is
 * compressed: its long texts once each, then gzip. One message stays one message, so nothing has to be put together
 * from parts that come apart, late or twice. That carries a `message_changed` with 50 sections of 3,000 characters of
 * prose and a text of 40,000, each twice (400 KB). What is still larger is refused with `"too-large"` before anything is
 * sent, and is not in any queue: about 120,000 characters of noise that no two fields share, or 90,000 in scripts of
 * many signs. Slack's webhook answers such an event once and reports it.
 *
 * Over HTTP `inspect` tells how old the oldest message is, and the keys where `queues` lists them. It cannot peek: the API
 * does not say which messages are leased or delayed. In a Worker there is no `inspect`.
 *
 * ## Configuration
 *
 * In a Worker: the binding of a key is its name in capitals, with `_` for what is no letter or digit (`slack_events` →
 * `SLACK_EVENTS`); `CLOUDFLARE_QUEUES`, a JSON object from key to binding, for the rest.
 *
 * Elsewhere: `CLOUDFLARE_ACCOUNT_ID`, `CLOUDFLARE_API_TOKEN` (*Queues: Edit*); the queue of a key is the one whose name
 * is the key in lower case, with `-` for what is no letter or digit (`slack_events` → `slack-events`), unless
 * `CLOUDFLARE_QUEUE_<KEY>` (such as `CLOUDFLARE_QUEUE_SLACK_EVENTS`) or `CLOUDFLARE_QUEUES` gives its id or name;
 * `CLOUDFLARE_QUEUE_<KEY>_DLQ` gives its dead letter queue. `CLOUDFLARE_MAX_POLL` (s), `CLOUDFLARE_URL` (the API's base).
 *
 * Everywhere: `CLOUDFLARE_TIMEOUT` (s), `CLOUDFLARE_MAX_RETRIES`, `CLOUDFLARE_RETRY_DELAY` (s).
 *
 * ## Runtimes
 *
 * Workers (bindings, or HTTP), Deno, Bun, Node (HTTP).
 *
 * @example
 * ```ts
 * import { createBatchHandler, type PushBatch } from "@slack-mcp/queue";
 * import { fromBindings, type QueueBinding } from "@slack-mcp/queue/cloudflare";
 *
 * const handleBatch = createBatchHandler({ handler: ({ payload }) => void payload });
 *
 * // export default
 * const worker = {
 *   fetch: async (request: Request, env: { SLACK_EVENTS: QueueBinding }): Promise<Response> => {
 *     await fromBindings(env).publish("slack_events", await request.json());
 *     return new Response(null, { status: 202 });
 *   },
 *   queue: (batch: PushBatch) => handleBatch(batch),
 * };
 * ```
 *
 * @module
 */
import { PortableBackend } from "../../core/backend.ts";
import { EnvReader, readQueueFields } from "../../core/config/env_reader.ts";
import type { FromEnvOptions } from "../../core/config/registry.ts";
import { type BackendOptions, backendOptions } from "../../core/backend_options.ts";
import type { Env } from "../../core/protocol.ts";
import { CloudflareBackend } from "./binding_backend.ts";
import { HttpDriver } from "./http_driver.ts";
import { bindingName } from "./platform.ts";
import { queueName } from "./queues.ts";
import type { CloudflareHttpOptions, QueueAddress, QueueBinding } from "./options.ts";

export { CloudflareBackend } from "./binding_backend.ts";
export { deadLetterTo } from "./dead_letter_to.ts";
export type {
  BindingMessage,
  ByKey,
  CloudflareHttpOptions,
  CloudflareOptions,
  QueueAddress,
  QueueBinding,
} from "./options.ts";

/** Queues of Cloudflare from anywhere else: publishes and pulls over the HTTP API. */
export class CloudflareHttpBackend extends PortableBackend {
  /**
   * A backend over HTTP; nothing is opened and nothing asked before it is needed.
   *
   * @throws {TypeError | RangeError} An option that is not as described.
   */
  constructor(options: CloudflareHttpOptions) {
    super(new HttpDriver(options), backendOptions(options));
  }
}

function isBinding(value: unknown): value is QueueBinding {
  return typeof (value as Partial<QueueBinding> | null | undefined)?.sendBatch === "function";
}

/**
 * A backend over the queue bindings of a Worker's `env`. As `fromEnv` in a Worker, but without the HTTP API in the
 * bundle, and with options in place of variables.
 *
 * @param names The binding of each key that the rule does not name.
 * @example
 * ```ts
 * import { fromBindings, type QueueBinding } from "@slack-mcp/queue/cloudflare";
 *
 * async function onRequest(env: { SLACK_EVENTS: QueueBinding }) {
 *   await fromBindings(env).publish("slack_events", { type: "event_callback" });
 * }
 * ```
 */
export function fromBindings(
  env: object,
  names: Readonly<Record<string, string>> = {},
  options: BackendOptions = {},
): CloudflareBackend {
  return new CloudflareBackend({
    ...options,
    bindings: (key) => {
      const binding = (env as Env)[Object.hasOwn(names, key) ? names[key]! : bindingName(key)];
      return isBinding(binding) ? binding : undefined;
    },
  });
}

/**
 * A backend by the environment: through bindings where `env` has queue bindings, else over HTTP.
 *
 * @param env The environment: variables, or a Worker's bindings.
 * @param options The observer.
 * @returns A backend that asks nothing before it is used.
 * @throws {ConfigError} What is missing or wrong, all at once.
 */
export function fromEnv(
  env: object,
  { observer }: FromEnvOptions = {},
): CloudflareBackend | CloudflareHttpBackend {
  const reader = new EnvReader(env);
  const fields = readQueueFields(reader, "CLOUDFLARE", ["https:", "http:"]);
  const { url: apiUrl, timeoutMs, maxRetries, retryDelayMs } = fields;
  const names = reader.record("CLOUDFLARE_QUEUES") ?? {};
  reader.readLater("CLOUDFLARE_QUEUE_");
  if (fields.messageTtlMs !== undefined) {
    reader.problem("CLOUDFLARE_MESSAGE_TTL is not offered: set the queue's own retention (wrangler queues update)");
  }
  if (fields.maxLength !== undefined) {
    reader.problem("CLOUDFLARE_MAX_LENGTH is not offered: Cloudflare bounds no queue");
  }
  const options = { timeoutMs, maxRetries, retryDelayMs, observer };
  if (Object.values(env).some(isBinding)) {
    for (const [key, name] of Object.entries(names)) {
      if (!isBinding((env as Env)[name])) {
        reader.problem(`CLOUDFLARE_QUEUES must name queue bindings of env, found "${name}" for "${key}"`);
      }
    }
    reader.check();
    return fromBindings(env, names, options);
  }
  const hint = "or, in a Worker, bind a queue (wrangler.jsonc, queues.producers)";
  const accountId = reader.required("CLOUDFLARE_ACCOUNT_ID", `set it to the account's id, ${hint}`);
  const apiToken = reader.required("CLOUDFLARE_API_TOKEN", `set it to a token with Queues: Edit, ${hint}`);
  if (accountId !== "" && !/^[0-9a-f]{32}$/i.test(accountId)) {
    reader.problem(`CLOUDFLARE_ACCOUNT_ID must be 32 hexadecimal digits, found ${accountId.length} characters`);
  }
  if (/\s/.test(apiToken)) reader.problem("CLOUDFLARE_API_TOKEN must be the token alone, found white space in it");
  const maxPollMs = reader.seconds("CLOUDFLARE_MAX_POLL", { min: 1 });
  reader.check();
  return new CloudflareHttpBackend({
    ...options,
    accountId,
    apiToken,
    maxPollMs,
    apiUrl,
    queues: (key): QueueAddress | string | undefined => {
      const name = `CLOUDFLARE_QUEUE_${bindingName(key)}`;
      const queue = Object.hasOwn(names, key) ? names[key] : (env as Env)[name];
      const deadLetters = (env as Env)[`${name}_DLQ`];
      if (typeof deadLetters !== "string") return typeof queue === "string" ? queue : undefined;
      return { queue: typeof queue === "string" ? queue : queueName(key), deadLetters };
    },
  });
}
