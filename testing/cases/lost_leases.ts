/**
 * Consumers that have lost a lease and do not know it.
 *
 * @module
 */
import type { Delivery, LeasingBackend } from "../../core/protocol.ts";
import type { CaseContext } from "../case.ts";
import { check, equal } from "../check.ts";
import { FakeClock } from "../faults/fake_clock.ts";
import { ack, nothingBut, put } from "./support.ts";

/** A lease that has ended, and the delivery that came after it. */
export interface Lost {
  /** Of a consumer that has slept through the end of its lease, and does not know. */
  readonly late: Delivery;
  /** The delivery of the same message to the consumer that holds it now. */
  readonly current: Delivery;
  readonly backend: LeasingBackend;
  readonly key: string;
}

/**
 * Calls `step` with a delivery whose lease has run out while its process stood still, and the delivery that came after
 * it. The first consumer's clock stands: it renews nothing and still believes in its lease, so the broker must refuse.
 */
export async function afterSleep(t: CaseContext, step: (lost: Lost) => Promise<void>): Promise<void> {
  const stopped = new FakeClock(t.now());
  const [sleeper, backend] = [await t.connect({ leaseMs: t.leaseMs, clock: stopped }), await t.connect()];
  const key = t.key();
  await put(t, backend, key, { n: 1 });
  const late = await t.receive(sleeper, key).next("the first delivery");
  const current = await t.receive(backend, key).next("the second delivery");
  equal(current.payload, { n: 1 }, "the second delivery");
  try {
    await step({ late, current, backend, key });
  } finally {
    await stopped.advance(t.longMs);
  }
}

/**
 * Sends `request` of a delivery while its lease lasts, lets it arrive when another consumer holds the message, and calls
 * `step`. A driver that compares the lease with its own clock cannot refuse it: only the broker can.
 */
export async function afterSlowNetwork(
  t: CaseContext,
  request: (held: Delivery) => Promise<boolean>,
  step: (lost: Lost) => Promise<void>,
): Promise<void> {
  const stopped = new FakeClock(t.now());
  const [slow, backend] = [await t.connect({ leaseMs: t.leaseMs, clock: stopped }), await t.connect()];
  const key = t.key();
  await put(t, backend, key, { n: 1 });
  const late = await t.receive(slow, key).next("the first delivery");
  const letThrough = await t.power("holdRequests")(slow);
  try {
    const answer = t.inBackground(request(late));
    const current = await t.receive(backend, key).next("the second delivery");
    await letThrough();
    equal(
      await t.settles(answer, "the answer to the request that arrived late"),
      false,
      "the answer to a late request",
    );
    await step({ late, current, backend, key });
  } finally {
    await letThrough();
    await stopped.advance(t.longMs);
  }
}

/** Checks that a settlement that was refused has left the current delivery untouched, and nothing behind. */
export async function checkUntouched(t: CaseContext, { current, backend, key }: Lost): Promise<void> {
  await nothingBut(t, backend, key, "after the late settlement");
  check(!current.signal.aborted, "the current delivery's signal must not abort");
  if (backend.capabilities.depth) {
    const { dead, delayed } = await t.settles(backend.depth(key), "the depth");
    equal({ dead, delayed }, { dead: 0, delayed: 0 }, "dead and delayed messages after the late settlement");
  }
  // The holder gives it back and gets it again: a late settlement that removed the message would show here.
  check(await t.settles(current.retry(), "the current retry"), "the current delivery must be its holder's to settle");
  const again = await t.receive(backend, key).next("the message that its holder gave back");
  equal(again.payload, { n: 1 }, "the message that its holder gave back");
  await ack(t, again);
  await nothingBut(t, backend, key, "after the last ack");
}

/** A settlement by a consumer that slept through its lease is refused. */
export function refuses(
  t: CaseContext,
  settle: (late: Delivery, canDelay: boolean) => Promise<boolean>,
): Promise<void> {
  return afterSleep(t, async (lost) => {
    const answer = settle(lost.late, lost.backend.capabilities.delay);
    equal(await t.settles(answer, "the late settlement"), false, "the answer to a late settlement");
    await checkUntouched(t, lost);
  });
}
