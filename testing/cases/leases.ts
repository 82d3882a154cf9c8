/**
 * Rule 3: leases are kept while a handler runs, and fenced when they are lost.
 *
 * @module
 */
import { casesOf, type ConformanceCase } from "../case.ts";
import { check, equal } from "../check.ts";
import { type Clock, monotonic, systemClock } from "../../core/util/clock.ts";
import { FakeClock } from "../faults/fake_clock.ts";
import { inTime } from "./in_time.ts";
import { afterSleep, afterSlowNetwork, checkUntouched, refuses } from "./lost_leases.ts";
import { ack, nothingBut, outlive, put } from "./support.ts";

/** Milliseconds by which a case sets the time of day: longer than any lease of its own. */
const LEAP_MS = 86_400_000;

/** The cases of rule 3. */
export const leases: readonly ConformanceCase[] = casesOf(3, [
  {
    id: "renewed",
    title: "a message is not delivered again while its handler runs, however long",
    proves: "extend",
    run: inTime(async (t) => {
      const [slow, other] = [await t.connect({ leaseMs: t.leaseMs }), await t.connect()];
      const key = t.key();
      await put(t, slow, key, { n: 1 });
      const held = await t.receive(slow, key).next("the message");
      const waiting = t.receive(other, key);
      await waiting.quiet(4 * t.leaseMs, "while the handler runs");
      await waiting.leave();
      check(!held.signal.aborted, "the signal must not abort while the lease is kept");
      check(await t.settles(held.ack(), "the ack"), "the ack of a kept lease must be taken");
      await nothingBut(t, slow, key, "after the ack");
    }),
  },
  {
    id: "prefetched-renewed",
    title: "what waits behind a slow handler is renewed too, and comes once",
    needs: ["extend"],
    run: inTime(async (t) => {
      const [slow, other] = [await t.connect({ leaseMs: t.leaseMs }), await t.connect()];
      const key = t.key();
      for (const n of [1, 2, 3]) await put(t, slow, key, { n });
      const reader = t.receive(slow, key, { prefetch: 3 });
      const first = await reader.next("the first message");
      await t.receive(other, key).quiet(3 * t.leaseMs, "while the first handler runs");
      const rest = await reader.take(2, "the other messages");
      equal(rest.map(({ attempts }) => attempts), [1, 1], "their attempts");
      for (const delivery of [first, ...rest]) await ack(t, delivery);
    }),
  },
  {
    id: "clock-set",
    title: "a lease is kept when the consumer's time of day is set forward and back",
    proves: "extend",
    run: inTime(async (t) => {
      // Only the time of day is the case's: timers and the monotonic clock are those of the broker's clock, or the platform's.
      const inner: Clock = t.broker.clock ?? systemClock;
      let setByMs = 0;
      const clock: Clock = {
        now: () => inner.now() + setByMs,
        monotonic: () => monotonic(inner),
        setTimeout: (callback, ms) => inner.setTimeout(callback, ms),
        clearTimeout: (timer) => inner.clearTimeout(timer),
      };
      const [slow, other] = [await t.connect({ leaseMs: t.leaseMs, clock }), await t.connect()];
      const key = t.key();
      const reader = t.receive(slow, key);
      for (const ms of [0, LEAP_MS, -2 * LEAP_MS]) {
        await put(t, slow, key, { ms });
        const held = await reader.next(`the message that is taken ${setByMs} ms from the time of day`);
        setByMs += ms;
        const waiting = t.receive(other, key);
        await waiting.quiet(1.5 * t.leaseMs, `after the time of day was set by ${ms} ms`);
        await waiting.leave();
        check(!held.signal.aborted, `the signal must not abort when the time of day is set by ${ms} ms`);
        await ack(t, held);
      }
    }),
  },
  {
    id: "extended",
    title: "a lease that was extended by hand ends no earlier than it says, even if its consumer is killed",
    proves: "extend",
    features: ["kill"],
    run: inTime(async (t) => {
      const [victim, heir] = [await t.connect({ leaseMs: t.leaseMs }), await t.connect()];
      const key = t.key();
      await put(t, victim, key, { n: 1 });
      const held = await t.receive(victim, key).next("the message");
      const before = t.now();
      check(await t.settles(held.extend(3 * t.leaseMs), "the extension"), "the extension was refused");
      await t.kill(victim);
      await t.receive(heir, key).next("the second delivery");
      t.notEarlier(t.now(), before + 3 * t.leaseMs, "the second delivery");
    }),
  },
  {
    id: "own-length",
    title: "a consumer's own leaseMs counts, in place of the backend's",
    features: ["kill"],
    async run(t) {
      const [victim, heir] = [await t.connect({ leaseMs: t.longMs }), await t.connect()];
      const key = t.key();
      await put(t, victim, key, { n: 1 });
      const before = t.now();
      await t.receive(victim, key, { leaseMs: t.leaseMs }).next("the message");
      await t.kill(victim);
      await t.receive(heir, key).next("the second delivery");
      t.notEarlier(t.now(), before + t.leaseMs, "the second delivery");
    },
  },
  {
    id: "late-ack",
    title: "a late ack is refused and does not settle the delivery that somebody else has",
    proves: "fencing",
    run: (t) => refuses(t, (late) => late.ack()),
  },
  {
    id: "late-retry",
    title: "a late retry is refused and brings nothing back",
    proves: "fencing",
    run: (t) => refuses(t, (late, canDelay) => late.retry(canDelay ? { delayMs: t.delayMs } : {})),
  },
  {
    id: "late-dead-letter",
    title: "a late dead letter is refused and gives nothing up",
    proves: "fencing",
    run: (t) => refuses(t, (late) => late.deadLetter("late")),
  },
  {
    id: "late-extend",
    title: "a late extension is refused and does not lengthen somebody else's lease",
    proves: "fencing",
    needs: ["extend"],
    run: (t) =>
      afterSleep(t, async ({ late, current }) => {
        equal(await t.settles(late.extend(t.longMs), "the late extension"), false, "its answer");
        check(late.signal.aborted, "the late delivery's signal must abort");
        await ack(t, current);
      }),
  },
  {
    id: "arrives-late-ack",
    title: "an ack that leaves in time and arrives after the lease is refused and removes nothing",
    proves: "fencing",
    features: ["holdRequests"],
    run: (t) => afterSlowNetwork(t, (held) => held.ack(), (lost) => checkUntouched(t, lost)),
  },
  {
    id: "arrives-late-retry",
    title: "a retry that leaves in time and arrives after the lease is refused and brings nothing back",
    proves: "fencing",
    features: ["holdRequests"],
    run: (t) => afterSlowNetwork(t, (held) => held.retry(), (lost) => checkUntouched(t, lost)),
  },
  {
    id: "arrives-late-dead-letter",
    title: "a dead letter that leaves in time and arrives after the lease is refused and gives nothing up",
    proves: "fencing",
    features: ["holdRequests"],
    run: (t) => afterSlowNetwork(t, (held) => held.deadLetter("late"), (lost) => checkUntouched(t, lost)),
  },
  {
    id: "arrives-late-extend",
    title: "a renewal that leaves in time and arrives after the lease is refused and moves no other lease's end",
    proves: "fencing",
    needs: ["extend"],
    features: ["holdRequests"],
    run: (t) =>
      afterSlowNetwork(t, (held) => held.extend(t.leaseMs), async ({ current, backend, key }) => {
        // Taken, it would end the holder's long lease with this short one.
        await outlive(t, t.leaseMs);
        await nothingBut(t, backend, key, "after the late renewal");
        check(!current.signal.aborted, "the current delivery's signal must not abort");
        await ack(t, current);
      }),
  },
  {
    id: "arrives-late-release",
    title: "a release that leaves in time and arrives after the lease gives nobody else's delivery back",
    proves: "fencing",
    needs: ["release"],
    features: ["holdRequests"],
    async run(t) {
      const stopped = new FakeClock(t.now());
      const [slow, backend] = [await t.connect({ leaseMs: t.leaseMs, clock: stopped }), await t.connect()];
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      const reader = t.consume(slow, key);
      await reader.next("the first payload");
      const letThrough = await t.power("holdRequests")(slow);
      try {
        const left = t.inBackground(reader.leave());
        const current = await t.receive(backend, key).next("the second delivery");
        await letThrough();
        await t.settles(left, "leaving the loop");
        await nothingBut(t, backend, key, "after the late release");
        await ack(t, current);
      } finally {
        await letThrough();
        await stopped.advance(t.longMs);
      }
    },
  },
  {
    id: "left",
    title: "what is in hand when a loop is left is not renewed: its lease ends, and its ack answers false",
    async run(t) {
      const [slow, heir] = [await t.connect({ leaseMs: t.leaseMs }), await t.connect()];
      const key = t.key();
      await put(t, slow, key, { n: 1 });
      const reader = t.receive(slow, key);
      const late = await reader.next("the first delivery");
      await reader.leave();
      const current = await t.receive(heir, key).next("the second delivery");
      equal(await t.settles(late.ack(), "the late ack"), false, "its answer");
      await ack(t, current);
    },
  },
  {
    id: "lost",
    title: "when the lease cannot be renewed and is lost, the signal aborts and the ack answers false",
    proves: "fencing",
    needs: ["extend"],
    features: ["failNext"],
    async run(t) {
      const [slow, heir] = [await t.connect({ leaseMs: t.leaseMs }), await t.connect()];
      const key = t.key();
      await put(t, slow, key, { n: 1 });
      const held = await t.receive(slow, key).next("the first delivery");
      const aborted = new Promise<void>((resolve) =>
        held.signal.addEventListener("abort", () => resolve(), { once: true })
      );
      t.power("failNext")(slow, "extend", "connection", 1_000);
      const again = await t.receive(heir, key).next("the second delivery");
      await t.settles(aborted, "the abort of the signal");
      check(held.signal.reason instanceof Error, "the abort needs a reason");
      equal(await t.settles(held.ack(), "the ack"), false, "the ack of a lost lease");
      check(!again.signal.aborted, "the new holder's signal must not abort");
      await ack(t, again);
    },
  },
  {
    id: "renewal-retried",
    title: "a renewal that fails for the moment is tried again, and the lease is kept",
    needs: ["extend"],
    features: ["failNext"],
    run: inTime(async (t) => {
      const [slow, other] = [await t.connect({ leaseMs: t.leaseMs }), await t.connect()];
      const key = t.key();
      await put(t, slow, key, { n: 1 });
      const held = await t.receive(slow, key).next("the message");
      t.power("failNext")(slow, "extend", "unavailable", 1);
      await t.receive(other, key).quiet(3 * t.leaseMs, "while the handler runs");
      await ack(t, held);
    }),
  },
  {
    id: "renewal-unanswered",
    title: "after a renewal whose answer was lost, a settlement that answers true was done",
    needs: ["extend", "delay"],
    features: ["loseNextReply"],
    async run(t) {
      const backend = await t.connect({ leaseMs: t.longMs });
      const key = t.key();
      for (const n of [0, 1]) await put(t, backend, key, { n });
      const reader = t.receive(backend, key, { prefetch: 2 });
      const [first, second] = await reader.take(2, "both messages");
      await t.power("loseNextReply")(backend, "extend");
      await t.settles(first!.extend(t.longMs).catch(() => false), "the renewal");
      const before = t.now();
      if (await t.settles(first!.retry({ delayMs: 2 * t.delayMs }), "the retry")) {
        const again = await reader.next("the message after its delay");
        t.notEarlier(t.now(), before + 2 * t.delayMs, "the message that was retried");
        await ack(t, again);
      }
      check(await t.settles(second!.ack(), "the ack beside it"), "the message that travelled with it is still held");
    },
  },
  {
    id: "quiet-signal",
    title: "the signal of a delivery that is settled in time never aborts",
    run: inTime(async (t) => {
      const backend = await t.connect({ leaseMs: t.leaseMs });
      const key = t.key();
      await put(t, backend, key, { n: 1 });
      const delivery = await t.receive(backend, key).next("the message");
      const { signal } = delivery;
      await ack(t, delivery);
      await outlive(t, 2 * t.leaseMs);
      check(!signal.aborted, "the signal aborted after the ack");
    }),
  },
]);
