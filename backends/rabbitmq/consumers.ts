/**
 * The consumers of a driver: one for each that asks, opened at its first call and again when it was lost.
 *
 * @module
 */
import type { DriverReceiveOptions } from "../../core/driver.ts";
import { abortable } from "../../core/util/async.ts";
import type { Link } from "./connection.ts";
import { PushConsumer } from "./consumer.ts";
import { classifyError } from "./errors.ts";
import type { Held } from "./held.ts";
import type { DelayScheduler } from "./scheduler.ts";
import type { Settler } from "./settlements.ts";
import type { Topology } from "./topology.ts";

/** The dependencies of the consumers. */
export interface ConsumerParts {
  readonly link: Link;
  readonly topology: Topology;
  readonly scheduler: DelayScheduler;
  readonly settler: Settler;
}

/** Opens, finds and ends consumers. */
export class Consumers {
  readonly #parts: ConsumerParts;
  /** By the signal that stands for the consumer. */
  readonly #opening: Map<AbortSignal, Promise<PushConsumer>> = new Map();
  readonly #open: Set<PushConsumer> = new Set();
  readonly #ending: Set<Promise<void>> = new Set();

  /** With these parts of the driver. */
  constructor(parts: ConsumerParts) {
    this.#parts = parts;
  }

  /** Returns those of a queue. */
  of(queue: string): PushConsumer[] {
    return [...this.#open].filter((consumer) => consumer.queue === queue);
  }

  /** Leases messages for the consumer that a signal stands for. */
  async receive(
    of: AbortSignal,
    { key, group, signal, ...options }: Omit<DriverReceiveOptions, "consumer"> & { readonly key: string },
  ): Promise<Held[]> {
    const { topology, link } = this.#parts;
    let opening = this.#opening.get(of);
    if (opening === undefined) {
      opening = this.#subscribe(key, group, of);
      this.#opening.set(of, opening);
      const failed = () => this.#opening.get(of) === opening && this.#opening.delete(of);
      opening.catch(failed);
    }
    const consumer = await abortable(opening, signal);
    try {
      return await consumer.receive({ ...options, signal });
    } catch (error) {
      if (classifyError(error) !== "not-found" || !topology.active) throw error;
      throw topology.gone(link.current, consumer.queue);
    } finally {
      // The next call subscribes anew; what this one has handed out can still be settled, where its channel lives.
      if (consumer.lost && this.#opening.get(of) === opening) {
        this.#opening.delete(of);
        void this.#end(consumer);
      }
    }
  }

  /** Lets the consumer that a signal stands for take no more. */
  async unsubscribe(of: AbortSignal): Promise<void> {
    const opening = this.#opening.get(of);
    this.#opening.delete(of);
    await opening?.then((consumer) => this.#end(consumer), () => undefined);
  }

  /** Lets all of them take no more, and gives back what they hold. */
  async close(): Promise<void> {
    for (const opening of this.#opening.values()) opening.then((consumer) => this.#end(consumer), () => undefined);
    await Promise.allSettled(this.#opening.values());
    await Promise.allSettled(this.#ending);
    await Promise.allSettled([...this.#open].map((consumer) => consumer.close()));
  }

  async #subscribe(key: string, group: string, of: AbortSignal): Promise<PushConsumer> {
    const { link, topology, scheduler, settler } = this.#parts;
    const connection = await link.open(of);
    const queue = topology.queueOf(key, group);
    await Promise.all([
      topology.group(connection, key, group),
      scheduler.move(connection),
    ]);
    const consumer = await PushConsumer.open(connection, queue, {
      release: (held) => settler.release(key, group, held),
      onGone: () => topology.forgetQueue(connection, queue),
      onClosed: (closed) => this.#open.delete(closed),
    });
    if (!consumer.closed) this.#open.add(consumer);
    return consumer;
  }

  #end(consumer: PushConsumer): Promise<void> {
    const ending: Promise<void> = consumer.end().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
    return ending;
  }
}
