/**
 * SQLite: what the backend costs beside raw inserts and beside plainjob, a job queue on SQLite, on files of the same
 * disk; what a long backlog costs; how soon another process wakes a consumer, and the CPU time of a consumer that waits.
 *
 * Every pair is measured in turns, several times, and the best of each counts: other work of the machine only makes a
 * turn slower. `deno task bench sqlite` runs it.
 *
 * @module
 */
import { better, type Connection, defineQueue, defineWorker } from "plainjob";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { SqliteBackend } from "@slack-mcp/queue/sqlite";
import { type Rate, Report } from "./report.ts";

const BATCH = 100;
const KEY = "slack_events";
const text = "<@U0LAN0Z89> is it everything a river should be? ".repeat(20);
const payload = {
  token: "x",
  team_id: "T1",
  event: { type: "app_mention", user: "U061F7AUR", text, ts: "1515449522.000016", channel: "C123ABC456" },
  type: "event_callback",
  event_id: "Ev123ABC456",
};

const folder = mkdtempSync(join(tmpdir(), "queue-bench-"));
let files = 0;
const file = () => join(folder, `${files++}.db`);

/** Returns the messages a second of a run. */
async function rate(count: number, work: () => unknown): Promise<number> {
  const startedAt = performance.now();
  await work();
  return count / (performance.now() - startedAt) * 1_000;
}

/** A transaction of plain inserts for each batch, synced as the backend does it. */
const raw: Rate = async (count) => {
  const db = new DatabaseSync(file());
  db.exec("pragma journal_mode = wal; pragma synchronous = full; create table t (id integer primary key, body text)");
  const [begin, insert, commit] = ["begin", "insert into t (body) values (?)", "commit"].map((sql) => db.prepare(sql));
  const perSecond = await rate(count, () => {
    for (let i = 0; i < count; i += BATCH) {
      begin!.run();
      for (let n = 0; n < BATCH; n++) insert!.run(JSON.stringify(payload));
      commit!.run();
    }
  });
  db.close();
  return perSecond;
};

function messages(keys: number): { payload: typeof payload; orderingKey?: string }[] {
  return Array.from({ length: BATCH }, (_, n) => ({ payload, ...keys > 0 && { orderingKey: `thread ${n % keys}` } }));
}

async function fill(backend: SqliteBackend, count: number, keys = 0): Promise<void> {
  for (let i = 0; i < count; i += BATCH) {
    const batch = keys === 0
      ? messages(0)
      : messages(BATCH).map((message, n) => ({ ...message, orderingKey: `thread ${(i + n) % keys}` }));
    await backend.publishBatch(KEY, batch);
  }
}

const publish: Rate = async (count) => {
  await using backend = new SqliteBackend({ path: file() });
  await fill(backend, BATCH);
  return await rate(count, () => fill(backend, count));
};

async function drain(backend: SqliteBackend, count: number): Promise<void> {
  let seen = 0;
  for await (const _ of backend.consume(KEY, { prefetch: 500 })) if (++seen === count) break;
}

const consume: Rate = async (count) => {
  await using backend = new SqliteBackend({ path: file() });
  await fill(backend, count);
  return await rate(count, () => drain(backend, count));
};

/** Publishes and consumes. Without syncs the work alone is compared, and not how long the disk takes. */
function flow(keys: number, sync: "full" | "normal"): Rate {
  return async (count) => {
    await using backend = new SqliteBackend({ path: file(), sync });
    return await rate(count, async () => {
      await fill(backend, count, keys);
      await drain(backend, count);
    });
  };
}

const silent = { info() {}, warn() {}, error() {}, debug() {} };

/** plainjob knows better-sqlite3, whose few methods that it calls are these. */
function connection(db: DatabaseSync, path: string): Connection {
  return better(
    {
      name: path,
      pragma: (sql: string) => db.exec(`pragma ${sql}`),
      exec: (sql: string) => db.exec(sql),
      prepare: (sql: string) => db.prepare(sql),
      transaction: (fn: (...args: unknown[]) => unknown) => {
        const run = (...args: unknown[]) => {
          db.exec("begin immediate");
          try {
            return fn(...args);
          } finally {
            db.exec("commit");
          }
        };
        return Object.assign(run, { immediate: run });
      },
      close: () => db.close(),
    } as unknown as Parameters<typeof better>[0],
  );
}

const plainjobConsume: Rate = async (count) => {
  const path = file();
  const queue = defineQueue({ connection: connection(new DatabaseSync(path), path), logger: silent });
  for (let i = 0; i < count; i += BATCH) queue.addMany("event", Array.from({ length: BATCH }, () => payload));
  const { promise, resolve } = Promise.withResolvers<void>();
  let seen = 0;
  const handle = () => {
    if (++seen === count) resolve();
    return Promise.resolve();
  };
  const worker = defineWorker("event", handle, { queue, logger: silent });
  const perSecond = await rate(count, () => {
    worker.start();
    return promise;
  });
  await worker.stop();
  queue.close();
  return perSecond;
};

