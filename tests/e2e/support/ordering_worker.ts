/**
 * The consumer of an ordering soak: some of its handlers fail, some are slower than their lease, some stop everything
 * until the lease is lost.
 *
 * @module
 */
import type { Delivery, LeasingBackend } from "../../../core/protocol.ts";
import type { SeededRandom } from "../../../testing/random.ts";

/** Parts of all handlings. */
const FAILING = 0.05;
const SLOW = 0.000_5;

/** What a worker is told. */
export interface OrderingWorkerOptions {
  readonly key: string;
  readonly leaseMs: number;
  readonly random: SeededRandom;
  /** Takes a line of the ledger; it must be known before this returns. */
  say(line: string): void;
  /** Stops everything for so long; absent where others would be stopped, too. */
  readonly stall?: ((ms: number) => void) | undefined;
  /** The part of handlings that stall. */
  readonly stalling?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** From then on nothing is settled any more, as if the consumer had been killed. */
  readonly abandoned?: AbortSignal | undefined;
}

/** Handles messages until the signal aborts. */
export async function runOrderingWorker(backend: LeasingBackend, options: OrderingWorkerOptions): Promise<void> {
  const { key, leaseMs, random, say, signal, abandoned } = options;
  const iterator = backend.receive(key, { prefetch: 32, leaseMs, ...signal && { signal } });
  abandoned?.addEventListener("abort", () => void iterator.return?.());
  for await (const delivery of iterator) void handle(delivery).catch(() => undefined);

  async function handle(delivery: Delivery): Promise<void> {
    const { n } = delivery.payload;
    const tell = (what: string) => say(`${what} ${n} ${delivery.attempts} ${Date.now()}`);
    const roll = random.next();
    tell("b");
    const slow = roll < SLOW;
    if (options.stall && random.next() < (options.stalling ?? 0)) options.stall(leaseMs * 1.5);
    await new Promise((resolve) => setTimeout(resolve, slow ? leaseMs * 1.5 : random.below(3)));
    if (abandoned?.aborted) return;
    const failed = roll > 1 - FAILING;
    tell(failed ? "r" : "d");
    const accepted = failed ? await delivery.retry({ delayMs: random.below(60) }) : await delivery.ack();
    tell(accepted ? "1" : "0");
  }
}
