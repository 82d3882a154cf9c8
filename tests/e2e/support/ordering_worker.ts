/**
 * The consumer of an ordering soak: some of its handlers fail, some are slower than their lease, some stop everything
 * until the lease is lost.
 *
 * @module
 */
import type { Delivery, LeasingBackend } from "../../../core/protocol.ts";
import type { SeededRandom } from "../../../testing/random.ts";

/** The part of all handlings that fail. */
const FAILING = 0.05;

/** One of this number of messages has a handler slower than its lease, at its first delivery: each in another conversation. */
const SLOW_EVERY = 1_001;

/** What a worker is told. */
export interface OrderingWorkerOptions {
  readonly key: string;
  readonly leaseMs: number;
  readonly random: SeededRandom;
  /** Takes a line of the ledger; it must be known before this returns. */
  say(line: string): void;
  /** The time in milliseconds, by the broker's clock. */
  now(): number;
  /** Stops everything for so long; absent where others would be stopped, too. */
  readonly stall?: ((ms: number) => void) | undefined;
  /** One of this number of messages stalls, at its first delivery. */
  readonly stallEvery?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** From then on nothing is settled any more, as if the consumer had been killed. */
  readonly abandoned?: AbortSignal | undefined;
}

/** Handles messages until the signal aborts. */
export async function runOrderingWorker(backend: LeasingBackend, options: OrderingWorkerOptions): Promise<void> {
  const { key, leaseMs, random, say, now, signal, abandoned, stall, stallEvery = Infinity } = options;
  const iterator = backend.receive(key, { prefetch: 32, leaseMs, ...signal && { signal } });
  abandoned?.addEventListener("abort", () => void iterator.return?.());
  for await (const delivery of iterator) void handle(delivery).catch(() => undefined);

  async function handle(delivery: Delivery): Promise<void> {
    const n = Number(delivery.payload.n);
    const tell = (what: string) => say(`${what} ${n} ${delivery.attempts} ${now()}`);
    tell("b");
    const first = delivery.attempts === 1;
    if (stall && first && n % stallEvery === stallEvery >> 1) {
      tell("s");
      stall(leaseMs * 1.5);
    }
    const slow = first && n % SLOW_EVERY === 0;
    await new Promise((resolve) => setTimeout(resolve, slow ? leaseMs * 1.5 : random.below(3)));
    if (abandoned?.aborted) return;
    const failed = random.next() < FAILING;
    tell(failed ? "r" : "d");
    const accepted = failed ? await delivery.retry({ delayMs: random.below(60) }) : await delivery.ack();
    tell(accepted ? "1" : "0");
  }
}
