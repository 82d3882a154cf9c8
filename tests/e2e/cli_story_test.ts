// The operator's story, told by what an operator sees and does alone: log lines, HTTP, the command. The broker is away at
// the start, comes, is killed and comes back; a message cannot be read, an event is poison; dead letters are listed and
// replayed; the server stops.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { Folder } from "../integration/support/sqlite.ts";
import { requires } from "../runner/services.ts";
import { ROOT } from "../runner/suites.ts";
import { startRedis } from "../servers/redis_server.ts";
import { ServerProcess } from "../servers/server_process.ts";
import { runCli } from "./support/cli.ts";
import { RUNTIMES } from "./support/runtimes.ts";
import { metric, page, post, SECRET, TOKEN } from "./support/serving.ts";

const withRedis = requires("redis-server");
const CLI = join(ROOT, "cli/mod.ts");
const HANDLERS = join(ROOT, "tests/e2e/support/story_handlers.ts");
/** What no line and no output may hold. */
const MARK = "the-payload-of-nobody";
const PASSWORD = "password-of-redis-77";
const HIDDEN = [SECRET, TOKEN, PASSWORD, MARK];

/** A dead letter as `dead list --json` writes it. */
interface Letter {
  readonly id: string;
  readonly messageId: string;
  readonly attempts: number;
  readonly cause: { readonly name: string; readonly message: string };
  readonly readable: boolean;
}

/** The operator's command on one runtime, with all that it has written. */
function commandLine(program: readonly string[], env: Readonly<Record<string, string>>) {
  let written = "";
  async function cli(...args: string[]) {
    const result = await runCli(program, args, { env });
    written += result.out + result.err;
    return result;
  }
  async function letters(): Promise<Letter[]> {
    const { code, out, err } = await cli("dead", "list", "--json");
    assert.equal(code, 0, err);
    return out.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  }
  async function ready(): Promise<{ ready: number; dead: number }> {
    const { code, out, err } = await cli("depth", "--json");
    assert.equal(code, 0, err);
    return JSON.parse(out).groups[0];
  }
  return { cli, letters, ready, written: () => written };
}

/** Nothing that is secret, and no payload, in all that was written. */
function assertHidden(...texts: readonly string[]): void {
  for (const text of texts) for (const hidden of HIDDEN) assert.ok(!text.includes(hidden), `${hidden} in ${text}`);
}

/** Posts an event until it is answered 200, as Slack does. */
async function postUntilTaken(url: string, id: string, text?: string): Promise<void> {
  while (await post(url, id, text) !== 200);
}

