/**
 * Names the capabilities that a report is about.
 *
 * @module
 */
import type { Capabilities, LeasingBackend, QueueBackend } from "../core/protocol.ts";

/** The name of a capability in a report: a member of `Capabilities`, with `order` and `consume` taken apart. */
export type CapabilityName =
  | Exclude<keyof Capabilities, "order" | "consume">
  | "fifo"
  | "pull"
  | "push";

/** Every capability in the order of a report, with a sentence that explains it. */
export const capabilityNames: Readonly<Record<CapabilityName, string>> = {
  pull: "consumers ask for messages",
  push: "the platform brings messages",
  durable: "messages outlive the process that published them",
  delay: "a publish or a retry can wait",
  ttl: "a message can leave by itself after a time",
  dedup: "an id published again adds nothing",
  groups: "each group gets every message",
  deadLetters: "what was given up is kept and listed",
  replay: "dead letters can be put back",
  fencing: "a late settlement touches nothing",
  extend: "a lease can be renewed",
  release: "a delivery can be given back uncounted",
  attempts: "the broker counts deliveries, killed consumers included",
  headers: "headers arrive as they were sent",
  maxLength: "the queue can be bounded",
  depth: "the queue can be counted",
  inspect: "keys, groups, ages and waiting messages can be looked at",
  orderingKeys: "messages of one ordering key come one at a time, in order",
  fifo: "messages come in the order of their publishing",
  maxPayloadBytes: "payloads up to the declared size arrive whole, larger ones are refused",
  idleCostPerHour: "an idle consumer costs no more than is declared",
  costPerMessage: "a message costs no more than is declared, where many travel together",
};

/** Returns whether a backend declares a capability. A backend without `capabilities` declares `pull` alone. */
export function declares(capabilities: Capabilities | undefined, name: CapabilityName): boolean {
  if (!capabilities) return name === "pull";
  switch (name) {
    case "fifo":
      return capabilities.order === "fifo";
    case "pull":
      return capabilities.consume !== "push";
    case "push":
      return capabilities.consume !== "pull";
    case "maxPayloadBytes":
    case "idleCostPerHour":
      return typeof capabilities[name] === "number";
    case "costPerMessage":
      return true; // it has a default
    default:
      return capabilities[name] === true;
  }
}

/** Returns whether a backend offers more than `publish`, `consume` and `close`. */
export function isLeasing(backend: QueueBackend): backend is LeasingBackend {
  return "capabilities" in backend && "receive" in backend;
}
