/**
 * The way of messages that wait: into the queues of their delay, and out of them when it is over.
 *
 * @module
 */
import { QueueError } from "../../core/errors.ts";
import { abortable, withDeadline } from "../../core/util/async.ts";
import { systemClock } from "../../core/util/clock.ts";
import type { AmqpMessage } from "./client.ts";
import type { Connection } from "./connection.ts";
import { movedOptions } from "./copies.ts";
import { HELD_MS, nextStop, type Stop } from "./delays.ts";
import { classifyError } from "./errors.ts";
import { destinationOf, waitOf } from "./messages.ts";
import { Mover } from "./mover.ts";
import type { Outgoing, Publisher } from "./publisher.ts";
import type { Topology } from "./topology.ts";

/** What it needs of the driver. */
export interface SchedulerParts {
  readonly publisher: Publisher;
  readonly topology: Topology;
  readonly persistent: boolean;
  /** Milliseconds in which what is due must be confirmed where it belongs. */
  readonly timeoutMs: number;
}

/** Declares the queues of delays, and moves what has waited in them. */
export class DelayScheduler {
  readonly #parts: SchedulerParts;
  readonly #movers: Set<Mover> = new Set();

  /** With these parts of the driver. */
  constructor(parts: SchedulerParts) {
    this.#parts = parts;
  }

  /** Declares the queues of the next stops of messages that wait under a name. */
  async declareStops(
    connection: Connection,
    { name, stops, signal }: {
      readonly name: string;
      readonly stops: readonly (Stop | undefined)[];
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    const { topology } = this.#parts;
    for (const stop of stops) {
      if (stop === undefined) continue;
      const { level } = stop;
      const declared = level === undefined ? topology.declareDue(connection) : topology.delay(connection, name, level);
      await abortable(declared, signal);
    }
  }

  /** Moves what has waited to where it belongs, for as long as the connection lives. */
  move(connection: Connection): Promise<void> {
    const { topology } = this.#parts;
    return connection.once("mover", async () => {
      try {
        await topology.declareDue(connection);
      } catch (error) {
        const code = classifyError(error);
        if (code !== "not-found" && code !== "unauthorized" || connection.lost) throw error;
        return; // nothing can have been delayed, and we may not declare a queue for it
      }
      const mover: Mover = await Mover.open(
        connection,
        topology.due,
        (messages) => this.#forward(messages),
        () => {
          connection.declared.delete("mover");
          for (const one of this.#movers) if (one.closed) this.#movers.delete(one);
        },
      );
      this.#movers.add(mover);
    });
  }

  /** Returns how many messages for a queue or a schedule are in hand between two queues. */
  heldFor(name: string): number {
    return [...this.#movers].reduce((sum, mover) => sum + mover.heldFor(name), 0);
  }

  /** Moves nothing any more, and gives back what is in hand. */
  close(): void {
    for (const mover of this.#movers) mover.close();
  }

  async #forward(messages: readonly AmqpMessage[]): Promise<boolean[]> {
    const { publisher, topology, persistent, timeoutMs } = this.#parts;
    const late = () => new QueueError("timeout", "what was due was not confirmed in time");
    return await withDeadline(systemClock, timeoutMs, late, undefined, async ({ signal }) => {
      const connection = await publisher.connection(signal);
      const now = Date.now();
      const outgoing: (Outgoing | undefined)[] = [];
      for (const message of messages) {
        const to = destinationOf(message);
        const waitMs = waitOf(message);
        const stop = waitMs < HELD_MS ? undefined : nextStop(waitMs);
        if (to && stop) await this.declareStops(connection, { name: to.name, stops: [stop], signal });
        const delayed = to && stop && { to, waitMs: stop.restMs };
        const options = movedOptions(message, delayed, { now, persistent });
        const address = to && stop ? topology.stopOf(to.name, stop.level) : to;
        outgoing.push(address && { ...address, content: message.content, options });
      }
      const sent = outgoing.filter((one) => one !== undefined);
      const confirmations = await abortable(publisher.publish(sent, signal), signal);
      // A foreign message that has come here is nobody's, and stays.
      let next = 0;
      return outgoing.map((one) => one !== undefined && confirmations[next++] === "confirmed");
    });
  }
}
