/**
 * Looks after the connection while nobody else does.
 *
 * @module
 */
import type { Health, QueueBackend } from "../../core/protocol.ts";
import { delay } from "../../core/util/async.ts";
import type { Clock } from "../../core/util/clock.ts";
import type { ConnectionLog } from "./connection_log.ts";
import type { Log } from "./log.ts";

/** Milliseconds between two questions while the queue cannot be reached. */
const AWAY_MS = 5_000;

/** The dependencies of the watch. */
export interface WatchOptions {
  readonly connection: ConnectionLog;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** True where no consumer asks the broker all the time. */
  readonly always: boolean;
}

type Checkable = QueueBackend & { health?(options: { readonly signal: AbortSignal }): Promise<Health> };

/**
 * Asks once how the queue is and logs what is not well. Where no consumer asks the broker all the time, asks again while
 * the queue cannot be reached, so that its return is told without waiting for an event. Never rejects.
 */
export async function watchOver(
  backend: Checkable,
  { connection, clock, log, signal, always }: WatchOptions,
): Promise<void> {
  if (!backend.health) return;
  const health = async () => await backend.health!({ signal }).catch(() => undefined); // the observer was told
  let probing = false;
  async function probe(): Promise<void> {
    if (probing) return;
    probing = true;
    while (connection.lost && !signal.aborted) {
      await delay(AWAY_MS, clock, signal).catch(() => undefined); // the signal ends the loop
      if (!signal.aborted) await health();
    }
    probing = false;
  }
  if (always) connection.onLoss = () => void probe();
  const first = await health();
  if (signal.aborted || !first) return;
  for (const warning of first.warnings ?? []) log("warn", warning);
  if (!first.ok && !connection.lost) log("error", "the queue cannot be used", { error: first.error });
}
