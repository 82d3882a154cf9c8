/**
 * A dead letter of a group.
 *
 * @module
 */
import type { DeadLetter, FailureCause } from "../../core/protocol.ts";
import type { Lease } from "./leases.ts";
import { contentOf, type Node } from "./node.ts";

/** A dead letter, with its message. */
export interface Dead {
  /** The n-th of its group. */
  readonly n: number;
  readonly letter: DeadLetter;
  readonly message: Node;
}

/** Where, why and when a message died. */
export interface Death {
  readonly key: string;
  readonly group: string;
  readonly cause: FailureCause;
  readonly diedAt: Date;
}

/** Makes the n-th dead letter of a group of the message of a lease. */
export function createDeadLetter(n: number, { node: message, attempts }: Lease, death: Death): Dead {
  return {
    n,
    message,
    letter: {
      ...death,
      ...contentOf(message),
      id: `${message.seq}-${n}`,
      messageId: message.id,
      payload: undefined,
      attempts,
    },
  };
}
