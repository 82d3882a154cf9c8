/**
 * Writes a message under a key of its own, reads it back and removes the key.
 *
 * @module
 */
import { type Clock, monotonic } from "../../core/util/clock.ts";
import { QueueError } from "../../core/errors.ts";
import type { LeasingBackend } from "../../core/protocol.ts";
import { abortable, withDeadline } from "../../core/util/async.ts";
import { type Check, judged, skipped } from "./check.ts";
import { failureFinding } from "./settings.ts";

/** Milliseconds for removing the key, whatever else has run out of time. */
const REMOVAL_MS = 700;

/** Milliseconds after which the message leaves by itself, where it could not be removed. */
const TTL_MS = 60_000;

/**
 * Returns a key that belongs to another one: it starts as the helper keys of that one do, so that the same permissions
 * cover it, and no pattern such as `slack:*` finds it.
 */
export function scratchKey(key: string): string {
  return `{${key}}:doctor:${crypto.randomUUID()}`;
}

/** The queue that a test message goes through, and how. */
export interface TryOptions {
  readonly key: string;
  readonly group: string;
  readonly clock: Clock;
  /** Ends the try. What was written is still removed. */
  readonly signal: AbortSignal;
}

/** Sends a message through the broker and back, and leaves nothing behind. */
export async function tryMessage(backend: LeasingBackend, options: TryOptions): Promise<Check> {
  const { key, group, clock } = options;
  if (!backend.dropQueue && backend.capabilities.durable) {
    return skipped("message", `${backend.name} offers no queue that could be made for a try and removed`);
  }
  const scratch = scratchKey(key);
  const startedAt = monotonic(clock);
  let written = true;
  try {
    if (!await roundTrip(backend, scratch, options)) {
      throw new QueueError("internal", "a message that was confirmed did not come back as it was written");
    }
    return judged("message", [], `written, read and settled in ${Math.round(monotonic(clock) - startedAt)} ms`);
  } catch (error) {
    if (error instanceof QueueError && error.code === "connection") written = false;
    return judged("message", [failureFinding(backend.name, key, error)]);
  } finally {
    // Not by the signal of the try: what was written must go, also where there was no time to read it.
    if (written && backend.dropQueue) {
      const drop = (signal: AbortSignal) => backend.dropQueue!(scratch, { group, signal });
      await withDeadline(clock, REMOVAL_MS, () => undefined, undefined, ({ signal }) => abortable(drop(signal), signal))
        .catch(() => undefined); // the message leaves by its time to live
    }
  }
}

/** Returns whether a message came back as it was written, and could be settled. */
async function roundTrip(
  backend: LeasingBackend,
  scratch: string,
  { group, signal }: TryOptions,
): Promise<boolean> {
  const id = crypto.randomUUID();
  const ttl = backend.capabilities.ttl ? { ttlMs: TTL_MS } : {};
  await abortable(backend.publish(scratch, { doctor: id }, { id, signal, ...ttl }), signal);
  const deliveries = backend.receive(scratch, { group, prefetch: 1, signal });
  try {
    const { value } = await abortable(deliveries.next(), signal);
    return value?.payload.doctor === id && await abortable(value.ack(), signal);
  } finally {
    // A fetch that is still under way would make the queue anew after it was removed.
    if (deliveries.return) await abortable(deliveries.return(), signal).catch(() => undefined);
  }
}
