/**
 * Exchanges and queues: declared where that is wanted and allowed, taken as they are where they exist.
 *
 * @module
 */
import { QueueError } from "../../core/errors.ts";
import type { AmqpChannel, AmqpQueueOptions } from "./client.ts";
import type { Connection } from "./connection.ts";
import { LEVELS } from "./delays.ts";
import { classifyError } from "./errors.ts";
import { deadNameOf, delayNameOf, dueNameOf, type Naming, queueNameOf, routingKeyOf, scheduleNameOf } from "./names.ts";

/** How queues are declared. */
export interface TopologySettings extends Naming {
  /** `"quorum"` is replicated and counts deliveries, `"classic"` does neither. */
  readonly queueType: "quorum" | "classic";
  /** `"passive"`: nothing is declared, everything must exist. */
  readonly declare: "active" | "passive";
  /** The groups of a key whose queues a publisher declares too. */
  readonly groupsOf: (key: string) => readonly string[];
  /**
   * Milliseconds that a new quorum queue is given until it outlives a kill of the broker.
   *
   * @default {@link REGISTERED_MS}
   */
  readonly registeredMs?: number | undefined;
}

/** More redeliveries than a dead letter ever has: it is listed by taking it and giving it back. */
const NO_DELIVERY_LIMIT = 1_000_000_000;

/**
 * Milliseconds after which a new quorum queue has its place in the broker's directory on the disk. The broker (3.10) looks every
 * 500 ms, and writes the directory when it has not changed since the look before: up to a second later, where no other queue
 * is declared. If it is killed sooner, it starts without what the queue had, and the queue has no leader: publishes and
 * consumers wait in vain until somebody deletes it. So nothing is confirmed before that.
 */
const REGISTERED_MS = 1_500;

/**
 * Milliseconds before a queue is declared anew that somebody has deleted. The broker (3.10) moves the consumers of a queue
 * that is there again when it gets to tell them of the deletion, and never sends them anything.
 */
const GONE_MS = 300;

/** Declares over a connection, each thing once. */
export class Topology {
  readonly #settings: TopologySettings;
  readonly #owners: Map<string, string> = new Map();
  /** When queues were found to be gone, by `performance.now()`. */
  readonly #goneAt: Map<string, number> = new Map();

  /** With these settings. */
  constructor(settings: TopologySettings) {
    this.#settings = settings;
  }

  /** Whether queues that are missing are declared. */
  get active(): boolean {
    return this.#settings.declare === "active";
  }

  /** Whether queues are to be replicated. */
  get wantsQuorum(): boolean {
    return this.active && this.#settings.queueType === "quorum";
  }

