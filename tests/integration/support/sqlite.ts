/**
 * The SQL engine for tests: its driver over a real file, without the portable layer above, on a clock turned by hand.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type {
  DriverDepth,
  DriverMessage,
  QueueDriver,
  RawDelivery,
  SendResult,
  Settlement,
  SettleResult,
} from "../../../core/driver.ts";
import { createDriver, createTransport } from "../../../backends/sqlite/driver.ts";
import type { SqliteOptions } from "../../../backends/sqlite/options.ts";
import { HandClock } from "../../doubles/hand_clock.ts";

/** The key and the group of tests that need only one. */
export const KEY = "slack_events";
export const GROUP = "bots";

/** Milliseconds of a lease. */
export const LEASE_MS = 30_000;

/** Never aborts. */
export const NEVER = new AbortController().signal;

let made = 0;

/** Makes a message; `n` is its payload. */
export function message(n: number, options: Partial<DriverMessage> = {}): DriverMessage {
  const payload = { n };
  return {
    id: `made-${made++}`,
    explicitId: options.id !== undefined,
    body: JSON.stringify(payload),
    payload,
    orderingKey: undefined,
    delayMs: 0,
    ttlMs: undefined,
    headers: undefined,
    ...options,
  };
}

/** Makes messages of one ordering key. */
export function ordered(orderingKey: string, ...ns: readonly number[]): DriverMessage[] {
  return ns.map((n) => message(n, { orderingKey }));
}

/** Returns the payload numbers of deliveries. */
export function numbers(deliveries: readonly RawDelivery[]): number[] {
  return deliveries.map(({ body }) => (JSON.parse(String(body)) as { n: number }).n);
}

/** A folder that is removed at the end. */
export class Folder implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), "queue-sqlite-"));

  /** The path of a file in it. */
  file(name = "queue.db"): string {
    return join(this.path, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A connection to a file, with shorter ways to use it. */
export class Connection {
  readonly driver: QueueDriver;

  constructor(options: SqliteOptions) {
    this.driver = createDriver(createTransport(options), options);
  }

  /** Sends, and returns the outcomes, `"full"` where the queue is. */
  async send(messages: readonly DriverMessage[], key = KEY): Promise<string[]> {
    return (await this.driver.send(key, messages, NEVER)).map(outcomeOf);
  }

  /** Leases the messages that are ready. */
  receive(max = 100, { group = GROUP, key = KEY, leaseMs = LEASE_MS } = {}): Promise<RawDelivery[]> {
    return this.driver.receive!(key, { group, max, leaseMs, waitMs: 0, signal: NEVER });
  }

  /** Leases the messages that are ready, and returns their payload numbers. */
  async take(max = 100, options = {}): Promise<number[]> {
    return numbers(await this.receive(max, options));
  }

  /** Settles all in one way. */
  settle(
    deliveries: readonly RawDelivery[],
    how: { [Kind in Settlement["kind"]]: Omit<Extract<Settlement, { kind: Kind }>, "lease"> }[Settlement["kind"]] = {
      kind: "ack",
    },
    group = GROUP,
  ): Promise<SettleResult[]> {
    const settlements = deliveries.map(({ lease }) => ({ ...how, lease }) as Settlement);
    return this.driver.settle!(KEY, group, settlements, NEVER);
  }

  depth(group = GROUP): Promise<DriverDepth> {
    return this.driver.depth!(KEY, group, NEVER);
  }
}

function outcomeOf(result: SendResult): string {
  if (!("error" in result)) return result.outcome;
  return (result.error as { code?: string }).code === "queue-full" ? "full" : String(result.error);
}

/** A file of its own, and a connection to it. */
export class TestQueue extends Connection implements AsyncDisposable {
  readonly folder: Folder;
  readonly clock: HandClock;
  readonly path: string;
  readonly #others: Connection[] = [];

  constructor(options: SqliteOptions = {}) {
    const folder = new Folder();
    const clock = new HandClock();
    const path = folder.file();
    super({ sync: "normal", path, clock, ...options });
    this.folder = folder;
    this.clock = clock;
    this.path = path;
  }

  /** One more connection, as another process has it. */
  connect(options: SqliteOptions = {}): Connection {
    const other = new Connection({ sync: "normal", path: this.path, clock: this.clock, ...options });
    this.#others.push(other);
    return other;
  }

  /** Returns the rows of a query, read without the engine. */
  query(sql: string): Record<string, unknown>[] {
    const db = new DatabaseSync(this.path, { timeout: 5_000 });
    try {
      return db.prepare(sql).all();
    } finally {
      db.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { driver } of [this, ...this.#others]) await driver.close();
    this.folder[Symbol.dispose]();
  }
}
