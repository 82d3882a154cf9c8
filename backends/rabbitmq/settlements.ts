/**
 * Settlements. All but an acknowledgement are copies, confirmed where they belong before the original is acknowledged: a
 * crash between the two duplicates and loses nothing.
 *
 * @module
 */
import type { Settlement, SettleResult } from "../../core/driver.ts";
import { QueueError } from "../../core/errors.ts";
import { abortable, withDeadline } from "../../core/util/async.ts";
import { systemClock } from "../../core/util/clock.ts";
import { copyOptions } from "./copies.ts";
import { nextStop } from "./delays.ts";
import { acknowledge, type Held } from "./held.ts";
import { attemptsOf } from "./messages.ts";
import { deadNameOf } from "./names.ts";
import type { Confirmation, Outgoing, Publisher } from "./publisher.ts";
import type { DelayScheduler } from "./scheduler.ts";
import type { Topology } from "./topology.ts";

/** One copy of a message that is held: where it goes and how it is counted. */
interface Copy {
  readonly held: Held;
  readonly settlement: Settlement | { readonly kind: "release" };
}

/** Its dependencies. */
export interface SettlerParts {
  readonly publisher: Publisher;
  readonly topology: Topology;
  readonly scheduler: DelayScheduler;
  readonly persistent: boolean;
  /** Milliseconds in which what is given back must be confirmed. */
  readonly timeoutMs: number;
}

/** Settles what consumers hold. */
export class Settler {
  readonly #parts: SettlerParts;

  /** With these parts of the driver. */
  constructor(parts: SettlerParts) {
    this.#parts = parts;
  }

  /** Settles messages of one key and group, each for itself. */
  async settle(
    key: string,
    group: string,
    settlements: readonly Settlement[],
    signal: AbortSignal,
  ): Promise<SettleResult[]> {
    const { publisher, topology } = this.#parts;
    const open = settlements.map((settlement) => ({ held: settlement.lease as Held, settlement }))
      .filter(({ held }) => held.state === "leased");
    const failures = new Map<Held, QueueError>();
    for (const { held } of open) held.settling = true;
    try {
      const copies = open.filter(({ settlement }) => settlement.kind !== "ack");
      const released = copies.filter(({ settlement }) => settlement.kind === "release");
      // Else the broker would bring the copies back at once.
      await Promise.all([...new Set(released.map(({ held }) => held.consumer))].map((consumer) => consumer.pause()));
      const acks = open.filter(({ settlement }) => settlement.kind === "ack").map(({ held }) => held);
      // A copy that is not confirmed in time must not hold up what is done.
      const [confirmations] = await Promise.all([
        copies.length > 0 ? this.#copyOrRefuse(key, group, copies, signal) : [],
        acknowledge(acks),
      ]);
      for (const [i, { held, settlement }] of copies.entries()) {
        const confirmation = confirmations[i]!;
        if (confirmation === "confirmed") continue;
        if (settlement.kind === "release") held.consumer.requeue([held]);
        else if (confirmation !== "unroutable") failures.set(held, confirmation);
        else failures.set(held, topology.gone(publisher.current, held.consumer.queue));
      }
      await acknowledge(
        copies.map(({ held }) => held).filter((held) => !failures.has(held) && held.state === "leased"),
      );
      // The whole batch is tried again: those that are settled already report it.
      for (const error of failures.values()) if (error.retryable || error.code === "unknown-outcome") throw error;
    } finally {
      for (const { held } of open) held.settling = false;
    }
    return settlements.map(({ lease, kind }): SettleResult => {
      const held = lease as Held;
      const error = failures.get(held);
      if (error) return { error };
      return held.state === "settled" || kind === "release" && held.state === "lost";
    });
  }

  /** Gives back what was not handed out: as it was before where the broker takes the copies, else counted. */
  async release(key: string, group: string, held: readonly Held[]): Promise<void> {
    try {
      const copies = held.map((one): Copy => ({ held: one, settlement: { kind: "release" } }));
      const late = () => new QueueError("timeout", "what is given back was not confirmed in time");
      const confirmations = await withDeadline(
        systemClock,
        this.#parts.timeoutMs,
        late,
        undefined,
        ({ signal }) => abortable(this.#copy(key, group, copies, signal), signal),
      );
      await acknowledge(held.filter((_, i) => confirmations[i] === "confirmed"));
    } catch {
      // No copies: the broker counts the delivery then.
    }
    for (const one of held) one.consumer.requeue([one]);
  }

  /** The same as {@link Settler.#copy}, with an error for each while the broker takes nothing: a release must not wait. */
  async #copyOrRefuse(
    key: string,
    group: string,
    copies: readonly Copy[],
    signal: AbortSignal,
  ): Promise<Confirmation[]> {
    try {
      return await this.#copy(key, group, copies, signal);
    } catch (error) {
      if (!(error instanceof QueueError) || error.code !== "queue-full") throw error;
      return copies.map(() => error);
    }
  }

  /** Copies messages to where their settlements send them. */
  async #copy(key: string, group: string, copies: readonly Copy[], signal: AbortSignal): Promise<Confirmation[]> {
    const { publisher, topology, scheduler, persistent } = this.#parts;
    const connection = await publisher.connection(signal);
    await abortable(topology.group(connection, key, group), signal);
    const outgoing: Outgoing[] = [];
    for (const { held: { message, consumer: { queue } }, settlement } of copies) {
      const attempts = attemptsOf(message) - (settlement.kind === "release" ? 1 : 0);
      const now = Date.now();
      const delayMs = settlement.kind === "retry" ? settlement.delayMs : 0;
      const stop = delayMs > 0 ? nextStop(delayMs) : undefined;
      const letter = settlement.kind === "dead" ? { cause: settlement.cause, key, group, diedAt: now } : undefined;
      const options = copyOptions(message, { attempts, letter }, {
        now,
        persistent,
        delayed: stop && { to: { name: queue, exchange: "", routingKey: queue }, waitMs: stop.restMs },
      });
      const { content } = message;
      if (letter) await abortable(topology.dead(connection, queue), signal);
      if (stop) await scheduler.declareStops(connection, { name: queue, stops: [stop], signal });
      const to = letter
        ? { exchange: "", routingKey: deadNameOf(queue) }
        : stop
        ? topology.stopOf(queue, stop.level)
        : { exchange: "", routingKey: queue };
      outgoing.push({ ...to, content, options });
    }
    return await publisher.publish(outgoing, signal);
  }
}
