// `move`, killed at random moments and started again, loses nothing, doubles nothing and keeps the order.
import assert from "node:assert/strict";
import { RedisBackend } from "../../backends/redis/mod.ts";
import { SqliteBackend } from "../../backends/sqlite/mod.ts";
import type { LeasingBackend } from "../../core/protocol.ts";
import { requires } from "../runner/services.ts";
import { CliProcess, runCli } from "./support/cli.ts";
import { QUEUES } from "./support/cli_queues.ts";
import { RUNTIMES } from "./support/runtimes.ts";

const test = requires("redis-server");
const KEY = "slack_events";
/** Kills of a move between two backends, in either direction, and of one within a backend: twenty in total. */
const KILLS = { between: 7, within: 6 } as const;

/** Publishes so many before each kill that there is something to move. */
const EACH = 400;

interface Handled {
  readonly n: number;
  readonly orderingKey: string | undefined;
}

/** Takes everything, in the order in which it comes. */
async function drain(backend: LeasingBackend, key: string): Promise<Handled[]> {
  const all: Handled[] = [];
  for (let before = -1; before < all.length;) {
    before = all.length;
    for await (const delivery of backend.receive(key, { stopWhenEmpty: true, maxPerOrderingKey: 100 })) {
      all.push({ n: Number(delivery.payload.n), orderingKey: delivery.orderingKey });
      await delivery.ack();
    }
  }
  return all;
}

/** The number of messages at the destination. */
async function arrived(backend: LeasingBackend, key: string): Promise<number> {
  const { ready, blocked } = await backend.depth(key);
  return ready + blocked;
}

/** Kills `move` again and again, in the middle of its work, while the source is published to. */
async function moveUnderFire(
  env: Readonly<Record<string, string>>,
  args: readonly string[],
  { kills, source, destination, toKey, orderingKey }: {
    readonly kills: number;
    readonly source: LeasingBackend;
    readonly destination: LeasingBackend;
    readonly toKey: string;
    orderingKey(n: number): string | undefined;
  },
): Promise<{ readonly published: number; readonly killed: number; readonly found: Handled[] }> {
  let published = 0;
  const publish = async (count: number) => {
    const messages = Array.from({ length: count }, () => {
      const n = published++;
      return { payload: { n }, id: `Ev${n}`, orderingKey: orderingKey(n) };
    });
    await source.publishBatch(KEY, messages);
  };
  let killed = 0;
  for (let kill = 0; kill < kills; kill++) {
    await publish(EACH);
    const before = await arrived(destination, toKey);
    const [, program] = RUNTIMES[kill % RUNTIMES.length]!;
    await using move = new CliProcess(program, ["move", ...args, "--lease", "1", "--yes"], { env });
    // Before it begins, in the middle, or at its end.
    const atLeast = before + Math.floor(Math.random() * EACH);
    // It publishes beside the move, but no more than there was: on a busy machine the move would never catch up.
    for (let more = EACH; !move.over && await arrived(destination, toKey) < atLeast; more -= 10) {
      if (more > 0) await publish(10);
      else await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 50));
    if (!move.over) killed++;
    move.kill("SIGKILL");
    await move.ended;
  }
  const [, program] = RUNTIMES[0]!;
  const { code, out, err } = await runCli(program, ["move", ...args, "--lease", "1", "--yes", "--json"], { env });
  assert.equal(code, 0, err);
  assert.deepEqual(JSON.parse(out).left, { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 });
  return { published, killed, found: await drain(destination, toKey) };
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

for (const [from, to] of [["sqlite", "redis"], ["redis", "sqlite"]] as const) {
  test(`move from ${from} to ${to}, killed seven times, loses nothing and keeps the order`, async () => {
    await using sqlite = await QUEUES.sqlite!.start();
    await using redis = await QUEUES.redis!.start();
    const env = { ...sqlite.env, ...redis.env, QUEUE_BACKEND: from };
    await using file = new SqliteBackend({ path: sqlite.env.SQLITE_PATH!, maxRetries: 100, timeoutMs: 60_000 });
    await using server = new RedisBackend({ url: redis.env.REDIS_URL! });
    const [source, destination] = from === "sqlite" ? [file, server] : [server, file];
    const ends = { kills: KILLS.between, source, destination, toKey: KEY, orderingKey: () => undefined };
    const { published, killed, found } = await moveUnderFire(env, ["--from", from, "--to", to], ends);
    assert.ok(killed >= KILLS.between / 2, `${killed} were killed before they were done`);
    assert.deepEqual(found.map(({ n }) => n), upTo(published));
  });
}

test("move with ordering keys, killed six times, keeps each conversation in order", async () => {
  await using sqlite = await QUEUES.sqlite!.start();
  await using backend = new SqliteBackend({ path: sqlite.env.SQLITE_PATH!, maxRetries: 100, timeoutMs: 60_000 });
  const ends = {
    kills: KILLS.within,
    source: backend,
    destination: backend,
    toKey: "other",
    orderingKey: (n: number) => `C${n % 7}`,
  };
  const args = ["--from", "sqlite", "--to", "sqlite", "--to-key", "other"];
  const { published, killed, found } = await moveUnderFire(sqlite.env, args, ends);
  assert.ok(killed >= KILLS.within / 2, `${killed} were killed before they were done`);
  assert.deepEqual(found.map(({ n }) => n).sort((a, b) => a - b), upTo(published));
  for (const key of upTo(7).map((n) => `C${n}`)) {
    const ns = found.filter(({ orderingKey }) => orderingKey === key).map(({ n }) => n);
    assert.deepEqual(ns, ns.toSorted((a, b) => a - b), key);
    assert.ok(ns.length > 0);
  }
});
