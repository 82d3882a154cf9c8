/**
 * A process on a SQLite queue that ends, or stands still, in the middle of what it does.
 *
 * @module
 */
import { readSync, writeSync } from "node:fs";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { openDatabase } from "../../../backends/sqlite/database.ts";
import { SCHEMA } from "../../../backends/sql/statements.ts";
import { Connection, GROUP, KEY, message, NEVER, ordered } from "../../integration/support/sqlite.ts";

const [role = "", path = "", argument = ""] = process.argv.slice(2);

function tell(line: string): void {
  writeSync(1, `${line}\n`);
}

/** Does nothing at all until a line comes. */
function standStill(): void {
  readSync(0, new Uint8Array(64));
}

/** Has this process killed before one of the statements that it runs from now on. */
function dieAt(statement: number): void {
  let left = statement;
  const { prepare } = DatabaseSync.prototype;
  DatabaseSync.prototype.prepare = function (text) {
    const prepared = prepare.call(this, text);
    const run = <T>(work: () => T): T => {
      if (left-- === 0) process.kill(process.pid, "SIGKILL");
      return work();
    };
    return {
      all: (...values: (string | number | null)[]) => run(() => prepared.all(...values)),
      run: (...values: (string | number | null)[]) => run(() => prepared.run(...values)),
      get: (...values: (string | number | null)[]) => run(() => prepared.get(...values)),
    } as unknown as ReturnType<typeof prepare>;
  };
}

async function die(): Promise<void> {
  openDatabase({ path, sync: "normal" }).close();
  tell("open");
  dieAt(Number(argument));
  const { driver } = new Connection({ path, sync: "normal" });
  const some = [
    message(1, { id: "a", orderingKey: "x" }),
    message(2, { id: "b", delayMs: 1 }),
    message(3, { id: "c" }),
  ];
  await driver.send(KEY, some, NEVER);
  tell("sent");
  await driver.send(KEY, ordered("x", 4, 5), NEVER);
  const options = { group: GROUP, max: 10, leaseMs: 60_000, waitMs: 0, signal: NEVER };
  const [first, second] = await driver.receive!(KEY, options);
  tell("leased");
  await driver.settle!(KEY, GROUP, [
    { lease: first!.lease, kind: "dead", cause: { name: "Error", message: "no" } },
    { lease: second!.lease, kind: "ack" },
  ], NEVER);
  tell("settled");
  await driver.deadLetters!.replay!(KEY, { group: GROUP, ids: undefined, limit: Infinity }, NEVER);
  tell("replayed");
  await driver.close();
}

/** Leases a message and settles it when a line comes. */
async function hold(): Promise<void> {
  const connection = new Connection({ path });
  const held = await connection.receive(1, { leaseMs: Number(argument) });
  tell("leased");
  standStill();
  const [settled] = await connection.settle(held);
  tell(`settled ${settled}`);
  await connection.driver.close();
  process.exit(0);
}

/** Holds the write lock until a line comes. */
function lock(): void {
  const db = new DatabaseSync(path);
  db.exec("begin immediate");
  tell("locked");
  standStill();
  db.exec("rollback");
  process.exit(0);
}

/** Brings the tables to a version that does not exist yet, as soon as a line comes. */
async function migrate(): Promise<void> {
  const second = ["alter table mq_queue add column note text", "update mq_meta set version = 2"];
  const migrations = [SCHEMA, second.map((text) => ({ text, params: [] }))];
  tell("ready");
  standStill();
  for (;;) {
    try {
      const db = openDatabase({ path, sync: "full", migrations });
      tell(`version ${db.prepare("select version from mq_meta").get()?.version}`);
      db.close();
      process.exit(0);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes("is locked")) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

await ({ die, hold, lock, migrate } as Record<string, () => void | Promise<void>>)[role]!();
