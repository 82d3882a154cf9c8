import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { DatabaseSync } from "node:sqlite";
import { SqliteBackend } from "../../backends/sqlite/mod.ts";
import { seededRandom } from "../../testing/random.ts";
import { Folder } from "../integration/support/sqlite.ts";
import { ROOT } from "../runner/suites.ts";
import { bunProgram } from "../runtimes/bun/program.ts";
import { nodeProgram } from "../runtimes/node/program.ts";

const MESSAGES = Number(Deno.env.get("SOAK_MESSAGES") ?? 20_000);
const KILLS = Number(Deno.env.get("SOAK_KILLS") ?? 20);
const KEYS = 1_000;
const WORKER = "tests/e2e/support/sqlite_worker.ts";

/** How a runtime runs a program. */
function runtimes(): (readonly [program: string, ...args: string[]])[] {
  const node = nodeProgram(`${ROOT}/tests`);
  return [
    [Deno.execPath(), "run", "-A", "--no-check"],
    [bunProgram(), "run"],
    ...node === undefined ? [] : [[node, "--no-warnings", "--import=./tests/runtimes/node/loader.mjs"] as const],
  ];
}

/** Processes that are started again when they are killed. */
class Workers implements AsyncDisposable {
  readonly #path: string;
  readonly #onLine: (line: string) => void;
  readonly #running = new Map<ChildProcess, () => void>();
  readonly #kinds = runtimes();
  #started = 0;

  constructor(path: string, onLine: (line: string) => void) {
    this.#path = path;
    this.#onLine = onLine;
  }

  /** Starts one on the next runtime. `again` tells its arguments each time that it starts. */
  start(again: () => readonly string[]): void {
    const [program, ...args] = this.#kinds[this.#started++ % this.#kinds.length]!;
    const [role = "", ...rest] = again();
    const child = spawn(program!, [...args, WORKER, role, this.#path, ...rest], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#running.set(child, () => this.start(again));
    child.once("exit", (code) => code === 0 && this.#running.delete(child));
    createInterface({ input: child.stdout! }).on("line", this.#onLine);
  }

  /** SIGKILL to one of them, chosen by the number from 0 to below 1; it is started again. */
  async kill(choice: number): Promise<void> {
    const child = [...this.#running.keys()][Math.floor(choice * this.#running.size)];
    if (child === undefined) return;
    const again = this.#running.get(child)!;
    await this.#end(child);
    again();
  }

  async #end(child: ChildProcess): Promise<void> {
    this.#running.delete(child);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#running.size > 0) await this.#end([...this.#running.keys()][0]!);
  }
}

/** One line of the consumers' common log, which has the order of all processes. */
interface Step {
  readonly what: string;
  readonly n: number;
  readonly pid: string;
}

function stepsOf(text: string): Step[] {
  return text.trim().split("\n").map((line) => {
    const [what = "", n, pid = ""] = line.split(" ");
    return { what, n: Number(n), pid };
  });
}

/**
 * How many handlers began while another message of their thread was in hand: its handler ran, and kept its lease to the
 * end. One whose process was killed has no end, and what a lost lease says is that another may have the message.
 */
function overlapsIn(steps: readonly Step[]): number {
  const running = new Map<number, Map<string, number>>();
  let overlaps = 0;
  for (const { what, n, pid } of steps) {
    const thread = n % KEYS;
    const handlers = running.get(thread) ?? new Map<string, number>();
    running.set(thread, handlers);
    const name = `${n} ${pid}`;
    if (what === "begin") {
      for (const [other, begun] of handlers) handlers.set(other, begun + 1);
      handlers.set(name, 0);
    } else {
      if (what === "end") overlaps += handlers.get(name) ?? 0;
      handlers.delete(name);
    }
  }
  return overlaps;
}

/** How many messages were first handled after a later one of their thread. Each publisher has its own half, in order. */
function inversionsIn(handled: readonly number[]): number {
  const seen = new Set<number>();
  const lastOf = new Map<string, number>();
  let inversions = 0;
  for (const n of handled) {
    if (seen.has(n)) continue;
    seen.add(n);
    const thread = `${n % KEYS} ${n < MESSAGES / 2}`;
    if ((lastOf.get(thread) ?? -1) > n) inversions += 1;
    lastOf.set(thread, n);
  }
  return inversions;
}

test("SqliteBackend loses nothing when processes on three runtimes are killed", async () => {
  using folder = new Folder();
  const path = folder.file();
  const seed = Number(Deno.env.get("SOAK_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]);
  const random = seededRandom(seed);
  const published = [0, MESSAGES / 2];
  const seen = new Uint16Array(MESSAGES);
  const { promise: allSeen, resolve } = Promise.withResolvers<void>();
  let [distinct, handled, kills] = [0, 0, 0];
  let disturbing = Promise.resolve();

  await using workers = new Workers(path, (line) => {
    const [what, number] = line.split(" ");
    const n = Number(number);
    if (what === "published") {
      published[n > MESSAGES / 2 ? 1 : 0] = n;
    } else if (what === "handled") {
      handled += 1;
      seen[n]! += 1;
      if (seen[n] === 1) distinct += 1;
      if (kills < KILLS && distinct / MESSAGES > (kills + 1) / (KILLS + 1)) {
        kills += 1;
        disturbing = disturbing.then(() => workers.kill(random.next()));
      }
      if (distinct === MESSAGES) resolve();
    }
  });
  // Where a publisher was killed it goes on after what it was told last: what it had sent by then comes as duplicates.
  for (const half of [0, 1]) {
    workers.start(() => ["publish", String(published[half]), String((half + 1) * MESSAGES / 2)]);
  }
  for (let i = 0; i < 4; i++) workers.start(() => ["consume"]);
  await allSeen;
  await disturbing;
  await workers[Symbol.asyncDispose]();

  const db = new DatabaseSync(path);
  assert.equal(db.prepare("pragma integrity_check").get()?.integrity_check, "ok");
  db.close();
  const steps = stepsOf(readFileSync(`${path}.handled`, "utf8"));
  const inversions = inversionsIn(steps.filter(({ what }) => what !== "begin").map(({ n }) => n));
  await using backend = new SqliteBackend({ path });
  const { ready, blocked, delayed, dead } = await backend.depth("slack_events");
  assert.deepEqual([delayed, dead, kills, inversions, overlapsIn(steps)], [0, 0, KILLS, 0, 0], `seed ${seed}`);
  console.log(
    `${MESSAGES} messages, each handled at least once, no inversion, no overlap; ${kills} processes killed, ` +
      `${handled - MESSAGES} duplicates, ${ready + blocked} handled and not acknowledged (seed ${seed})`,
  );
});