  /**
   * The queue of a key and group.
   *
   * @throws {QueueError} `"invalid"`: another key and group have a queue of that name.
   */
  queueOf(key: string, group: string): string {
    const name = queueNameOf(this.#settings, key, group);
    const owner = JSON.stringify([key, group]);
    const known = this.#owners.get(name);
    if (known === undefined) this.#owners.set(name, owner);
    else if (known !== owner) {
      const pairs = [known, owner].map((pair) => JSON.parse(pair) as [string, string])
        .map(([k, g]) => `key ${JSON.stringify(k)} and group ${JSON.stringify(g)}`);
      throw new QueueError(
        "invalid",
        `the queue ${name} would be shared by ${pairs.join(" and ")}: rename one of them`,
      );
    }
    return name;
  }

  /** The exchange, and the queue of one group, bound. */
  group(connection: Connection, key: string, group: string): Promise<void> {
    const queue = this.queueOf(key, group);
    return connection.once(`queue ${queue}`, async () => {
      await this.#exchange(connection);
      await this.#queue(connection, queue, {});
      await this.#bind(connection, (channel) => channel.bindQueue(queue, this.#settings.exchange, routingKeyOf(key)));
    });
  }

  /** The exchange, and the queues of the groups that must miss nothing, bound. */
  async key(connection: Connection, key: string): Promise<void> {
    if (connection.ready.has(key)) return;
    await this.#exchange(connection);
    await Promise.all(this.#settings.groupsOf(key).map((group) => this.group(connection, key, group)));
    connection.ready.add(key);
  }

  /** Forgets what was declared for a key: it is no longer there. Returns the names of its queues. */
  forget(connection: Connection, key: string): string[] {
    connection.ready.delete(key);
    connection.declared.delete(`exchange ${this.#settings.exchange}`);
    const queues = this.#settings.groupsOf(key).map((group) => this.queueOf(key, group));
    for (const queue of queues) this.forgetQueue(connection, queue);
    return queues;
  }

  /** Forgets a queue, and what leads to it. */
  forgetQueue(connection: Connection, queue: string): void {
    this.#goneAt.set(queue, performance.now());
    connection.ready.clear();
    for (const name of connection.declared.keys()) {
      if (name.startsWith(`queue ${queue}`)) connection.declared.delete(name);
    }
  }

  /** Returns the error for a queue that was declared and is no longer there: the next try declares it anew, where it may. */
  gone(connection: Connection | undefined, queue: string): QueueError {
    if (connection) this.forgetQueue(connection, queue);
    return new QueueError(this.active ? "unavailable" : "not-found", `the queue ${queue} or one beside it is gone`);
  }

  /** The queue of the dead letters of a queue. */
  dead(connection: Connection, queue: string): Promise<void> {
    const { queueType } = this.#settings;
    const limit = queueType === "quorum" ? { "x-delivery-limit": NO_DELIVERY_LIMIT } : {};
    const name = deadNameOf(queue);
    return connection.once(`queue ${name}`, () => this.#queue(connection, name, limit));
  }

  /** The name under which delayed publishes of a key wait. */
  scheduleOf(key: string): string {
    return scheduleNameOf(this.#settings, key);
  }

  /** The queue into which everything comes that has waited. */
  get due(): string {
    return dueNameOf(this.#settings.exchange);
  }

  /** Declares it: a plain queue, so that the broker finds it as soon as it has started. */
  declareDue(connection: Connection): Promise<void> {
    return connection.once(`queue ${this.due}`, () => this.#queue(connection, this.due, { "x-queue-type": "classic" }));
  }

  /** Where messages wait for the time of a level. The lowest is always there: without it, no other is looked for. */
  async delay(connection: Connection, name: string, level: number): Promise<void> {
    await this.declareDue(connection);
    await Promise.all([...new Set([LEVELS.lowest, level])].map((one) => {
      const queue = delayNameOf(name, one);
      return connection.once(`queue ${queue}`, () =>
        this.#queue(connection, queue, {
          // So that nothing is lost on the way. A classic queue knows no such thing, whatever the others are.
          "x-queue-type": "quorum",
          "x-dead-letter-strategy": "at-least-once",
          "x-overflow": "reject-publish",
          "x-message-ttl": 2 ** one,
          "x-dead-letter-exchange": "",
          "x-dead-letter-routing-key": this.due,
        }));
    }));
  }

  /** The exchange. */
  get exchange(): string {
    return this.#settings.exchange;
  }

  /** Where a publish of a key goes. */
  addressOf(key: string): { readonly exchange: string; readonly routingKey: string } {
    return { exchange: this.#settings.exchange, routingKey: routingKeyOf(key) };
  }

  /** Where a message goes that waits. */
  stopOf(name: string, level: number | undefined): { readonly exchange: string; readonly routingKey: string } {
    return { exchange: "", routingKey: level === undefined ? this.due : delayNameOf(name, level) };
  }

  /** The queues in which messages of a queue or a schedule may wait. Without the first there is none of the rest. */
  waitingIn(name: string): { readonly first: string; readonly rest: readonly string[] } {
    const rest: string[] = [];
    for (let level: number = LEVELS.lowest + 1; level <= LEVELS.highest; level++) rest.push(delayNameOf(name, level));
    return { first: delayNameOf(name, LEVELS.lowest), rest };
  }

  #exchange(connection: Connection): Promise<void> {
    const { exchange } = this.#settings;
    return connection.once(`exchange ${exchange}`, () => this.#assertExchange(connection, exchange));
  }

  async #assertExchange(connection: Connection, name: string): Promise<void> {
    await this.#declare(
      connection,
      (channel) => channel.assertExchange(name, "topic", { durable: true }),
      (channel) => channel.checkExchange(name),
    );
  }

  async #queue(connection: Connection, name: string, extra: Readonly<Record<string, unknown>>): Promise<void> {
    const args = { "x-queue-type": this.#settings.queueType, ...extra };
    const options: AmqpQueueOptions = { durable: true, arguments: args };
    const check = (channel: AmqpChannel) => channel.checkQueue(name);
    if (this.active && args["x-queue-type"] === "quorum") {
      const found = await connection.withChannel(check).then(() => true, (error: unknown) => {
        if (classifyError(error) === "not-found" && !connection.lost) return false;
        throw error;
      });
      if (found) return;
      const goneAt = this.#goneAt.get(name);
      if (goneAt !== undefined) await pause(goneAt + GONE_MS - performance.now());
      await this.#declare(connection, (channel) => channel.assertQueue(name, options), check);
      const { registeredMs = REGISTERED_MS } = this.#settings;
      await pause(registeredMs);
    } else {
      await this.#declare(connection, (channel) => channel.assertQueue(name, options), check);
    }
  }

  /** Declares; where it exists otherwise than we would have it, or we may not declare, it is taken as it is. */
  async #declare(
    connection: Connection,
    assert: (channel: AmqpChannel) => Promise<unknown>,
    check: (channel: AmqpChannel) => Promise<unknown>,
  ): Promise<void> {
    if (!this.active) return void await connection.withChannel(check);
    try {
      await connection.withChannel(assert);
    } catch (error) {
      const code = classifyError(error);
      if (code !== "invalid" && code !== "unauthorized" || connection.lost) throw error;
      await connection.withChannel(check).catch((second) => {
        throw classifyError(second) === "not-found" ? error : second;
      });
    }
  }

  /** Binds, where we may: else the operator has done so, and a publish without a way to a queue is returned. */
  async #bind(connection: Connection, bind: (channel: AmqpChannel) => Promise<unknown>): Promise<void> {
    if (!this.active) return;
    try {
      await connection.withChannel(bind);
    } catch (error) {
      if (classifyError(error) !== "unauthorized" || connection.lost) throw error;
    }
  }
}

async function pause(ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}
