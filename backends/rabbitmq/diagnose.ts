/**
 * Looks at the queue of a group, as far as AMQP tells, and removes a queue that existed for a try.
 *
 * @module
 */
import type { Finding } from "../../core/protocol.ts";
import type { Connection } from "./connection.ts";
import { classifyError } from "./errors.ts";
import { deadNameOf } from "./names.ts";
import type { Topology } from "./topology.ts";

/** The queue of a key and group. */
export interface GroupQueue {
  readonly topology: Topology;
  readonly key: string;
  readonly group: string;
}

/** Looks at the queue of a group. One that is not there yet is declared when it is used first. */
export async function diagnoseQueue(connection: Connection, { topology, key, group }: GroupQueue): Promise<Finding[]> {
  const found: Finding[] = [];
  const queue = topology.queueOf(key, group);
  const state = await connection.withChannel((channel) => channel.checkQueue(queue)).catch((error: unknown) => {
    if (classifyError(error) === "not-found" && !connection.lost) return undefined;
    throw error;
  });
  if (state === undefined) return found;
  const { messageCount, consumerCount } = state;
  if (messageCount > 0 && consumerCount === 0) {
    found.push({
      severity: "warning",
      setting: `group ${group}`,
      problem: `nobody reads the queue ${queue} at this moment: ${messageCount} messages wait`,
      repair: `start a consumer of the group ${group}, or remove the queue with rabbitmqctl delete_queue ${queue}`,
    });
  }
  if (topology.wantsQuorum && await isClassic(connection, queue)) {
    found.push({
      severity: "warning",
      setting: "RABBITMQ_QUEUE_TYPE",
      problem: `the queue ${queue} is a classic one: it is on one node alone, and does not count killed consumers`,
      repair:
        `empty it, remove it with rabbitmqctl delete_queue ${queue}, and let the server declare a quorum queue; or ` +
        "set RABBITMQ_QUEUE_TYPE=classic",
    });
  }
  return found;
}

/** Tells whether a queue that exists is not a quorum queue. Nothing is changed: it exists. */
async function isClassic(connection: Connection, queue: string): Promise<boolean> {
  const options = { durable: true, arguments: { "x-queue-type": "quorum" } };
  try {
    await connection.withChannel((channel) => channel.assertQueue(queue, options));
    return false;
  } catch (error) {
    return error instanceof Error && /inequivalent arg 'x-queue-type'/.test(error.message);
  }
}

/** Removes the queue of a group, and what stands beside it. */
export async function dropQueues(connection: Connection, { topology, key, group }: GroupQueue): Promise<void> {
  const queue = topology.queueOf(key, group);
  const names = [queue, deadNameOf(queue)];
  for (const name of [queue, topology.scheduleOf(key)]) {
    const { first, rest } = topology.waitingIn(name);
    // Without the first, none of them is there.
    const waits = await connection.withChannel((channel) => channel.checkQueue(first)).then(() => true, () => false);
    if (waits) names.push(first, ...rest);
  }
  await Promise.all(names.map((name) => connection.withChannel((channel) => channel.deleteQueue(name))));
}
