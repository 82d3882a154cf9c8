/**
 * A memory driver, called as the portable layer would call it, for one key, on a clock that is turned by hand.
 *
 * @module
 */
import { MemoryBroker, MemoryDriver, type MemoryOptions } from "../../backends/memory/mod.ts";
import type { DriverDepth, DriverMessage, RawDelivery, SendResult, Settlement } from "../../core/driver.ts";
import type { DeadLetter, JsonObject } from "../../core/protocol.ts";
import { HandClock } from "./hand_clock.ts";

let made = 0;

/** Makes a message as the portable layer would. */
export function message(payload: JsonObject, options: Partial<DriverMessage> = {}): DriverMessage {
  return {
    id: `made-${made++}`,
    explicitId: options.id !== undefined,
    orderingKey: undefined,
    body: JSON.stringify(payload),
    payload,
    delayMs: 0,
    ttlMs: undefined,
    headers: undefined,
    ...options,
  };
}

/** A driver over a broker of its own, for the key `"k"`. */
export class MemoryBench {
  readonly clock: HandClock = new HandClock();
  readonly broker: MemoryBroker = new MemoryBroker({ clock: this.clock });
  readonly driver: MemoryDriver;

  constructor(options: MemoryOptions = {}) {
    this.driver = new MemoryDriver({ broker: this.broker, ...options });
  }

  async send(...messages: DriverMessage[]): Promise<SendResult[]> {
    return await this.driver.send("k", messages);
  }

  /** Publishes `{ n }` for each n. */
  async publish(...numbers: number[]): Promise<void> {
    await this.send(...numbers.map((n) => message({ n })));
  }

  take(max = 100, group = "g", leaseMs = 1_000): Promise<RawDelivery[]> {
    return this.driver.receive("k", { group, max, leaseMs, waitMs: 0, signal: new AbortController().signal });
  }

  async settle(
    kind: Settlement["kind"],
    raws: readonly RawDelivery[],
    group = "g",
    delayMs = 0,
  ): Promise<boolean[]> {
    const cause = { name: "Error", message: "poison" };
    const settlements = raws.map(({ lease }): Settlement => ({ lease, kind, cause, delayMs }));
    return await this.driver.settle("k", group, settlements);
  }

  depth(group = "g"): Promise<DriverDepth> {
    return this.driver.depth("k", group);
  }

  async dead(group = "g", limit = Infinity): Promise<DeadLetter[]> {
    const all: DeadLetter[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.driver.deadLetters.list("k", { group, ids: undefined, limit }, cursor, neverAborts());
      all.push(...page.letters);
      cursor = page.cursor;
    } while (cursor !== undefined);
    return all;
  }

  replay(group = "g", ids?: string[]): Promise<number> {
    return this.driver.deadLetters.replay!("k", { group, ids, limit: Infinity }, neverAborts());
  }
}

/** Returns a signal that never aborts. */
export function neverAborts(): AbortSignal {
  return new AbortController().signal;
}

/** Returns the `n` of each payload. */
export function ns(raws: readonly RawDelivery[]): unknown[] {
  return raws.map(({ body }) => (body as JsonObject).n);
}

/** Returns the attempts of deliveries. */
export function attempts(raws: readonly RawDelivery[]): number[] {
  return raws.map((raw) => raw.attempts);
}
