/**
 * Steps that must be done before a short lease or a delay ends: {@link inTime}.
 *
 * @module
 */
import { delay } from "../../core/util/async.ts";
import type { LeasingBackend } from "../../core/protocol.ts";
import type { CaseContext } from "../case.ts";

/** How many times longer the times of the next attempt are. */
const LONGER = 4;

/** The most attempts. */
const ATTEMPTS = 3;

/** The part of a lease by which nothing is late on a machine that has time for its timers. */
const LATE = 1 / 8;

/** Real milliseconds between two looks. */
const LOOK_MS = 20;

/**
 * Measures how late timers and the broker's answers are.
 *
 * @returns A function that ends the measuring and resolves with the longest delay, in milliseconds.
 */
function watch(backend: LeasingBackend): () => Promise<number> {
  const stopped = new AbortController();
  let latest = 0;
  const looking = (async () => {
    while (!stopped.signal.aborted) {
      const from = performance.now();
      await delay(LOOK_MS);
      await backend.health().catch(() => undefined); // one that fails is as late as it takes
      latest = Math.max(latest, performance.now() - from - LOOK_MS);
    }
  })();
  return async () => {
    stopped.abort();
    await looking;
    return latest;
  };
}

/** The same context with longer times, and with keys that no other attempt uses. */
function longer(t: CaseContext, factor: number): CaseContext {
  const changed = {
    leaseMs: factor * t.leaseMs,
    delayMs: factor * t.delayMs,
    key: (name = "orders") => t.key(`${name}-${factor}`),
  };
  return new Proxy(t, {
    get(target, name) {
      if (Object.hasOwn(changed, name)) return changed[name as keyof typeof changed];
      const member: unknown = Reflect.get(target, name, target);
      // A method keeps its own `this`: a proxy has no private fields.
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

/**
 * Makes a case of a step that keeps a short lease, or is done before a short delay is over. Nobody can promise that on a
 * machine so busy that timers, or the broker's answers, are late by a good part of that time. A step that fails and was so
 * disturbed runs once more, with longer times; one that fails undisturbed has failed. A clock that is turned by hand is
 * never late.
 *
 * @param run The step. It connects anew, since what a failed attempt left behind stays.
 */
export function inTime(run: (t: CaseContext) => Promise<void>): (t: CaseContext) => Promise<void> {
  return async (t) => {
    if (t.broker.clock) return await run(t);
    for (let attempt = 1, factor = 1;; attempt++, factor *= LONGER) {
      const latest = watch(await t.connect());
      const timed = attempt === 1 ? t : longer(t, factor);
      let failure: { readonly error: unknown } | undefined;
      try {
        await run(timed);
      } catch (error) {
        failure = { error };
      }
      const disturbed = await latest() > LATE * Math.min(timed.leaseMs, timed.delayMs);
      if (failure === undefined) return;
      if (!disturbed || attempt === ATTEMPTS) throw failure.error;
    }
  };
}
