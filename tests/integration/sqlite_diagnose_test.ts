// not on workerd: uses a file
import { test } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { DatabaseSync } from "node:sqlite";
import { SqliteBackend } from "../../backends/sqlite/mod.ts";
import type { Finding } from "../../core/protocol.ts";
import { HandClock } from "../doubles/hand_clock.ts";
import { Connection, Folder, KEY, LEASE_MS, message, NEVER } from "./support/sqlite.ts";

function settings(findings: readonly Finding[]): string[] {
  return findings.map(({ severity, setting }) => `${severity} ${setting}`);
}

test("SqliteBackend.diagnose finds groups that nobody reads, and keys without any", async () => {
  using folder = new Folder();
  const clock = new HandClock();
  const connection = new Connection({ path: folder.file(), clock });
  const look = async () => settings(await connection.driver.diagnose!(KEY, "bots", NEVER));
  await connection.send([message(0), message(1)]);
  assert.deepEqual(await look(), [], "nothing has waited for long");
  await clock.advance(600_000);
  assert.deepEqual(await look(), [`warning key ${KEY}`]);
  await connection.receive(1, { group: "reads", leaseMs: 600_000 });
  assert.deepEqual(await look(), [], "its one group has a lease");
  await connection.receive(10, { group: "left", leaseMs: LEASE_MS });
  await clock.advance(LEASE_MS + 1);
  assert.deepEqual(await look(), ["warning group left"]);
  assert.deepEqual(await connection.driver.diagnose!("another", "bots", NEVER), []);
  await connection.driver.close();
});

test("SqliteBackend.diagnose changes nothing in the file", async () => {
  using folder = new Folder();
  const connection = new Connection({ path: folder.file() });
  await connection.send([message(0), message(1)]);
  await connection.receive(1);
  const before = everything(folder.file());
  for (const group of ["bots", "new"]) await connection.driver.diagnose!(KEY, group, NEVER);
  await connection.driver.diagnose!("another", "bots", NEVER);
  assert.deepEqual(everything(folder.file()), before);
  await connection.driver.close();
});

test("SqliteBackend.dropQueue leaves no row behind", async () => {
  using folder = new Folder();
  const connection = new Connection({ path: folder.file() });
  await connection.send([message(0), message(1)]);
  await connection.receive(1);
  const before = rows(folder.file());
  const key = "{slack_events}:doctor:1";
  await connection.send([message(2, { id: "chosen" }), message(3, { id: "later", delayMs: 60_000 })], key);
  await connection.send([message(4, { id: "other" })], key);
  const [first, second] = await connection.driver.receive!(key, {
    group: "bots",
    max: 10,
    leaseMs: LEASE_MS,
    waitMs: 0,
    signal: NEVER,
  });
  const cause = { name: "Error", message: "no" } as never;
  await connection.driver.settle!(key, "bots", [{ kind: "dead", lease: first!.lease, cause }], NEVER);
  await connection.driver.settle!(key, "bots", [
    { kind: "retry", lease: second!.lease, delayMs: 60_000, cause: undefined },
  ], NEVER);
  assert.notDeepEqual(rows(folder.file()), before);
  await connection.driver.dropQueue!(key, "bots", NEVER);
  assert.deepEqual(rows(folder.file()), before);
  assert.equal((await connection.depth()).ready, 1, "and nothing of another key is gone");
  await connection.driver.close();
});

/** All rows of all tables. */
function everything(path: string): unknown[] {
  const db = new DatabaseSync(path);
  const tables = db.prepare("select name from sqlite_schema where type = 'table' and name like 'mq%'").all();
  const all = tables.map(({ name }) => [name, db.prepare(`select * from ${name}`).all()]);
  db.close();
  return all;
}

/** Rows of each table. */
function rows(path: string): Record<string, unknown> {
  const db = new DatabaseSync(path);
  const tables = db.prepare("select name from sqlite_schema where type = 'table' and name like 'mq%'").all();
  const counts = tables.map(({ name }) => [name, db.prepare(`select count(*) as n from ${name}`).get()!.n]);
  db.close();
  return Object.fromEntries(counts);
}

/** Mounts a disk of a size in bytes. */
function mount(folder: Folder, bytes: number): boolean {
  return spawnSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder.path]).status === 0;
}

function mayMount(): boolean {
  using folder = new Folder();
  return mount(folder, 100_000) && spawnSync("umount", [folder.path]).status === 0;
}

test("SqliteBackend.diagnose finds a disk that is full, and one that soon will be", {
  skip: !mayMount() && "this process may not mount a small disk",
}, async () => {
  const sizes: readonly [number, string[], RegExp?][] = [
    [1_400_000, ["error SQLITE_PATH"], /^the disk of \S+ is full: \d+ KB of 1 MB are free/],
    [200_000_000, []],
  ];
  for (const [bytes, expected, problem] of sizes) {
    using folder = new Folder();
    assert.ok(mount(folder, bytes));
    try {
      const backend = new SqliteBackend({ path: folder.file() });
      const findings = await backend.diagnose!(KEY).finally(() => backend.close());
      assert.deepEqual(settings(findings), expected);
      if (problem) assert.match(findings[0]!.problem, problem);
    } finally {
      spawnSync("umount", [folder.path]);
    }
  }
});
