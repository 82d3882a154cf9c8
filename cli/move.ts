/**
 * Moves the messages of one queue into another: received, published, and only then acknowledged.
 *
 * A process that is killed in between leaves messages in both queues, never in none. What was published keeps its id, so
 * that a destination that knows ids again removes the second copy.
 *
 * @module
 */
import { PublishError, QueueError } from "../core/errors.ts";
import type { Delivery, LeasingBackend, OutgoingMessage } from "../core/protocol.ts";
import type { Clock } from "../core/util/clock.ts";
import { delay } from "../core/util/async.ts";

/** One end of a move. */
export interface End {
  readonly backend: LeasingBackend;
  readonly key: string;
}

/** How to move. */
export interface MoveOptions {
  /** The group of the source: what it has not settled is moved. */
  readonly group: string;
  /** Milliseconds after which what a killed move had in hand comes again. */
  readonly leaseMs: number;
  /** Moves messages with an ordering key also where the destination keeps none. */
  readonly dropOrderingKeys: boolean;
  /** Stops between two batches. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Is called after each batch with the number so far. */
  onMoved(moved: number): void;
}

/** The result of a move. */
export interface Moved {
  /** Messages that the destination has. */
  readonly moved: number;
  /** Of them: those that it had already. */
  readonly duplicates: number;
  /** Messages whose acknowledgement came too late: they come again, and are duplicates then. */
  readonly lost: number;
}

/** Messages of one batch. */
const BATCH = 100;

/** Milliseconds between two looks whether a killed move's leases have ended. */
const LOOK_MS = 100;

/**
 * Moves until the source has nothing that is ready.
 *
 * @throws {QueueError} The destination refuses a message: it stays in the source, and so does what follows.
 */
export async function move(from: End, to: End, options: MoveOptions): Promise<Moved> {
  const { signal } = options;
  const sum = { moved: 0, duplicates: 0, lost: 0 };
  await waitForLeases(from, options);
  // A message that waited behind its ordering key is ready once the one before it is moved.
  for (let before = -1; before < sum.moved && !signal.aborted;) {
    before = sum.moved;
    await drain(from, options, async (batch) => {
      const receipts = await publish(to, batch, options);
      const settled = await Promise.all(batch.map((delivery) => delivery.ack()));
      sum.moved += receipts.length;
      sum.duplicates += receipts.filter(({ outcome }) => outcome === "duplicate").length;
      sum.lost += settled.filter((held) => !held).length;
      options.onMoved(sum.moved);
    });
  }
  return sum;
}

/** Waits for the leases of a move that was killed: its messages come before all others and must be moved first. */
async function waitForLeases({ backend, key }: End, { group, leaseMs, signal, clock }: MoveOptions): Promise<void> {
  if (!backend.capabilities.depth) return;
  // A consumer of the group that runs has messages in flight all the time: it is not waited for any longer than that.
  const until = clock.now() + leaseMs * 1.5;
  while (clock.now() < until && (await backend.depth(key, { group, signal })).inFlight > 0) {
    await delay(LOOK_MS, clock, signal);
  }
}

/** Takes what is ready, in batches, each as large as what comes at once. */
async function drain(
  { backend, key }: End,
  { group, leaseMs, signal }: MoveOptions,
  handle: (batch: readonly Delivery[]) => Promise<void>,
): Promise<void> {
  const deliveries = backend.receive(key, {
    group,
    leaseMs,
    prefetch: BATCH,
    maxPerOrderingKey: BATCH,
    stopWhenEmpty: true,
    signal,
  });
  try {
    let next = deliveries.next();
    for (let first = await next; !first.done;) {
      const batch = [first.value];
      let step: IteratorResult<Delivery> | undefined;
      while (batch.length < BATCH) {
        step = await Promise.race([next = deliveries.next(), aTurn()]);
        if (step === undefined || step.done) break;
        batch.push(step.value);
      }
      await handle(batch);
      if (step !== undefined && !step.done) next = deliveries.next();
      first = await next;
    }
  } finally {
    await deliveries.return?.();
  }
}

/** Resolves with nothing after all that is resolved already. */
function aTurn(): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), 0));
}

async function publish({ backend, key }: End, batch: readonly Delivery[], { dropOrderingKeys }: MoveOptions) {
  const { orderingKeys } = backend.capabilities;
  const messages = batch.map(({ id, payload, headers, orderingKey }): OutgoingMessage => {
    if (orderingKey !== undefined && !orderingKeys && !dropOrderingKeys) {
      const why = `the ${backend.name} backend keeps no ordering keys; --drop-ordering-keys moves it without`;
      throw new QueueError("unsupported", `Cannot move message ${id}: ${why}`, { backend: backend.name, key, id });
    }
    return {
      id,
      payload,
      ...Object.keys(headers).length > 0 && { headers },
      ...orderingKeys && orderingKey !== undefined && { orderingKey },
    };
  });
  try {
    return await backend.publishBatch(key, messages);
  } catch (error) {
    if (!(error instanceof PublishError) || !error.outcomes) throw error;
    // Nothing of the batch is acknowledged: what has arrived is a duplicate the next time.
    throw error.outcomes.find((outcome) => outcome instanceof PublishError) ?? error;
  }
}
