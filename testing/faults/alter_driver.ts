/**
 * A driver that is another driver but for some members: {@link alterDriver}.
 *
 * @module
 */
import type { QueueDriver } from "../../core/driver.ts";

/** Members of a driver. One that is `undefined` takes the driver's own away. */
export type DriverMembers = { readonly [Name in keyof QueueDriver]?: QueueDriver[Name] | undefined };

/**
 * Passes everything on to the driver, but for the members that are given. What the driver does not offer stays absent.
 *
 * @example
 * ```ts
 * import { MemoryDriver } from "@slack-mcp/queue/memory";
 * import { alterDriver } from "@slack-mcp/queue/testing";
 *
 * const memory = new MemoryDriver();
 * let sends = 0;
 * const counting = alterDriver(memory, {
 *   send: (key, messages) => {
 *     sends++;
 *     return memory.send(key, messages);
 *   },
 * });
 * if (counting.name !== "memory" || sends !== 0) throw new Error("nothing was sent yet");
 * ```
 */
export function alterDriver(driver: QueueDriver, members: DriverMembers): QueueDriver {
  return new Proxy(driver, {
    get(target, name) {
      if (Object.hasOwn(members, name)) return members[name as keyof QueueDriver];
      const member: unknown = Reflect.get(target, name, target);
      // A method keeps its own `this`: a proxy has no private fields.
      return typeof member === "function" ? member.bind(target) : member;
    },
    has: (target, name) => Object.hasOwn(members, name) || name in target,
  });
}
