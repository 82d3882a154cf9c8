/**
 * Steps that many cases take.
 *
 * @module
 */
import type {
  Delivery,
  JsonObject,
  LeasingBackend,
  PublishOptions,
  PublishReceipt,
  QueueBackend,
} from "../../core/protocol.ts";
import type { CaseContext } from "../case.ts";
import { check, equal } from "../check.ts";

/** Publishes and waits for the confirmation. */
export function put(
  t: CaseContext,
  backend: QueueBackend,
  key: string,
  payload: JsonObject,
  options?: PublishOptions,
): Promise<PublishReceipt> {
  return t.settles(backend.publish(key, payload, options), "a publish");
}

/** Publishes `{ n: 0 }`, `{ n: 1 }` and so on, each after the other was asked for, and waits for all. */
export async function putNumbers(t: CaseContext, backend: QueueBackend, key: string, count: number): Promise<void> {
  await t.settles(
    Promise.all(numbers(count).map((n) => backend.publish(key, { n }))),
    `${count} publishes`,
  );
}

/** From 0 up. */
export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

/** The `n` of each payload, as they came. */
export function ns(deliveries: readonly (Delivery | JsonObject)[]): unknown[] {
  return deliveries.map((one) => "payload" in one ? (one as Delivery).payload.n : one.n);
}

/** The `n` of each, smallest first: for what need not come in order. */
export function sorted(deliveries: readonly (Delivery | JsonObject)[]): unknown[] {
  return ns(deliveries).sort((a, b) => Number(a) - Number(b));
}

/** Settles with an ack that must be taken. */
export async function ack(t: CaseContext, delivery: Delivery): Promise<void> {
  check(await t.settles(delivery.ack(), "an ack"), `the ack of ${delivery.id} was refused`);
}

/** Acks each. */
export async function ackAll(t: CaseContext, deliveries: readonly Delivery[]): Promise<void> {
  const answers = await t.settles(Promise.all(deliveries.map((delivery) => delivery.ack())), "the acks");
  check(answers.every(Boolean), `${answers.filter((answer) => !answer).length} acks were refused`);
}

/** Nothing is ready now: a marker that is published comes before anything else. */
export async function nothingBut(
  t: CaseContext,
  backend: LeasingBackend,
  key: string,
  what: string,
  group?: string,
): Promise<void> {
  await put(t, backend, key, { marker: true });
  const reader = t.receive(backend, key, { ...group !== undefined && { group }, prefetch: 1 });
  const delivery = await reader.next(`${what}: the marker`);
  equal(delivery.payload, { marker: true }, what);
  await ack(t, delivery);
  await reader.leave();
}

/** Lets the lease of what a consumer holds run out: it leaves, so nothing renews it, and time passes. */
export async function outlive(t: CaseContext, ms: number): Promise<void> {
  await t.pass(ms + 50);
}

/** Checks a delivery's attempts. A broker that counts deliveries which no consumer saw may have more, never fewer. */
export function attemptsAre(t: CaseContext, { attempts }: { readonly attempts: number }, expected: number): void {
  if (t.broker.countsUnseen) check(attempts >= expected, `the attempts: expected ${expected} or more, got ${attempts}`);
  else equal(attempts, expected, "the attempts");
}
