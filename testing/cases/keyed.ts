/**
 * Publishes and takes messages that have an ordering key.
 *
 * @module
 */
import type { Delivery, LeasingBackend } from "../../core/protocol.ts";
import type { CaseContext } from "../case.ts";
import { equal } from "../check.ts";
import { ack, put } from "./support.ts";

/** Publishes `{ n }` under an ordering key for each number, in order. */
export async function putKeyed(
  t: CaseContext,
  backend: LeasingBackend,
  orderingKey: string | undefined,
  ...values: number[]
): Promise<void> {
  for (const n of values) await put(t, backend, t.key(), { n }, { ...orderingKey !== undefined && { orderingKey } });
}

/** Takes the next message, which must be `{ n }`. */
export async function takeNext(t: CaseContext, backend: LeasingBackend, n: number, what: string): Promise<Delivery> {
  const reader = t.receive(backend, t.key(), { prefetch: 1 });
  const delivery = await reader.next(what);
  equal(delivery.payload, { n }, what);
  return delivery;
}

/** Takes `expected` in this order, each after the ack of the one before. */
export async function takeInOrder(
  t: CaseContext,
  backend: LeasingBackend,
  expected: number[],
  what: string,
): Promise<void> {
  for (const n of expected) await ack(t, await takeNext(t, backend, n, what));
}
