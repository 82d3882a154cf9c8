/**
 * Batches on their way out: which script, which arguments, and the results that its answer holds.
 *
 * @module
 */
import type { DriverMessage, SendResult } from "../../core/driver.ts";
import { QueueError } from "../../core/errors.ts";
import { type QueueKeys, sentKey } from "./keys.ts";
import { keysFor, type Script } from "./script.ts";
import { SEND, SEND_ORDERED, SEND_PLAIN } from "./scripts.ts";
import { madeParts, partsOf, rangesOf } from "./sent_batches.ts";

/** How a queue takes messages. */
export interface QueueLimits {
  readonly maxLength: number | undefined;
  readonly dropOldest: boolean;
  readonly dedupWindowMs: number;
  readonly keepSettled: number;
}

/** A call of a script. */
export interface Call {
  readonly script: Script;
  readonly keys: string[];
  readonly args: string[];
}

/** A batch, and where it is remembered. */
export interface OutgoingBatch {
  readonly messages: readonly DriverMessage[];
  /** Names the publisher. */
  readonly publisher: string;
  /** Names the batch. */
  readonly token: string;
  /** The field of the publisher's hash that remembers it. */
  readonly field: string;
  /** Whether to look for what is settled and has expired while at it. */
  readonly trim: boolean;
  /** Milliseconds for which the publisher's batches are remembered from now on; undefined: as was said before. */
  readonly rememberMs: number | undefined;
}

function isPlain({ explicitId, delayMs, ttlMs, headers }: DriverMessage): boolean {
  return !explicitId && delayMs === 0 && ttlMs === undefined && headers === undefined;
}

/** Whether a batch has nothing but bodies and ordering keys, and the queue no bound. */
export function isPlainBatch({ messages, trim }: OutgoingBatch, limits: QueueLimits): boolean {
  return !trim && limits.maxLength === undefined && messages.every(isPlain);
}

function remember({ rememberMs }: OutgoingBatch): string {
  return rememberMs === undefined ? "" : String(Math.ceil(rememberMs));
}

/** The script that sends bodies alone, or with ordering keys. */
export function plainCall(keys: QueueKeys, batch: OutgoingBatch): Call {
  const { token, field, messages, publisher } = batch;
  const script = messages.some(({ orderingKey }) => orderingKey !== undefined) ? SEND_ORDERED : SEND_PLAIN;
  const args = [token, field, keys.channel, rangesOf(messages), remember(batch)];
  if (script === SEND_ORDERED) args.push(JSON.stringify(messages.map(({ orderingKey = "" }) => orderingKey)));
  for (const { body } of messages) args.push(body);
  return { script, keys: keysFor(script, { ...keys, sent: sentKey(keys.stream, publisher) }), args };
}

/** The script that sends any messages. */
export function sendCall(keys: QueueKeys, batch: OutgoingBatch, limits: QueueLimits): Call {
  const { stream, channel } = keys;
  const names = keysFor(SEND, { ...keys, sent: sentKey(stream, batch.publisher) });
  const args = [
    batch.token,
    batch.field,
    channel,
    remember(batch),
    String(limits.maxLength ?? 0),
    limits.dropOldest ? "drop" : "reject",
    String(Math.ceil(limits.dedupWindowMs)),
    String(limits.keepSettled),
    batch.trim ? "1" : "0",
    batch.messages.some(({ orderingKey, delayMs }) => orderingKey !== undefined && delayMs === 0) ? "1" : "0",
  ];
  const origins = new Map<string, string>();
  for (const message of batch.messages) {
    const { id, explicitId, body, headers, delayMs, ttlMs, orderingKey = "" } = message;
    // A chosen id that looks like a made one names a message whose first publish may have arrived.
    const made = explicitId ? madeParts(id) : undefined;
    let origin = "";
    if (made) {
      const known = origins.get(made.publisher);
      origins.set(made.publisher, origin = known ?? String(names.push(sentKey(stream, made.publisher))));
    }
    args.push(
      body,
      // A made id is carried where there is no entry yet whose id could stand for it.
      explicitId ? `=${id}` : delayMs > 0 ? `~${id}` : "",
      headers === undefined ? "" : JSON.stringify(headers),
      delayMs > 0 ? String(Math.ceil(delayMs)) : "0",
      ttlMs === undefined ? "" : String(Math.ceil(ttlMs)),
      made?.own ?? (explicitId ? "" : partsOf(id).own),
      origin,
      orderingKey,
    );
  }
  return { script: SEND, keys: names, args };
}

/** Reads `first*count first*count …`. */
export function readPlainAnswer(answer: string): SendResult[] {
  if (answer.endsWith("*1") && !answer.includes(" ")) return [{ outcome: "added", id: answer.slice(0, -2) }];
  const results: SendResult[] = [];
  for (const run of answer.split(" ")) {
    const [first = "", count] = run.split("*");
    const dash = first.indexOf("-") + 1;
    const prefix = first.slice(0, dash);
    const from = BigInt(first.slice(dash));
    for (let i = 0; i < Number(count); i++) results.push({ outcome: "added", id: prefix + (from + BigInt(i)) });
  }
  return results;
}

/** Reads one word for each message. */
export function readAnswer(
  answer: string,
  messages: readonly DriverMessage[],
  about: { readonly backend: string; readonly key: string; readonly maxLength: number | undefined },
): SendResult[] {
  return answer.split(" ").map((word, i): SendResult => {
    if (word === "=") return { outcome: "duplicate" };
    if (word === "!") {
      const { backend, key, maxLength } = about;
      return {
        error: new QueueError("queue-full", `"${key}" holds its most messages, ${maxLength}`, { backend, key }),
      };
    }
    const { explicitId, delayMs } = messages[i]!;
    return explicitId || delayMs > 0 ? { outcome: "added" } : { outcome: "added", id: word };
  });
}
