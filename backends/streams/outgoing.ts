/**
 * Batches on their way out: which script, which arguments, what the answer says.
 *
 * @module
 */
import type { DriverMessage, SendResult } from "../../core/driver.ts";
import { QueueError } from "../../core/errors.ts";
import { type QueueKeys, slotKey } from "./keys.ts";
import { keysFor, type Script } from "./script.ts";
import { SEND, SEND_PLAIN } from "./scripts.ts";

/** How a queue takes messages. */
export interface QueueLimits {
  readonly maxLength: number | undefined;
  readonly dropOldest: boolean;
  readonly dedupWindowMs: number;
}

/** A call of a script. */
export interface Call {
  readonly script: Script;
  readonly keys: string[];
  readonly args: string[];
}

function isPlain(message: DriverMessage): boolean {
  return !message.explicitId && message.delayMs === 0 && message.ttlMs === undefined && message.headers === undefined;
}

/** Six arguments for one message. */
function pushMessage(args: string[], message: DriverMessage, suspect: string): void {
  const { id, explicitId, body, headers, delayMs, ttlMs } = message;
  args.push(
    body,
    // A made id is carried where there is no entry yet whose id could stand for it.
    explicitId ? `=${id}` : delayMs > 0 ? `~${id}` : "",
    headers === undefined ? "" : JSON.stringify(headers),
    delayMs > 0 ? String(Math.ceil(delayMs)) : "0",
    ttlMs === undefined ? "" : String(Math.ceil(ttlMs)),
    suspect,
  );
}

/** Who sends, and what is known of what was sent. */
export interface Sender {
  /** Names the publisher. */
  readonly publisher: string;
  /** What names the batch. */
  readonly token: string;
  /** Ids that a batch may have brought which was never answered, with its token. */
  readonly unconfirmedIds: ReadonlyMap<string, string>;
  /** Whether to trim what is settled while at it. */
  readonly trim: boolean;
}

/** What sends a batch. */
export function sendCall(
  keys: QueueKeys,
  messages: readonly DriverMessage[],
  intake: QueueLimits,
  sender: Sender,
): Call {
  const { stream, channel } = keys;
  const { publisher, token, unconfirmedIds, trim } = sender;
  const slot = slotKey(stream, publisher, token);
  if (!trim && intake.maxLength === undefined && messages.every(isPlain)) {
    const args = [token, channel];
    for (const message of messages) args.push(message.body);
    return { script: SEND_PLAIN, keys: keysFor(SEND_PLAIN, { ...keys, slot }), args };
  }
  const names = keysFor(SEND, { ...keys, slot });
  const args = [
    token,
    channel,
    String(intake.maxLength ?? 0),
    intake.dropOldest ? "drop" : "reject",
    String(Math.ceil(intake.dedupWindowMs)),
    trim ? "1" : "0",
  ];
  for (const message of messages) {
    const from = message.explicitId ? unconfirmedIds.get(message.id) : undefined;
    pushMessage(args, message, from === undefined ? "" : `${names.push(slotKey(stream, publisher, from))} ${from}`);
  }
  return { script: SEND, keys: names, args };
}

/** Reads `first*count first*count …`. */
function readRuns(answer: string): SendResult[] {
  if (answer.endsWith("*1") && !answer.includes(" ")) return [{ outcome: "added", id: answer.slice(0, -2) }];
  const results: SendResult[] = [];
  for (const run of answer.split(" ")) {
    const [first = "", count] = run.split("*");
    const dash = first.indexOf("-") + 1;
    const prefix = first.slice(0, dash);
    const from = Number(first.slice(dash));
    for (let i = 0; i < Number(count); i++) results.push({ outcome: "added", id: prefix + (from + i) });
  }
  return results;
}

/** What became of each message of a batch. */
export function readSent(
  call: Call,
  answer: unknown,
  messages: readonly DriverMessage[],
  about: { readonly backend: string; readonly key: string; readonly maxLength: number | undefined },
): SendResult[] {
  if (call.script === SEND_PLAIN) return readRuns(String(answer));
  return String(answer).split(" ").map((word, i): SendResult => {
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
