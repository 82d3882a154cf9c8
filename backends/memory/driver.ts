/**
 * The driver of the memory backend.
 *
 * @module
 */
import { checkOptions } from "../../core/check.ts";
import type {
  DriverDeadLetterQuery,
  DriverDeadLetters,
  DriverMessage,
  DriverReceiveOptions,
  QueueDriver,
  RawDelivery,
  SendResult,
  Settlement,
} from "../../core/driver.ts";
import type { ErrorCode } from "../../core/errors.ts";
import type { Capabilities, DeadLetter, QueueDepth } from "../../core/protocol.ts";
import { type Intake, MemoryBroker } from "./broker.ts";
import type { Group } from "./group.ts";
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
  order: "fifo",
  consume: "pull",
  maxPayloadBytes: Infinity,
  idleCostPerHour: 0,
});

/** How many dead letters one page holds. */
const PAGE = 100;

/** Talks to a {@link MemoryBroker}. */
export class MemoryDriver implements QueueDriver {
  readonly name = "memory";
  readonly capabilities: Capabilities = CAPABILITIES;
  readonly structured = true;
  readonly inProcess = true;
  readonly deadLetters: DriverDeadLetters;
  readonly #broker: MemoryBroker;
  readonly #intake: Intake;

  /**
   * A driver over the broker of the options, else over one of its own.
   *
   * @throws {TypeError | RangeError} An option that is not as described.
   */
  constructor(options: MemoryOptions = {}) {
    checkOptions("memory options", options, MEMORY_CHECKS);
    const { broker, clock, maxLength = Infinity, overflow = "reject", dedupWindowMs = 3_600_000 } = options;
    this.#broker = broker ?? new MemoryBroker({ ...clock && { clock } });
    this.#intake = { maxLength, dropOldest: overflow === "drop-oldest", dedupWindowMs };
    this.deadLetters = {
      list: (key, query, cursor) => Promise.resolve(page([...this.#select(key, query)], cursor)),
      replay: (key, query) => Promise.resolve(this.#take(key, query, (group, id) => group.revive(id))),
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

  ping(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve(); // the broker may have other users, and holds nothing open
  }

  classify(): ErrorCode {
    return "internal"; // what can go wrong here is named where it is thrown
  }

  #take(key: string, query: DriverDeadLetterQuery, each: (group: Group, id: string) => void): number {
    const group = this.#broker.existing(key, query.group);
    if (group === undefined) return 0;
    const letters = [...this.#select(key, query)].slice(0, query.limit);
    for (const { id } of letters) each(group, id);
    return letters.length;
  }

  *#select(key: string, { group, ids }: DriverDeadLetterQuery): Iterable<DeadLetter> {
    for (const { letter } of this.#broker.existing(key, group)?.dead.values() ?? []) {
      if (ids === undefined || ids.includes(letter.id)) yield letter;
    }
  }
}

type DeadLetterPage = { readonly letters: readonly DeadLetter[]; readonly cursor: string | undefined };

/** A page of what there is: the cursor is how many came before. */
function page(letters: readonly DeadLetter[], cursor: string | undefined): DeadLetterPage {
  const from = Number(cursor ?? 0);
  const to = from + PAGE;
  return { letters: letters.slice(from, to), cursor: to < letters.length ? String(to) : undefined };
}
