/**
 * Deliveries whose signal aborts when their handler's time is over.
 *
 * @module
 */
import type { Delivery } from "../protocol.ts";

/** Wraps a delivery of any class so that its signal also aborts with `limit`. */
export function limited(delivery: Delivery, limit: AbortSignal): Delivery {
  let signal: AbortSignal | undefined;
  return new Proxy(delivery, {
    get: (target, name) => {
      if (name === "signal") return signal ??= AbortSignal.any([target.signal, limit]);
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}
