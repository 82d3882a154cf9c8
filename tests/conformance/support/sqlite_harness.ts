/**
 * The SQLite backend as the conformance kit meets it: a real file for each case, and a connection of its own for each
 * backend, as processes have them.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDriver, createTransport } from "../../../backends/sqlite/driver.ts";
import type { BoundStatement, Row, RunOptions, SqlPort } from "../../../backends/sql/port.ts";
import type { QueueDriver } from "../../../core/driver.ts";
import type { ErrorCode } from "../../../core/errors.ts";
import type { SqliteTransport } from "../../../backends/sqlite/transport.ts";
import { driverHarness } from "../../../testing/driver_harness.ts";
import type { Harness } from "../../../testing/harness.ts";
import { DatabaseSync } from "node:sqlite";

/** Puts a message into a key as a foreign producer would: its body need not be JSON, nor its bytes text. */
export function inject(path: string, key: string, body: string | Uint8Array): void {
  const db = new DatabaseSync(path, { timeout: 5_000 });
  try {
    db.exec("begin immediate");
    db.prepare("insert or ignore into mq_queue (name) values (?)").run(key);
    db.exec("update mq_meta set base = next, next = next + 1");
    db.prepare(
      "insert into mq_message (seq, k, at, visible, id, body) select base, (select k from mq_queue where name = ?1), ?2, ?2, ?3, cast(?4 as text) from mq_meta",
    ).run(key, Date.now(), crypto.randomUUID(), body);
    db.exec("update mq_queue set length = length + 1");
    db.exec("commit");
  } finally {
    db.close();
  }
}

/** A connection whose requests can be held before they reach the file. */
class HeldPort implements SqlPort {
  readonly #port: SqliteTransport;
  #released: Promise<void> | undefined;

  constructor(port: SqliteTransport) {
    this.#port = port;
  }

  get generation(): number {
    return this.#port.generation;
  }

  get version(): number {
    return this.#port.version;
  }

  /** Holds all later requests. Returns a function that lets them through. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#released = promise;
    return () => {
      this.#released = undefined;
      resolve();
    };
  }

  async run(list: readonly BoundStatement[], options: RunOptions): Promise<Row[][]> {
    await this.#released;
    return await this.#port.run(list, options);
  }

  ring(): void {
    this.#port.ring();
  }

  wait(version: number, ms: number, signal: AbortSignal): Promise<void> {
    return this.#port.wait(version, ms, signal);
  }

  classify(error: unknown): ErrorCode {
    return this.#port.classify(error);
  }

  close(): Promise<void> {
    return this.#port.close();
  }
}

/** A harness over files in a folder of its own. */
export function sqliteHarness(): Harness {
  return driverHarness({
    name: "sqlite",
    leaseMs: 600,
    open: () => {
      const folder = mkdtempSync(join(tmpdir(), "queue-sqlite-"));
      const path = join(folder, "queue.db");
      const transports: SqliteTransport[] = [];
      const ports = new Map<QueueDriver, HeldPort>();
      return {
        driver: (options) => {
          // No case cuts the power, and each wait for the disk would make the run longer.
          const own = { ...options, path, sync: "normal" } as const;
          const transport = createTransport(own);
          transports.push(transport);
          const port = new HeldPort(transport);
          const driver = createDriver(port, own);
          ports.set(driver, port);
          return driver;
        },
        // Every connection is gone, as when all processes end; the next use opens the file again.
        restartBroker: () => {
          for (const transport of transports) transport.disconnect();
          return Promise.resolve();
        },
        inject: (key, body) => {
          for (const transport of transports) transport.open();
          inject(path, key, body);
        },
        injectBytes: (key, body) => {
          for (const transport of transports) transport.open();
          inject(path, key, body);
        },
        holdRequests: (driver) => ports.get(driver)!.hold(),
        cost: () => transports.reduce((sum, { transactions, looks }) => sum + transactions + looks, 0),
        close: () => rmSync(folder, { recursive: true }),
      };
    },
  });
}
