/** A plugin as its author would write it: lists in memory, behind the driver contract. */
import { type Clock, systemClock } from "../../core/util/clock.ts";
import { delay } from "../../core/util/async.ts";
import type * as driver from "../../core/driver.ts";
import type { ErrorCode } from "../../core/errors.ts";
import type { Capabilities, DeadLetter } from "../../core/protocol.ts";

type Item = { id: string; body: string; headers: DeadLetter["headers"]; attempts: number; at: number; lease: number };

/** A server: one list per key, and the dead letters. */
export class ListBroker {
  dead: DeadLetter[] = [];
  leases = 0;
  readonly #lists = new Map<string, Item[]>();
  list = (key: string): Item[] => this.#lists.get(key) ?? this.#lists.set(key, []).get(key)!;
}

export class ListDriver implements driver.QueueDriver {
  readonly name = "list";
  readonly capabilities: Capabilities = {
    ...{ durable: false, delay: true, ttl: false, dedup: false, groups: false, deadLetters: true, replay: false },
    ...{ fencing: true, extend: true, release: true, attempts: true, headers: true, maxLength: false, depth: false },
    ...{ orderingKeys: false, order: "fifo", consume: "pull", maxPayloadBytes: 1_000_000, idleCostPerHour: 3_600 },
  };
  readonly deadLetters: driver.DriverDeadLetters = {
    list: (key, query) => Promise.resolve({ letters: this.#dead(key, query), cursor: undefined }),
    purge: (key, query) => {
      const purged = this.#dead(key, query);
      this.broker.dead = this.broker.dead.filter((letter) => !purged.includes(letter));
      return Promise.resolve(purged.length);
    },
  };
  constructor(readonly broker: ListBroker, readonly clock: Clock = systemClock) {}

  send(key: string, messages: readonly driver.DriverMessage[]): Promise<driver.SendResult[]> {
    for (const { id, body, headers = {}, delayMs } of messages) {
      this.broker.list(key).push({ id, body, headers, attempts: 0, at: this.clock.now() + delayMs, lease: 0 });
    }
    return Promise.resolve(messages.map(() => ({ outcome: "added" })));
  }

  async receive(key: string, { max, leaseMs, waitMs, signal }: driver.DriverReceiveOptions) {
    for (const end = this.clock.now() + waitMs; !signal.aborted;) {
      const now = this.clock.now();
      const ready = this.broker.list(key).filter(({ at }) => at <= now).slice(0, max);
      for (const item of ready) {
        Object.assign(item, { attempts: item.attempts + 1, at: now + leaseMs, lease: ++this.broker.leases });
      }
      if (ready.length > 0 || now >= end) return ready.map((item) => ({ ...item }));
      await delay(1_000, this.clock, signal).catch(() => undefined); // the loop's condition handles an abort
    }
    return [];
  }

  settle(key: string, group: string, settlements: readonly driver.Settlement[]): Promise<boolean[]> {
    return Promise.resolve(settlements.map((one) => {
      const item = this.#held(key, one.lease);
      if (!item) return false;
      const letter = { ...item, id: `dead-${item.id}`, messageId: item.id, key, group, payload: undefined };
      const times = { publishedAt: undefined, diedAt: undefined };
      if (one.kind === "dead") this.broker.dead.push({ ...letter, ...times, cause: one.cause });
      if (one.kind === "release") Object.assign(item, { attempts: item.attempts - 1, at: 0, lease: 0 });
      else if (one.kind === "retry") Object.assign(item, { at: this.clock.now() + one.delayMs, lease: 0 });
      else this.broker.list(key).splice(this.broker.list(key).indexOf(item), 1);
      return true;
    }));
  }

  extend(key: string, _group: string, leases: readonly unknown[], leaseMs: number): Promise<boolean[]> {
    const items = leases.map((lease) => this.#held(key, lease));
    return Promise.resolve(items.map((item) => item !== undefined && (item.at = this.clock.now() + leaseMs) > 0));
  }

  close = (): Promise<void> => Promise.resolve();
  classify = (): ErrorCode => "internal";
  #held = (key: string, lease: unknown) =>
    this.broker.list(key).find((item) => item.lease === lease && item.at > this.clock.now());
  #dead = (key: string, { ids, limit }: driver.DriverDeadLetterQuery): DeadLetter[] =>
    this.broker.dead.filter((one) => one.key === key && (ids?.includes(one.id) ?? true)).slice(0, limit);
}