/** Returns the milliseconds for a batch that is published, synced and consumed while `backlog` others wait. */
async function withBacklog(backlog: number): Promise<number> {
  await using backend = new SqliteBackend({ path: file() });
  for (let i = 0; i < backlog; i += 1_000) {
    await backend.publishBatch(KEY, Array.from({ length: 1_000 }, () => ({ payload: { n: i } })));
  }
  const consumer = backend.consume(KEY, { prefetch: BATCH });
  await consumer.next();
  let best = Infinity;
  for (let round = 0; round < 5; round++) {
    const startedAt = performance.now();
    for (let i = 0; i < 20; i++) {
      await backend.publishBatch(KEY, messages(0));
      for (let n = 0; n < BATCH; n++) await consumer.next();
    }
    best = Math.min(best, (performance.now() - startedAt) / 20);
  }
  await consumer.return?.();
  return best;
}

/** A process that does something to a file until it is told to stop. */
function child(role: string, path: string): Deno.ChildProcess {
  const script = new URL("sqlite_bench_child.ts", import.meta.url).pathname;
  const args = ["run", "-A", "--no-check", "-c", new URL("deno.json", import.meta.url).pathname, script, role, path];
  return new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" }).spawn();
}

/** Milliseconds from another process's publish to this one's handler, and the share of the CPU that waiting takes. */
async function wakeUps(count: number): Promise<{ p50: number; p95: number; idle: number }> {
  const path = file();
  await using backend = new SqliteBackend({ path });
  const reader = backend.receive(KEY);
  const waiting = reader.next();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const [before, startedAt] = [process.cpuUsage(), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  const { user, system } = process.cpuUsage(before);
  const idle = (user + system) / 1_000 / (performance.now() - startedAt);
  const publisher = child("publish", path);
  const late: number[] = [];
  for (let step = await waiting; late.length < count; step = await reader.next()) {
    late.push(performance.timeOrigin + performance.now() - Number(step.value.payload.at));
    await step.value.ack();
  }
  publisher.kill("SIGKILL");
  await publisher.status;
  await reader.return?.();
  late.sort((a, b) => a - b);
  return { p50: late[Math.floor(count / 2)]!, p95: late[Math.floor(count * 0.95)]!, idle };
}

/** The longest that the event loop of this process stood still during some work. */
async function heldDuring(work: () => Promise<void>): Promise<number> {
  let hold = 0;
  let last = performance.now();
  let running = true;
  const looking = (async () => {
    while (running) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      hold = Math.max(hold, performance.now() - last);
      last = performance.now();
    }
  })();
  await work();
  running = false;
  await looking;
  return hold;
}

/**
 * How long the event loop is held while this process publishes and two others write and sync as fast as they can, beside
 * how long the machine holds it while the others write alone. This process does not wait for the disk: what counts is
 * the lock. With `sync: "full"` its own commits hold the event loop for as long as the disk takes.
 */
async function longestHold(forMs: number): Promise<{ idle: number; hold: number; failed: number; published: number }> {
  const path = file();
  await using backend = new SqliteBackend({ path, sync: "normal" });
  await backend.publish(KEY, payload);
  const writers = [child("write", path), child("write", path)];
  let [failed, published] = [0, 0];
  const idle = await heldDuring(() => new Promise((resolve) => setTimeout(resolve, forMs)));
  const hold = await heldDuring(async () => {
    const endsAt = performance.now() + forMs;
    while (performance.now() < endsAt) await backend.publish(KEY, payload).then(() => published++, () => failed++);
  });
  for (const writer of writers) {
    writer.kill("SIGKILL");
    await writer.status;
  }
  return { idle, hold, failed, published };
}

const report = new Report(58, 8);
try {
  await report.compare("publishBatch of 100, synced / raw inserts", [publish, 20_000], [raw, 20_000], 0.25);
  await report.compare("consume + ack, synced / a plainjob worker", [consume, 20_000], [plainjobConsume, 5_000], 3);
  for (const [sync, name] of [["full", "synced"], ["normal", "not synced"]] as const) {
    const [some, none] = [flow(500, sync), flow(0, sync)];
    await report.compare(`publish + consume, ${name}, 500 ordering keys / none`, [some, 20_000], [none, 20_000], 0.8);
  }
  const [few, many] = [await withBacklog(1_000), await withBacklog(1_000_000)];
  const growth = `${(many / few).toFixed(2)}× (${many.toFixed(2)} ms a batch)`;
  report.row("time of a batch, synced: 10⁶ waiting / 10³ waiting", growth, "≤ 1.5×", many / few <= 1.5);
  const { p50, p95, idle } = await wakeUps(200);
  report.row(
    "wake-up by another process, p95",
    `${p95.toFixed(1)} ms (p50 ${p50.toFixed(1)} ms)`,
    "≤ 20 ms",
    p95 <= 20,
  );
  report.row("CPU of a consumer that waits", `${(idle * 100).toFixed(2)} %`, "≤ 0.2 %", idle <= 0.002);
  const { idle: alone, hold, failed, published } = await longestHold(5_000);
  const held = `${hold.toFixed(0)} ms, ${alone.toFixed(0)} by the machine (${published} publishes, ${failed} refused)`;
  report.row("event loop held, two other writers", held, "≤ +100 ms", hold - alone <= 100);
} finally {
  rmSync(folder, { recursive: true });
}
Deno.exit(report.missed ? 1 : 0);
