import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { openDatabase } from "../../backends/sqlite/database.ts";
import { Connection, Folder, message, NEVER, numbers } from "../integration/support/sqlite.ts";
import { ROOT } from "../runner/suites.ts";

/** A process of tests/e2e/support/sqlite_child.ts, with the lines that it writes. */
class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly lines: string[] = [];
  readonly ended: Promise<number | null>;
  readonly #waiting = new Map<string, () => void>();

  constructor(role: string, path: string, argument = "") {
    const args = ["run", "-A", "--no-check", "tests/e2e/support/sqlite_child.ts", role, path, argument];
    this.#process = spawn(Deno.execPath(), args, { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"] });
    this.ended = new Promise((resolve) => this.#process.once("close", resolve));
    createInterface({ input: this.#process.stdout! }).on("line", (line) => {
      this.lines.push(line);
      this.#waiting.get(line)?.();
    });
  }

  /** Resolves when it has written the line. */
  async line(text: string): Promise<void> {
    if (this.lines.includes(text)) return;
    await new Promise<void>((resolve) => this.#waiting.set(text, resolve));
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.#process.pid!, name); // child.kill() does nothing the second time
  }

  go(): void {
    this.#process.stdin!.write("go\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.signal("SIGKILL");
    await this.ended;
  }
}

/** Holds the tables against what must be true of them at any time. */
function assertSound(path: string, what: string): Record<string, unknown> {
  const db = new DatabaseSync(path);
  const one = (sql: string) => db.prepare(sql).get() as Record<string, unknown>;
  assert.equal(one("pragma integrity_check").integrity_check, "ok", what);
  const broken = {
    "lengths": "select count(*) as n from mq_queue q where length <> (select count(*) from mq_message where k = q.k) " +
      "+ (select count(*) from mq_scheduled where k = q.k)",
    "deliveries without a message":
      "select count(*) as n from mq_delivery where seq not in (select seq from mq_message)",
    "ordering keys without a head": "select count(*) as n from mq_delivery d where okey is not null and " +
      "(due = -1) <> exists (select 1 from mq_delivery p where p.g = d.g and p.okey = d.okey and p.seq < d.seq)",
    "messages that nobody needs": "select count(*) as n from mq_message m where only is null " +
      "and not exists (select 1 from mq_delivery d where d.seq = m.seq) " +
      "and exists (select 1 from mq_group) and not exists (select 1 from mq_group where cursor < m.seq)",
  };
  for (const [name, sql] of Object.entries(broken)) assert.equal(one(sql).n, 0, `${what}: ${name}`);
  const counts = one(
    "select (select count(*) from mq_id) as ids, (select count(*) from mq_dead) as dead, " +
      "(select count(*) from mq_message) + (select count(*) from mq_scheduled) as messages",
  );
  db.close();
  return counts;
}

test("SqlDriver leaves sound tables when it is killed before any statement", async () => {
  let finished = false;
  let deaths = 0;
  for (let n = 0; !finished; n++) {
    using folder = new Folder();
    await using child = new Child("die", folder.file(), String(n));
    finished = await child.ended === 0;
    if (!finished) deaths += 1;
    const last = child.lines.at(-1)!;
    const { ids, messages, dead } = assertSound(folder.file(), `killed at statement ${n}, after "${last}"`);
    const about = `killed at statement ${n}, after "${last}"`;
    if (last === "open") assert.ok(ids === 0 && messages === 0 || ids === 3 && messages === 3, about);
    else assert.equal(ids, 3, about);
    if (last === "sent") assert.ok(messages === 3 || messages === 5, about);
    if (last === "leased") assert.ok(messages === 5 && dead === 0 || messages === 3 && dead === 1, about);
    if (last === "settled") assert.ok(messages === 3 && dead === 1 || messages === 4 && dead === 0, about);
    const connection = new Connection({ path: folder.file() });
    assert.deepEqual(await connection.send([message(9)]), ["added"], about);
    await connection.driver.close();
  }
  assert.ok(deaths > 40, `only ${deaths} statements`);
});

test("SqlDriver refuses the ack of a process that was suspended past its lease", async () => {
  using folder = new Folder();
  const connection = new Connection({ path: folder.file() });
  await connection.send([message(1)]);
  await using child = new Child("hold", folder.file(), "1000");
  await child.line("leased");
  child.signal("SIGSTOP");
  const again = await connection.driver.receive!("slack_events", {
    group: "bots",
    max: 1,
    leaseMs: 60_000,
    waitMs: 60_000,
    signal: NEVER,
  });
  assert.deepEqual([numbers(again), again[0]?.attempts], [[1], 2]);
  child.signal("SIGCONT");
  child.go();
  await child.line("settled false");
  assert.deepEqual(await connection.settle(again), [true]);
  await connection.driver.close();
});

test("SqlDriver goes on when a process is killed that holds the lock", async () => {
  using folder = new Folder();
  const connection = new Connection({ path: folder.file() });
  await connection.send([message(1)]);
  await using child = new Child("lock", folder.file());
  await child.line("locked");
  await assert.rejects(connection.send([message(2)]), { code: "unavailable" });
  child.signal("SIGKILL");
  await child.ended;
  assert.deepEqual(await connection.send([message(2)]), ["added"]);
  assert.deepEqual(await connection.take(), [1, 2]);
  await connection.driver.close();
});

test("openDatabase migrates once when many processes start together", async () => {
  using folder = new Folder();
  openDatabase({ path: folder.file(), sync: "full" }).close();
  const children = Array.from({ length: 4 }, () => new Child("migrate", folder.file()));
  await Promise.all(children.map((child) => child.line("ready")));
  for (const child of children) child.go();
  assert.deepEqual(await Promise.all(children.map((child) => child.ended)), [0, 0, 0, 0]);
  for (const child of children) assert.deepEqual(child.lines, ["ready", "version 2"]);
  assert.ok(existsSync(folder.file("queue.db.version-1")));
});

test("openDatabase creates the tables once when many processes start together", async () => {
  using folder = new Folder();
  const children = Array.from({ length: 4 }, () => new Child("migrate", folder.file()));
  await Promise.all(children.map((child) => child.line("ready")));
  for (const child of children) child.go();
  assert.deepEqual(await Promise.all(children.map((child) => child.ended)), [0, 0, 0, 0]);
  assert.ok(!existsSync(folder.file("queue.db.version-1")), "there was nothing to copy");
});