for (const [name, program] of RUNTIMES) {
  withRedis(`The operator's story on ${name} over Redis`, async () => {
    using folder = new Folder();
    const repaired = join(folder.path, "repaired");
    await using redis = await startRedis({ appendonly: "always", requirepass: PASSWORD });
    const queue = { QUEUE_BACKEND: "redis", REDIS_URL: redis.url };
    const { cli, letters, ready, written } = commandLine(program, queue);

    // The broker is away.
    await redis.kill();
    const env = { ...queue, SLACK_SIGNING_SECRET: SECRET, METRICS_TOKEN: TOKEN, REPAIRED: repaired };
    const line = [CLI, "serve", "--handlers", HANDLERS, "--max-attempts", "2"];
    await using server = new ServerProcess(program, env, { line });
    const url = await server.url();
    const { level, error } = await server.line("the queue cannot be reached");
    assert.equal(level, "error");
    assert.match(JSON.stringify(error), /ECONNREFUSED/);
    assert.equal(await post(url, "Ev1"), 503);
    await server.line("event not confirmed by the queue: Slack was asked to send it again");
    assert.equal((await page(url, "/health")).status, 503);
    assert.equal(metric((await page(url, "/metrics")).text, "slack_queue_up"), 0);
    const away = await cli("depth");
    assert.equal(away.code, 1);
    assert.match(away.err, /^Cannot .*ECONNREFUSED.*\n$/);

    // It comes.
    await redis.restart();
    await server.line("the queue can be reached again");
    await postUntilTaken(url, "Ev1");
    await server.line("handled", ({ event_id }) => event_id === "Ev1");
    assert.equal((await page(url, "/health")).status, 200);

    // It is killed under the idle consumer, and comes back.
    await redis.kill();
    while (server.lines("the queue cannot be reached").length < 2) await server.next();
    await redis.restart();
    while (server.lines("the queue can be reached again").length < 2) await server.next();
    await postUntilTaken(url, "Ev2");
    await server.line("handled", ({ event_id }) => event_id === "Ev2");

    // Somebody puts into the stream what is no event.
    await redis.call("XADD", "slack_events", "*", "data", `no JSON: ${MARK}`);
    await server.line("message that cannot be read moved to the dead letters");

    // An event that the handlers cannot cope with.
    await postUntilTaken(url, "EvPoison", "poison");
    await server.line("event failed, to be tried again");
    const given = await server.line("event given up: moved to the dead letters");
    assert.equal(given.attempts, 2);
    assert.deepEqual(given.error, { name: "Error", message: "this bot cannot cope" });
    await postUntilTaken(url, "Ev3", MARK);
    await server.line("handled", ({ event_id }) => event_id === "Ev3");

    // What is dead, and why.
    const [unreadable, poison, ...more] = await letters();
    assert.deepEqual(more, []);
    assert.equal(unreadable!.readable, false);
    assert.match(unreadable!.cause.message, /not JSON/);
    assert.match(poison!.messageId, /^EvPoison:/);
    assert.equal(poison!.cause.message, "this bot cannot cope");
    assert.equal(poison!.attempts, 2);
    assert.match((await cli("dead", "list")).out, /EvPoison.*this bot cannot cope/);

    // The bot is repaired, and the event replayed.
    writeFileSync(repaired, "");
    assert.equal((await cli("replay", poison!.id)).code, 0);
    await server.line("handled", ({ event_id }) => event_id === "EvPoison");
    assert.deepEqual((await letters()).map(({ id }) => id), [unreadable!.id]);
    assert.equal((await cli("purge", unreadable!.id, "--yes")).code, 0);
    assert.equal((await ready()).dead, 0);
    const { text } = await page(url, "/metrics");
    assert.equal(metric(text, "slack_queue_dead_lettered_total"), 2);
    assert.equal(metric(text, "slack_queue_unreadable_total"), 1);
    assert.equal(metric(text, "slack_queue_disconnects_total"), 2);
    assert.equal(metric(text, "slack_queue_up"), 1);

    // It stops.
    server.kill("SIGTERM");
    assert.equal(await server.ended, 0);
    assert.deepEqual(server.lines("the queue cannot be reached").length, 2, "one line for each loss");
    assert.deepEqual(server.lines("the queue can be reached again").length, 2, "one line for each return");
    assert.equal(server.lines("handled").length, 4);
    assertHidden(server.stdout, server.stderr, written(), text);
  });

  test(`The operator's story on ${name} over SQLite`, async () => {
    using folder = new Folder();
    const repaired = join(folder.path, "repaired");
    const queue = { QUEUE_BACKEND: "sqlite", SQLITE_PATH: folder.file() };
    const { cli, letters, ready, written } = commandLine(program, queue);
    const env = { ...queue, SLACK_SIGNING_SECRET: SECRET, METRICS_TOKEN: TOKEN, REPAIRED: repaired };

    // The webhook alone: events wait. One of them is destroyed on the disk.
    await using webhook = new ServerProcess(program, env, { line: [CLI, "serve", "--webhook-only"] });
    const url = await webhook.url();
    for (const id of ["Ev1", "EvBroken", "EvPoison", "Ev2"]) {
      assert.equal(await post(url, id, id === "EvPoison" ? "poison" : MARK), 200);
    }
    assert.equal((await ready()).ready, 4);
    const database = new DatabaseSync(folder.file());
    database.prepare("update mq_message set body = ? where id like 'EvBroken%'").run(`no JSON: ${MARK}`);
    database.close();

    const line = [CLI, "serve", "--consume-only", "--handlers", HANDLERS, "--max-attempts", "2"];
    await using consumer = new ServerProcess(program, { ...env, PORT: "" }, { line });
    const unreadable = await consumer.line("message that cannot be read moved to the dead letters");
    assert.match(`${unreadable.id}`, /^EvBroken/);
    await consumer.line("event failed, to be tried again");
    await consumer.line("event given up: moved to the dead letters");
    for (const id of ["Ev1", "Ev2"]) await consumer.line("handled", ({ event_id }) => event_id === id);

    const dead = await letters();
    assert.deepEqual(dead.map(({ messageId }) => messageId.split(":")[0]).sort(), ["EvBroken", "EvPoison"]);
    const poison = dead.find(({ messageId }) => messageId.startsWith("EvPoison"))!;
    assert.equal(poison.cause.message, "this bot cannot cope");
    writeFileSync(repaired, "");
    assert.equal((await cli("replay", poison.id)).code, 0);
    await consumer.line("handled", ({ event_id }) => event_id === "EvPoison");
    assert.equal((await cli("purge", "--all", "--yes")).code, 0);
    assert.deepEqual(await letters(), []);
    const detail = JSON.parse((await page(url, "/health?detail")).text);
    assert.equal(detail.ok, true);

    for (const server of [webhook, consumer]) {
      server.kill("SIGTERM");
      assert.equal(await server.ended, 0);
      assertHidden(server.stdout, server.stderr);
    }
    assertHidden(written());
  });
}
