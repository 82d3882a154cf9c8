// not on workerd: keeps its messages in a file
import { test } from "node:test";
import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { openDatabase } from "../../backends/sqlite/database.ts";
import { fileSystemOf, HostNote, refuseNetwork } from "../../backends/sqlite/host.ts";
import { fromEnv, SqliteBackend } from "../../backends/sqlite/mod.ts";
import { SqliteTransport } from "../../backends/sqlite/transport.ts";
import { SCHEMA } from "../../backends/sql/statements.ts";
import { ConfigError, type QueueError } from "../../core/errors.ts";
import { Folder, message, TestQueue } from "./support/sqlite.ts";

/** Returns the error that a call throws. */
function thrownBy(call: () => unknown): Error {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof Error);
    return error;
  }
  assert.fail("it must throw");
}

/** Opens a file as an operator's start does, and returns the error. */
function refusal(path: string): ConfigError {
  const error = thrownBy(() => fromEnv({ SQLITE_PATH: path }));
  assert.ok(error instanceof ConfigError, `not a ConfigError: ${error}`);
  return error;
}

test("SqliteBackend makes its files for their owner alone", async () => {
  using folder = new Folder();
  await using backend = new SqliteBackend({ path: folder.file() });
  await backend.publish("orders", { n: 1 });
  const modes = readdirSync(folder.path).map((name) => [name, (statSync(folder.file(name)).mode & 0o777).toString(8)]);
  assert.deepEqual(modes.sort(), ["", "-bell", "-host", "-shm", "-wal"].map((end) => [`queue.db${end}`, "600"]));
});

test("fromEnv takes a path, a file: URL, and the common variables", async () => {
  using folder = new Folder();
  const urls = [folder.file("a.db"), `file:${folder.file("b.db")}`, `file://${folder.file("c%20d.db")}`];
  for (const SQLITE_URL of urls) await fromEnv({ SQLITE_URL, SQLITE_PATH: "/nowhere/at/all.db" }).close();
  await using bounded = fromEnv({ SQLITE_PATH: folder.file("e.db"), SQLITE_MAX_LENGTH: "1", SQLITE_SYNC: "normal" });
  await bounded.publish("orders", { n: 1 });
  await assert.rejects(bounded.publish("orders", { n: 2 }), { code: "queue-full" });
  const names = readdirSync(folder.path).filter((name) => name.endsWith(".db"));
  assert.deepEqual(names.sort(), ["a.db", "b.db", "c d.db", "e.db"]);
});

test("fromEnv names every variable that is wrong at once", () => {
  const error = thrownBy(() =>
    fromEnv({ SQLITE_URL: "redis://user:secret@host", SQLITE_SYNC: "off", SQLITE_MAX_LENGTH: "0" })
  );
  assert.ok(error instanceof ConfigError);
  assert.equal(error.problems.length, 3);
  assert.match(error.message, /SQLITE_URL must be the path of a file, or file: and a path, found the scheme "redis:"/);
  assert.ok(!error.message.includes("secret"));
});

for (
  const [path, found] of [
    [":memory:", /QUEUE_BACKEND=memory/],
    ["file::memory:?cache=shared", /QUEUE_BACKEND=memory/],
    ["file:q.db?mode=memory", /QUEUE_BACKEND=memory/],
    ["file:q.db?mode=ro", /found parameters/],
    ["file://server/share/q.db", /found the name of a host/],
    ["./queues/", /found a folder/],
  ] as const
) {
  test(`fromEnv refuses ${path} with a reason`, () => {
    assert.match(thrownBy(() => fromEnv({ SQLITE_URL: path })).message, found);
    assert.throws(() => new SqliteBackend({ path }), ConfigError);
  });
}

test("fromEnv refuses a folder that does not exist, and a folder in place of a file", () => {
  using folder = new Folder();
  assert.match(refusal(folder.file("missing/queue.db")).message, /the folder .*missing does not exist/);
  mkdirSync(folder.file("queue.db"));
  assert.match(refusal(folder.file()).message, /it is a folder/);
});

test("fromEnv refuses a folder that this process may not write", () => {
  using folder = new Folder();
  const root = process.getuid?.() === 0; // who may write everywhere but there
  chmodSync(folder.path, 0o500);
  assert.match(refusal(root ? "/sys/queue.db" : folder.file()).message, /may not (write|create)|read-only/);
  chmodSync(folder.path, 0o700);
});

