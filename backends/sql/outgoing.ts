/**
 * A batch on its way into the tables, and the outcome of each of its messages.
 *
 * @module
 */
import type { DriverMessage, SendResult } from "../../core/driver.ts";
import { QueueError } from "../../core/errors.ts";
import { bind, type BoundStatement, type Row } from "./port.ts";
import { EXPIRE, PROMOTE, SEND_BEGIN, SEND_PLAIN, SEND_ROWS, TRIM } from "./statements.ts";

/** The limits of a key. */
export interface QueueLimits {
  /** The most messages of a key; `Infinity`: no limit. */
  readonly maxLength: number;
  /** Drop the oldest in place of refusing the newest. */
  readonly dropOldest: boolean;
  /** Milliseconds for which a publisher's id is remembered. */
  readonly dedupWindowMs: number;
}

/** A batch, and the key that it is for. */
export interface Batch {
  /** The number of the key. */
  readonly k: number;
  readonly messages: readonly DriverMessage[];
  /** Identifies the batch: sent again, it adds nothing. */
  readonly token: string;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** A batch and the place of its outcomes among the answers. */
export interface SendList {
  readonly list: readonly BoundStatement[];
  readonly outcomesAt: number;
}

/** Milliseconds for which a batch is recognised. Its publisher gives up long before. */
const BATCH_KEPT_MS = 600_000;

/** The most messages of others that one transaction moves or removes. */
export const STEP = 1_000;

/** More than any queue has, and still a whole number for the database. */
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

const ADDED: SendResult = Object.freeze({ outcome: "added" });
const DUPLICATE: SendResult = Object.freeze({ outcome: "duplicate" });

/** Returns a time in whole milliseconds, never early. */
function later(now: number, ms: number): number {
  return Math.ceil(now + ms);
}

function rowOf({ id, explicitId, orderingKey, delayMs, ttlMs, headers, body }: DriverMessage, now: number): unknown[] {
  return [
    id,
    explicitId ? 1 : 0,
    orderingKey ?? null,
    delayMs > 0 ? later(now, delayMs) : null,
    ttlMs === undefined ? null : later(now, ttlMs),
    headers === undefined ? null : JSON.stringify(headers),
    body,
  ];
}

/** Returns the statements that add a batch. */
export function sendList({ k, messages, token, now }: Batch, limits: QueueLimits): SendList {
  const bounded = limits.maxLength !== Infinity;
  const values = {
    k,
    token,
    now,
    count: messages.length,
    limit: STEP,
    keep: now + BATCH_KEPT_MS,
    until: later(now, limits.dedupWindowMs),
    max: bounded && !limits.dropOldest ? limits.maxLength : NO_LIMIT,
    // Two old ids are removed for each new one, so that their number stays bounded.
    sweep: 2 * messages.length + 4,
    rows: JSON.stringify(messages.map((message) => rowOf(message, now))),
    meta: null as string | null,
  };
  const plain = !bounded && messages.every(({ explicitId, delayMs }) => !explicitId && delayMs <= 0);
  if (!plain) values.meta = JSON.stringify(messages.map(({ id, explicitId }) => [id, explicitId ? 1 : 0]));
  const before = bind(bounded ? [...PROMOTE, ...EXPIRE] : PROMOTE, values);
  const adding = bind(plain ? SEND_PLAIN : [...SEND_BEGIN, ...SEND_ROWS], values);
  const after = bounded && limits.dropOldest ? bind(TRIM, { k, now, max: limits.maxLength }) : [];
  return { list: [...before, ...adding, ...after], outcomesAt: before.length + adding.length - 1 };
}

/** Returns the outcome of each message. */
export function readOutcomes(
  row: Row | undefined,
  messages: readonly DriverMessage[],
  about: { readonly backend: string; readonly key: string; readonly maxLength: number },
): SendResult[] {
  const outcomes = String(row?.outcomes ?? "");
  return messages.map((_, i) => {
    switch (outcomes[i] ?? "a") {
      case "a":
        return ADDED;
      case "d":
        return DUPLICATE;
      default: {
        const { backend, key, maxLength } = about;
        return {
          error: new QueueError("queue-full", `the queue is full: maxLength is ${maxLength}`, { backend, key }),
        };
      }
    }
  });
}
