/**
 * A Worker's queue binding in this process, and batches as the platform pushes them.
 *
 * It refuses what the platform refuses: a message over 128,000 bytes, a batch over 256,000 bytes or 100 messages.
 *
 * @module
 */
import type { BindingMessage, QueueBinding } from "../../backends/cloudflare/mod.ts";
import type { PushBatch } from "../../core/consume/push.ts";

const OVERHEAD = 100;

function bytesOf({ body, contentType }: BindingMessage): number {
  if (body instanceof Uint8Array) return body.length;
  const text = contentType === "text" ? String(body) : contentType === "v8" ? "" : JSON.stringify(body);
  return new TextEncoder().encode(text).length;
}

/** A queue's producer binding. */
export class BindingDouble implements QueueBinding {
  /** Every batch, as it arrives at the other end. */
  readonly batches: (readonly BindingMessage[])[] = [];
  /** Errors of the next calls, in order. */
  readonly failures: Error[] = [];

  async sendBatch(messages: readonly BindingMessage[]): Promise<void> {
    const failure = this.failures.shift();
    if (failure) throw failure;
    const sizes = messages.map((message) => bytesOf(message) + OVERHEAD);
    if (messages.length > 100) throw new Error("Queue sendBatch failed: batch count is out of bounds (10206)");
    if (sizes.some((size) => size > 128_000)) throw new Error("Queue sendBatch failed: message is too large (10204)");
    if (sizes.reduce((a, b) => a + b, 0) > 256_000) throw new Error("Queue sendBatch failed: batch too large (10205)");
    this.batches.push(messages.map(({ body, ...rest }) => {
      return { ...rest, body: rest.contentType === "json" ? JSON.parse(JSON.stringify(body)) : structuredClone(body) };
    }));
    await Promise.resolve();
  }

  /** All messages so far. */
  get messages(): BindingMessage[] {
    return this.batches.flat();
  }
}

/** One pushed message, and what it may have beside its body. */
export interface PushedBody {
  readonly body: unknown;
  /** Default: `m0`, `m1`, … */
  readonly id?: string;
  /** Default: 1. */
  readonly attempts?: number;
}

/** A batch, and what became of its messages: `"ack"`, or the seconds of a retry (`undefined`: the queue's own). */
export function pushed(bodies: readonly PushedBody[], queue = "slack-events"): {
  readonly batch: PushBatch;
  readonly settled: Record<string, ("ack" | number | undefined)[]>;
} {
  const settled: Record<string, ("ack" | number | undefined)[]> = {};
  const messages = bodies.map(({ body, id, attempts = 1 }, place) => {
    const name = id ?? `m${place}`;
    const calls: ("ack" | number | undefined)[] = settled[name] = [];
    return {
      id: name,
      timestamp: new Date(5_000),
      body,
      attempts,
      ack: () => void calls.push("ack"),
      retry: (options?: { readonly delaySeconds?: number }) => void calls.push(options?.delaySeconds),
    };
  });
  return { batch: { queue, messages }, settled };
}