test("fromEnv refuses a file that is no database, and leaves it as it is", () => {
  using folder = new Folder();
  const text = "to do:\n".repeat(1_000);
  writeFileSync(folder.file(), text);
  assert.match(refusal(folder.file()).message, /it is not a SQLite database; it is left as it is/);
  assert.equal(readFileSync(folder.file(), "utf8"), text);
});

test("fromEnv refuses the database of another program, and leaves it as it is", () => {
  using folder = new Folder();
  const db = new DatabaseSync(folder.file());
  db.exec("create table customers (name text); insert into customers values ('Ada')");
  db.close();
  const before = readFileSync(folder.file());
  assert.match(refusal(folder.file()).message, /another program, with a table "customers"; it is left as it is/);
  assert.deepEqual(readFileSync(folder.file()), before);
});

test("fromEnv refuses a damaged file, says what to do, and leaves it as it is", async () => {
  using folder = new Folder();
  {
    await using backend = fromEnv({ SQLITE_PATH: folder.file() });
    for (let n = 0; n < 50; n++) await backend.publish("orders", { text: "x".repeat(3_000) });
  }
  const bytes = readFileSync(folder.file());
  bytes.fill(0xa5, bytes.length / 2, bytes.length / 2 + 20_000);
  writeFileSync(folder.file(), bytes);
  const error = refusal(folder.file());
  assert.match(error.message, /the file is damaged; it is left as it is: .*recover/);
  assert.deepEqual(readFileSync(folder.file()), bytes);
  truncateSync(folder.file(), 5_000);
  assert.match(refusal(folder.file()).message, /damaged|not a SQLite database/);
});

test("SqliteBackend names damage that shows while it runs, and keeps to it", async () => {
  await using queue = new TestQueue();
  await queue.send(
    Array.from({ length: 200 }, (_, n) => message(n, { body: JSON.stringify({ n, x: "y".repeat(500) }) })),
  );
  const db = new DatabaseSync(queue.path);
  db.exec("pragma wal_checkpoint(truncate)");
  db.close();
  const bytes = readFileSync(queue.path);
  bytes.fill(0xff, 8_192);
  writeFileSync(queue.path, bytes);
  await queue.driver.close();
  const again = queue.connect();
  const error = await again.receive().then(() => undefined, (error: QueueError) => error);
  assert.equal(error?.code, "config");
  assert.match(error!.message, /the file is damaged/);
});

test("fromEnv refuses the tables of a newer release by their version", async () => {
  using folder = new Folder();
  await fromEnv({ SQLITE_PATH: folder.file() }).close();
  const db = new DatabaseSync(folder.file());
  db.exec("update mq_meta set version = 7");
  db.close();
  assert.match(refusal(folder.file()).message, /its tables have version 7, and this release knows up to 1/);
});

const SECOND = [
  { text: "alter table mq_queue add column note text", params: [] },
  { text: "update mq_meta set version = 2", params: [] },
];

test("openDatabase copies the file before it changes the tables of an older release", async () => {
  await using queue = new TestQueue();
  await queue.send([message(1)]);
  const db = openDatabase({ path: queue.path, sync: "full", migrations: [SCHEMA, SECOND] });
  assert.equal(db.prepare("select version from mq_meta").get()?.version, 2);
  db.close();
  const path = `${queue.path}.version-1`;
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const copy = new DatabaseSync(path);
  const row = copy.prepare("select version, (select count(*) from mq_message) as messages from mq_meta").get();
  copy.close();
  assert.deepEqual({ ...row }, { version: 1, messages: 1 });
});

test("openDatabase changes nothing where a step fails", () => {
  using folder = new Folder();
  openDatabase({ path: folder.file(), sync: "full" }).close();
  const broken = [...SECOND, { text: "insert into no_such_table values (1)", params: [] }];
  const open = () => openDatabase({ path: folder.file(), sync: "full", migrations: [SCHEMA, broken] });
  assert.throws(open, /no such table/);
  const db = openDatabase({ path: folder.file(), sync: "full" });
  assert.equal(db.prepare("select version from mq_meta").get()?.version, 1);
  db.close();
});

