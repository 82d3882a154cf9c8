/**
 * Counts of a queue: what the broker has ready, and what this process has in hand.
 *
 * @module
 */
import type { DriverDepth } from "../../core/driver.ts";
import { abortable } from "../../core/util/async.ts";
import type { Connection } from "./connection.ts";
import type { PushConsumer } from "./consumer.ts";
import { classifyError } from "./errors.ts";
import { deadNameOf } from "./names.ts";
import type { DelayScheduler } from "./scheduler.ts";
import type { Topology } from "./topology.ts";

/** A queue, and who may have messages of it in hand. */
export interface CountedQueue {
  readonly topology: Topology;
  readonly scheduler: DelayScheduler;
  readonly queue: string;
  /** The name under which delayed publishes for it wait. */
  readonly schedule: string;
  /** Its consumers in this process. */
  readonly consumers: readonly PushConsumer[];
}

/** Counts the messages of a queue. Consumers that nobody asks give nothing back meanwhile. */
export async function countDepth(
  connection: Connection,
  counted: CountedQueue,
  signal: AbortSignal,
): Promise<DriverDepth> {
  const holding = counted.consumers.filter(({ asking }) => !asking).map((consumer) => consumer.hold());
  try {
    await abortable(Promise.all(holding), signal);
    return await count(connection, counted, signal);
  } finally {
    for (const held of holding) held.then((letGo) => letGo(), () => undefined);
  }
}

async function count(
  connection: Connection,
  { topology, scheduler, queue, schedule, consumers }: CountedQueue,
  signal: AbortSignal,
): Promise<DriverDepth> {
  const countOne = (name: string) => countOf(connection, name);
  const chains = [queue, schedule].map(async (name) => {
    const { first, rest } = topology.waitingIn(name);
    const found = await countOne(first);
    const held = scheduler.heldFor(name);
    const counts = found === undefined ? [] : await Promise.all(rest.map(countOne));
    return counts.reduce<number>((sum, one) => sum + (one ?? 0), (found ?? 0) + held);
  });
  const [ready, dead, ...delayed] = await abortable(
    Promise.all([countOne(queue), countOne(deadNameOf(queue)), ...chains]),
    signal,
  );
  return {
    ready: (ready ?? 0) + consumers.reduce((sum, { buffered }) => sum + buffered, 0),
    inFlight: consumers.reduce((sum, { leased }) => sum + leased, 0),
    delayed: delayed.reduce<number>((sum, one) => sum + (one ?? 0), 0),
    dead: dead ?? 0,
  };
}

/** Messages that are ready in a queue; `undefined` where there is none of that name. */
async function countOf(connection: Connection, queue: string): Promise<number | undefined> {
  try {
    return (await connection.withChannel((channel) => channel.checkQueue(queue))).messageCount;
  } catch (error) {
    if (classifyError(error) === "not-found" && !connection.lost) return undefined;
    throw error;
  }
}
