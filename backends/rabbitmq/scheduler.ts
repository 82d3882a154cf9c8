/**
 * The way of messages that wait: into the queues of their delay, and out of them when it is over.
 *
 * @module
 */
import { QueueError } from "../../core/errors.ts";
import { abortable, withDeadline } from "../../core/util/async.ts";
import { systemClock } from "../../core/util/clock.ts";
import type { AmqpMessage } from "./client.ts";
import type { Connection, Link } from "./connection.ts";
import { movedOptions, strayOptions } from "./copies.ts";
import { HELD_MS, nextStop, type Stop } from "./delays.ts";
import { classifyError } from "./errors.ts";
import { type Destination, destinationOf, waitOf } from "./messages.ts";
import { Mover } from "./mover.ts";
import { deadNameOf } from "./names.ts";
import type { Outgoing, Publisher } from "./publisher.ts";
import type { Topology } from "./topology.ts";

/** Milliseconds before a mover is opened anew whose channel was closed, or whose connection broke. */
const REOPEN_MS = 1_000;

/** Its dependencies. */
export interface SchedulerParts {
  /** The connection for the movers. */
  readonly link: Link;
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
  readonly #closing = new AbortController();
  /** A mover is to be opened anew. */
  #reopening: ReturnType<typeof setTimeout> | undefined;

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

  /** Moves what has waited to where it belongs, over this connection and those that come after it. */
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
      const mover: Mover = await Mover.open(connection, topology.due, {
        forward: (messages) => this.#forward(messages),
        onGone: () => topology.forgetQueue(connection, topology.due),
        onClosed: () => {
          connection.declared.delete("mover");
          for (const one of this.#movers) if (one.closed) this.#movers.delete(one);
          this.#moveAgain();
        },
      });
      if (!mover.closed) this.#movers.add(mover);
    });
  }

  /** Opens a mover again after its connection or its queue is gone, also where nobody uses them: messages wait there. */
  #moveAgain(): void {
    const { signal } = this.#closing;
    if (signal.aborted) return;
    this.#reopening ??= setTimeout(() => {
      this.#reopening = undefined;
      this.#parts.link.open(signal).then((connection) => this.move(connection)).catch(() => this.#moveAgain());
    }, REOPEN_MS);
  }

  /** Returns how many messages for a queue or a schedule are in hand between two queues. */
  heldFor(name: string): number {
    return [...this.#movers].reduce((sum, mover) => sum + mover.heldFor(name), 0);
  }

  /** Moves nothing any more, and gives back what is in hand. What is being moved is waited for. */
  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#reopening);
    await Promise.all([...this.#movers].map((mover) => mover.close()));
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
      let next = 0;
      const found = outgoing.map((one) => one === undefined ? "unroutable" : confirmations[next++]!);
      const strays = messages.filter((_, i) => found[i] === "unroutable");
      const buried = strays.length > 0 ? await this.#bury(strays, signal) : [];
      let stray = 0;
      return found.map((one) => one === "unroutable" ? buried[stray++]! : one === "confirmed");
    });
  }

  /**
   * Makes dead letters of what belongs nowhere: of the queue that it waited for, where that was deleted, else of the due
   * queue. Resolves with those that arrived.
   */
  async #bury(messages: readonly AmqpMessage[], signal: AbortSignal): Promise<boolean[]> {
    const { publisher, topology, persistent } = this.#parts;
    const connection = await publisher.connection(signal);
    const outgoing: Outgoing[] = [];
    for (const message of messages) {
      const to = destinationOf(message);
      const queue = to?.exchange === "" ? to.routingKey : topology.due;
      await abortable(topology.dead(connection, queue), signal);
      const options = strayOptions(message, { now: Date.now(), persistent, reason: strayReason(to) });
      outgoing.push({ exchange: "", routingKey: deadNameOf(queue), content: message.content, options });
    }
    const confirmations = await abortable(publisher.publish(outgoing, signal), signal);
    return confirmations.map((one) => one === "confirmed");
  }
}

function strayReason(to: Destination | undefined): string {
  if (to === undefined) return "it does not say where it belongs";
  return to.exchange === "" ? "its queue is gone" : `no queue is bound to the exchange ${to.exchange} for its key`;
}
