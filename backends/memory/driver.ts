/**
 * The driver of the memory backend.
 *
 * @module
 */
import { DEFAULT_DEDUP_WINDOW_MS } from "../../core/defaults.ts";
import { checkOptions } from "../../core/util/validate.ts";
import type {
  DriverDeadLetterQuery,
  DriverDeadLetters,
  DriverInspection,
  DriverMessage,
  DriverReceiveOptions,
  QueueDriver,
  RawDelivery,
  SendResult,
  Settlement,
} from "../../core/driver.ts";
import type { ErrorCode } from "../../core/errors.ts";
import type { Capabilities, DeadLetter, QueueDepth } from "../../core/protocol.ts";
import { MemoryBroker, type QueueLimits } from "./broker.ts";
import type { Dead } from "./dead_letters.ts";
import type { Group } from "./group.ts";
import { MemoryInspection } from "./inspection.ts";
import { MEMORY_CHECKS, type MemoryOptions } from "./options.ts";

const CAPABILITIES: Capabilities = Object.freeze<Capabilities>({
  durable: false,
  delay: true,
  ttl: true,
  dedup: true,
  groups: true,
  deadLetters: true,
  replay: true,
  fencing: true,
  extend: true,
  release: true,
  attempts: true,
  headers: true,
  maxLength: true,
  depth: true,
  inspect: true,
  orderingKeys: true,
  order: "fifo",
  consume: "pull",
  maxPayloadBytes: Infinity,
  idleCostPerHour: 0,
});

/** The dead letters of one page. */
const PAGE = 100;

/** Talks to a {@link MemoryBroker}. */
export class MemoryDriver implements QueueDriver {
  readonly name = "memory";
  readonly capabilities: Capabilities = CAPABILITIES;
  readonly structured = true;
  readonly inProcess = true;
  readonly deadLetters: DriverDeadLetters;
  readonly inspect: DriverInspection;
  readonly #broker: MemoryBroker;
  readonly #intake: QueueLimits;

  /**
   * Creates a driver over the broker of the options, else over one of its own.
   *
   * @param options The broker and limits.
   * @param repeats False where no batch is ever sent a second time: then none is remembered.
   *
   * @throws {TypeError | RangeError} An option that is not as described.
   */
  constructor(options: MemoryOptions = {}, repeats = true) {
    checkOptions("memory options", options, MEMORY_CHECKS);
    const { broker, clock, maxLength = Infinity, overflow = "reject", dedupWindowMs = DEFAULT_DEDUP_WINDOW_MS } =
      options;
    this.#broker = broker ?? new MemoryBroker({ clock });
    this.#intake = { maxLength, dropOldest: overflow === "drop-oldest", dedupWindowMs, repeats };
    this.inspect = new MemoryInspection(this.#broker);
    this.deadLetters = {
      list: (key, query, cursor) => Promise.resolve(page(this.#select(key, query), cursor)),
      replay: (key, query) => Promise.resolve(this.#take(key, query, (group, id) => this.#broker.revive(group, id))),
      purge: (key, query) => Promise.resolve(this.#take(key, query, (group, id) => void group.dead.delete(id))),
    };
  }

  send(key: string, messages: readonly DriverMessage[]): Promise<SendResult[]> {
    return Promise.resolve(this.#broker.send(key, messages, this.#intake));
  }

  receive(key: string, options: DriverReceiveOptions): Promise<RawDelivery[]> {
    return this.#broker.receive(key, options);
  }

  settle(key: string, group: string, settlements: readonly Settlement[]): Promise<boolean[]> {
    return Promise.resolve(this.#broker.settle(key, group, settlements));
  }

  extend(key: string, group: string, leases: readonly unknown[], leaseMs: number): Promise<boolean[]> {
    return Promise.resolve(this.#broker.extend(key, group, leases, leaseMs));
  }

  depth(key: string, group: string): Promise<QueueDepth> {
    return Promise.resolve(this.#broker.depth(key, group));
  }

  dropQueue(key: string): Promise<void> {
    return Promise.resolve(this.#broker.drop(key));
  }

  ping(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve(); // the broker may have other users, and holds nothing open
  }

  classify(): ErrorCode {
    return "internal"; // every error of the broker has its code where it is thrown
  }

  #take(key: string, query: DriverDeadLetterQuery, each: (group: Group, id: string) => void): number {
    const group = this.#broker.existing(key, query.group);
    const dead = [...this.#select(key, query)].slice(0, query.limit); // none where there is no group
    for (const { letter } of dead) each(group!, letter.id);
    return dead.length;
  }

  *#select(key: string, { group, ids }: DriverDeadLetterQuery): Iterable<Dead> {
    const wanted = ids && new Set(ids);
    for (const dead of this.#broker.existing(key, group)?.dead.values() ?? []) {
      if (wanted?.has(dead.letter.id) !== false) yield dead;
    }
  }
}

type DeadLetterPage = { readonly letters: readonly DeadLetter[]; readonly cursor: string | undefined };

/** Returns one page. The cursor names the last letter before it, which may have been removed. */
function page(all: Iterable<Dead>, cursor: string | undefined): DeadLetterPage {
  const rest = [...all].filter(({ n }) => n > Number(cursor ?? 0));
  return {
    letters: rest.slice(0, PAGE).map(({ letter }) => letter),
    cursor: rest[PAGE] && String(rest[PAGE - 1]!.n),
  };
}