test("SqliteBackend notices that its file was deleted, and goes on with a new one", async () => {
  using folder = new Folder();
  const failures: QueueError[] = [];
  await using backend = new SqliteBackend({
    path: folder.file(),
    retryDelayMs: 1,
    observer: { failed: ({ error }) => void failures.push(error) },
  });
  await backend.publish("orders", { n: 1 });
  const reader = backend.receive("orders");
  const { value: held } = await reader.next();
  for (const name of readdirSync(folder.path)) rmSync(folder.file(name));
  await backend.publish("orders", { n: 2 });
  assert.match(failures[0]!.message, /was deleted or replaced while it was in use/);
  assert.equal(await held.ack(), false, "what was leased is in the old file");
  const { value: next } = await reader.next();
  assert.deepEqual(next.payload, { n: 2 });
  await next.ack();
  await using other = new SqliteBackend({ path: folder.file() });
  assert.equal((await other.depth("orders")).ready, 0, "both have the same file");
});

test("SqliteBackend notices a file that was replaced by another queue's", async () => {
  await using queue = new TestQueue();
  await using other = new TestQueue();
  await other.send([message(0)], "another key");
  await other.send([message(7)]);
  await other.driver.close();
  await queue.send([message(1)]);
  for (const name of readdirSync(queue.folder.path)) rmSync(queue.folder.file(name));
  writeFileSync(queue.path, readFileSync(other.path));
  await assert.rejects(queue.receive(), { code: "unavailable" });
  assert.deepEqual(await queue.take(), [7]);
});

test("refuseNetwork refuses file systems that other computers see, and no other", () => {
  const path = "/data/queue.db";
  const asked: string[] = [];
  const on = (type: number | undefined) => (folder: string) => {
    asked.push(folder);
    return type;
  };
  // As Linux numbers them, and as a runtime may read those of more than 31 bits.
  const network = [0x6969, 0x517b, 0xff534d42, 0xff534d42 | 0, 0xfe534d42 | 0, 0x00c36400, 0x5346414f, 0x0bd00bd0];
  for (const type of network) {
    assert.throws(() => refuseNetwork(path, on(type)), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(
        error.message,
        /^Cannot use \/data\/queue\.db: it is on a network file system \(\w+\), and all users/,
      );
      return true;
    });
  }
  // ext4, XFS, Btrfs, ZFS, tmpfs, overlayfs of a container, FUSE, and a runtime that does not tell.
  const local = [0xef53, 0x58465342, 0x9123683e | 0, 0x2fc12fc1, 0x01021994, 0x794c7630, 0x65735546, undefined];
  for (const type of local) refuseNetwork(path, on(type));
  assert.deepEqual(new Set(asked), new Set(["/data"]));
});

test("SqliteTransport opens nothing on a network file system", () => {
  using folder = new Folder();
  const options = { path: folder.file(), sync: "full", systemOf: () => 0x6969 } as const;
  assert.throws(() => new SqliteTransport(options).open(), /network file system \(NFS\)/);
  assert.deepEqual(readdirSync(folder.path), []);
});

test("fileSystemOf names the file system that a folder is on", () => {
  if (process.platform !== "linux") return;
  using folder = new Folder();
  assert.equal(typeof fileSystemOf(folder.path), "number");
  assert.equal(fileSystemOf("/proc"), 0x9fa0);
  assert.equal(fileSystemOf("/nowhere/at/all"), undefined);
});

test("HostNote refuses a file that another computer uses, until that is gone", () => {
  using folder = new Folder();
  let now = 1_000_000;
  const noteOf = (host: string) => new HostNote(folder.file(), host, () => now);
  const [ours, theirs] = [noteOf("a"), noteOf("b")];
  ours.check();
  assert.throws(() => theirs.check(), /another computer used it 0 s ago/);
  now += 30_000;
  ours.check();
  now += 59_999;
  assert.throws(() => theirs.check(), ConfigError);
  now += 1;
  theirs.check();
  assert.throws(() => ours.check(), ConfigError, "who comes back finds the other one");
  theirs.leave();
  ours.check();
});

test("HostNote overlooks what is no note", () => {
  using folder = new Folder();
  for (const text of ["", "{", "null", '{"host":7}', "[]"]) {
    writeFileSync(`${folder.file()}-host`, text);
    new HostNote(folder.file(), "a").check();
  }
});

test("SqliteBackend refuses a file that another computer uses", async () => {
  using folder = new Folder();
  new HostNote(folder.file(), "another computer").check();
  assert.match(refusal(folder.file()).message, /all users of a SQLite file must run on one/);
  await using backend = new SqliteBackend({ path: folder.file() });
  await assert.rejects(backend.publish("orders", { n: 1 }), { code: "config" });
});
