/**
 * Pulls payloads, for backends without leases: one at a time, tried again in place, acknowledged by asking for the next.
 *
 * @module
 */
import { toDeadLetterSink } from "./dead_letter_sink.ts";
import { ConsumeError } from "../errors.ts";
import { isConfigError, type SettlementActions } from "./processor.ts";
import { leave, type Pulling, type PullRun } from "./pull.ts";
import type { Delivery, LeasingBackend, QueueBackend } from "../protocol.ts";
import { delay } from "../util/async.ts";

/** Processes one payload at a time, until the iteration ends. */
export function pullPayloads(backend: QueueBackend, run: PullRun): Pulling {
  const { key, options } = run;
  const { signal } = options;
  const payloads = backend.consume(key, options);
  const name = (backend as Partial<LeasingBackend>).name ?? "queue";
  let waiting = false;
  // While a handler runs its payload stays in hand: leaving now would give it to another.
  const stop = () => waiting && void leave(payloads);
  const next = async () => {
    waiting = true;
    try {
      const asked = payloads.next();
      if (signal.aborted) stop();
      return await asked;
    } finally {
      waiting = false;
    }
  };
  const work = async () => {
    signal.addEventListener("abort", stop, { once: true });
    try {
      let n = 0;
      for (let result = await next(); !result.done && !signal.aborted; result = await next()) {
        n += 1;
        await handleInPlace(run, name, { key, payload: result.value, id: String(n) });
      } // asked for once more after an abort: that acknowledges the last
    } catch (error) {
      // An abort during a wait is the end that was asked for: the message in hand goes back.
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  };
  return [payloads, work()];
}

/** Processes one payload, and again after each failure: the backend cannot take it back. */
async function handleInPlace(
  { processor, counts, options: { signal }, ending }: PullRun,
  name: string,
  message: Pick<Delivery, "id" | "key" | "payload">,
): Promise<void> {
  let anyAttempt = false;
  for (let attempts = 1;; attempts++) {
    const delivery = implicitDelivery(message, attempts, signal);
    let againMs: number | undefined;
    const settling: SettlementActions = {
      anyAttempt,
      ending,
      ack: () => Promise.resolve(true),
      retry: ({ delayMs, reason }) => {
        againMs = delayMs;
        anyAttempt = isConfigError(reason); // a wrong set-up uses up no attempts
        return Promise.resolve(true);
      },
      deadLetter: (reason) => toDeadLetterSink(processor, delivery, name, reason),
    };
    counts[await processor.process(delivery, name, settling)] += 1;
    if (againMs === undefined) return;
    await delay(againMs, processor.clock, signal);
  }
}

function implicitDelivery(
  message: Pick<Delivery, "id" | "key" | "payload">,
  attempts: number,
  signal: AbortSignal,
): Delivery {
  const { key } = message;
  const unsupported = (what: string) =>
    Promise.reject(new ConsumeError("unsupported", `Cannot ${what}: the backend acknowledges by itself`, { key }));
  return {
    ...message,
    attempts,
    orderingKey: undefined,
    headers: {},
    publishedAt: undefined,
    signal,
    ack: () => Promise.resolve(true),
    retry: () => unsupported("retry a single message"),
    deadLetter: () => unsupported("dead-letter a single message"),
    extend: () => unsupported("extend a lease"),
  };
}
