// What `serve` can be told: the two halves apart, the handlers of a module, .env files, the queue where none is named.
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import parser from "parse-prometheus-text-format";
import { Folder } from "../integration/support/sqlite.ts";
import { ROOT } from "../runner/suites.ts";
import { ServerProcess } from "../servers/server_process.ts";
import { RUNTIMES } from "./support/runtimes.ts";
import { metric, page, post, postSlowly, SECRET, TOKEN } from "./support/serving.ts";

/** A family of metrics as the parser returns it. */
interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly metrics: readonly {
    readonly labels?: Readonly<Record<string, string>>;
    readonly value?: string;
    readonly count?: string;
    readonly buckets?: Readonly<Record<string, string>>;
  }[];
}

const parse: (text: string) => readonly Family[] = parser;
const CLI = join(ROOT, "cli/mod.ts");
const secret = { SLACK_SIGNING_SECRET: SECRET };

for (const [name, runtime] of RUNTIMES) {
  test(`serve on ${name}: webhook and consumer in two processes over one file`, async () => {
    using folder = new Folder();
    const env = { QUEUE_BACKEND: "sqlite", SQLITE_PATH: folder.file(), METRICS_TOKEN: TOKEN };
    await using webhook = new ServerProcess(runtime, { ...env, ...secret }, { line: [CLI, "serve", "--webhook-only"] });
    const url = await webhook.url();
    await webhook.line("only the webhook runs");
    for (let n = 0; n < 5; n++) assert.equal(await post(url, `Ev${n}`), 200);

    // No Signing Secret, and no port: it listens nowhere.
    const line = [CLI, "serve", "--consume-only"];
    await using consumer = new ServerProcess(runtime, { ...env, PORT: "" }, { line });
    for (let n = 0; n < 5; n++) await consumer.line("event handled", ({ event_id }) => event_id === `Ev${n}`);
    await consumer.line("only the consumer runs");
    assert.equal(consumer.lines("listening").length, 0);
    consumer.kill("SIGTERM");
    assert.equal(await consumer.ended, 0);

    // With a port: health and metrics, and no webhook.
    await using second = new ServerProcess(runtime, env, { line });
    const own = await second.url();
    assert.equal(await post(url, "EvLast"), 200);
    await second.line("event handled", ({ event_id }) => event_id === "EvLast");
    assert.equal((await fetch(`${own}/health`)).status, 200);
    assert.equal(await post(own, "EvWrong"), 404);
    // The line is written before the acknowledgement: another scrape may be needed.
    while (metric((await page(own, "/metrics")).text, "slack_queue_acked_total") !== 1);
    assert.equal(metric((await page(url, "/metrics")).text, "slack_queue_published_total"), 6);
    assert.equal(webhook.lines("event handled").length, 0, "the webhook consumes nothing");
    for (const server of [webhook, second]) {
      server.kill("SIGTERM");
      assert.equal(await server.ended, 0, server.stderr);
    }
  });

  test(`serve on ${name}: without QUEUE_BACKEND it is sqlite in the folder, and says so`, async () => {
    using folder = new Folder();
    const cwd = folder.path;
    await using server = new ServerProcess(runtime, { ...secret, QUEUE_BACKEND: "" }, { cwd, line: [CLI, "serve"] });
    const url = await server.url();
    assert.equal(await post(url, "Ev1"), 200);
    await server.line("event handled");
    assert.equal(server.lines("QUEUE_BACKEND is not set: using sqlite, in queue.db of this folder").length, 1);
    assert.ok(existsSync(join(cwd, "queue.db")));
    server.kill("SIGTERM");
    assert.equal(await server.ended, 0);
  });

  test(`serve on ${name}: .env as the runtime loads it`, async () => {
    using folder = new Folder();
    const cwd = folder.path;
    const lines = { ...secret, QUEUE_BACKEND: "sqlite", SQLITE_PATH: "of-env.db", SLACK_EVENTS_TOPIC: "of_env" };
    writeFileSync(join(cwd, ".env"), Object.entries(lines).map((line) => `${line.join("=")}\n`).join(""));
    const flag = name === "Bun" ? [] : ["--env-file=.env"];
    await using server = new ServerProcess([...runtime, ...flag], {}, { cwd, line: [CLI, "serve"] });
    const { key } = await server.line("listening");
    assert.equal(key, "of_env");
    assert.ok(existsSync(join(cwd, "of-env.db")));
    server.kill("SIGTERM");
    assert.equal(await server.ended, 0);
  });

  test(`serve on ${name}: SIGTERM finishes what runs, and gives the rest back uncounted`, async () => {
    using folder = new Folder();
    const gate = join(folder.path, "gate");
    const handlers = join(folder.path, "handlers.ts");
    writeFileSync(
      handlers,
      `import { existsSync } from "node:fs";
      const log = (message: string, id: string, attempts: number) =>
        console.log(JSON.stringify({ level: "info", message, id: id.split(":")[0], attempts }));
      export async function handler({ id, attempts }: { id: string; attempts: number }): Promise<void> {
        log("begun", id, attempts);
        while (!existsSync(${JSON.stringify(gate)})) await new Promise((resolve) => setTimeout(resolve, 20));
        log("done", id, attempts);
      }`,
    );
    const env = { ...secret, QUEUE_BACKEND: "sqlite", SQLITE_PATH: folder.file() };
    const line = [CLI, "serve", "--handlers", handlers, "--concurrency", "2"];
    await using first = new ServerProcess(runtime, env, { line });
    const url = await first.url();
    for (let n = 0; n < 10; n++) assert.equal(await post(url, `Ev${n}`), 200);
    while (first.lines("begun").length < 2) await first.line("begun", ({ id }) => id !== first.lines("begun")[0]?.id);
    await using slow = await postSlowly(url, "EvSlow");
    first.kill("SIGTERM");
    await first.line("stopping");
    writeFileSync(gate, "");
    while (first.lines("done").length < 2) await first.next();
    const slowStatus = await slow.finish();
    assert.equal(await first.ended, 0);
    const done = first.lines("done").map(({ id }) => id);
    assert.deepEqual(done.sort(), first.lines("begun").map(({ id }) => id).sort(), "what runs is finished");
    assert.equal(done.length, 2, "nothing is begun after the signal, also while a request is under way");

    await using second = new ServerProcess(runtime, env, { line });
    const left = Array.from({ length: 10 }, (_, n) => `Ev${n}`).filter((id) => !done.includes(id));
    if (slowStatus === 200) left.push("EvSlow"); // else the machine was too busy for the body's last byte
    for (const id of left) {
      assert.equal((await second.line("done", (line) => line.id === id)).attempts, 1, "given back, uncounted");
    }
    const handled = second.lines("done").map(({ id }) => id);
    assert.equal(new Set([...done, ...handled]).size, done.length + handled.length, "nothing comes twice");
    second.kill("SIGTERM");
    assert.equal(await second.ended, 0);
  });

  test(`serve on ${name}: a second signal ends it at once`, async () => {
    using folder = new Folder();
    const handlers = join(folder.path, "handlers.ts");
    writeFileSync(
      handlers,
      `export default async () => {
        console.log(JSON.stringify({ level: "info", message: "begun" }));
        await new Promise((resolve) => setTimeout(resolve, 600_000));
      };`,
    );
    const line = [CLI, "serve", "--handlers", handlers];
    await using server = new ServerProcess(runtime, { ...secret, QUEUE_BACKEND: "memory" }, { line });
    assert.equal(await post(await server.url(), "Ev1"), 200);
    await server.line("begun");
    server.kill("SIGTERM");
    await server.line("stopping");
    server.kill("SIGTERM");
    assert.equal(await server.ended, 1);
  });
}

const runtime = RUNTIMES[0]![1];
const memory = { ...secret, QUEUE_BACKEND: "memory" };
const wrong: readonly (readonly [args: readonly string[], code: number, sentence: RegExp, env?: object])[] = [
  [["--webhook-only", "--consume-only"], 2, /^--webhook-only and --consume-only exclude each other\n$/],
  [["--webhook-only", "--handlers", "x.ts"], 2, /^--webhook-only runs no handlers: drop --handlers\n$/],
  [["--port", "70000"], 2, /^--port must be a whole number from 0 to 65535, found "70000"\n$/],
  [["--concurrency", "0"], 2, /^--concurrency must be a whole number of at least 1, found "0"\n$/],
  [["--handler-timeout", "soon"], 2, /^--handler-timeout must be a number of at least 0.001, found "soon"\n$/],
  [["--handlers", "absent.ts"], 1, /^Cannot import --handlers absent\.ts: .*\n/],
  [["--handlers", CLI], 1, /^Cannot use --handlers .*mod\.ts: it must export .*, found only run\n$/],
  [
    ["--webhook-only"],
    1,
    /QUEUE_BACKEND must be a queue outside of this process, found memory: .* nobody could consume/,
  ],
  [
    ["--consume-only"],
    1,
    /QUEUE_BACKEND must be a queue outside of this process, found memory: .* nobody could publish/,
  ],
  [[], 1, /^METRICS_TOKEN must have at least 16 characters, /, { METRICS_TOKEN: "hunter2" }],
  [[], 1, /^METRICS_TOKN is not a variable that is read: did you mean METRICS_TOKEN\?\n$/, { METRICS_TOKN: TOKEN }],
];
for (const [args, code, sentence, env] of wrong) {
  test(`serve ${args.map((arg) => arg.replace(ROOT, ".")).join(" ")}${Object.keys(env ?? {})}: exit code ${code}`, async () => {
    await using server = new ServerProcess(runtime, { ...memory, ...env }, { line: [CLI, "serve", ...args] });
    assert.equal(await server.ended, code, server.stderr);
    assert.match(server.stderr, sentence);
    assert.doesNotMatch(server.stderr, /^\s+at /m, "no stack");
    for (const hidden of [SECRET, TOKEN, "hunter2"]) assert.ok(!server.stderr.includes(hidden));
  });
}

test("serve: a scrape is what Prometheus reads, and strangers make no labels", async () => {
  using folder = new Folder();
  const handlers = join(ROOT, "tests/e2e/support/story_handlers.ts");
  const env = { ...secret, QUEUE_BACKEND: "sqlite", SQLITE_PATH: folder.file(), METRICS_TOKEN: TOKEN };
  const line = [CLI, "serve", "--handlers", handlers, "--max-attempts", "1"];
  await using server = new ServerProcess(runtime, env, { line });
  const url = await server.url();
  for (let n = 0; n < 30; n++) {
    assert.equal(await post(url, `Ev${n}`, n % 10 === 0 ? "poison" : "hello"), 200);
    assert.equal(await post(url, `EvForged${n}`, "x", `secret${n}`), 401);
    await (await fetch(`${url}/path${n}?key=k${n}`, { headers: { "x-slack-retry-reason": `reason ${n}` } })).text();
  }
  await server.line("handled", ({ event_id }) => event_id === "Ev29");
  let text = "";
  while (metric(text, "slack_queue_acked_total") !== 27 || metric(text, "slack_queue_dead_lettered_total") !== 3) {
    text = (await page(url, "/metrics")).text;
  }
  const families = new Map(parse(text).map((family) => [family.name, family]));
  const types = Object.fromEntries(Array.from(families.values(), ({ name, type }) => [name, type]));
  assert.equal(types.slack_queue_published_total, "COUNTER");
  assert.equal(types.slack_queue_messages, "GAUGE");
  assert.equal(types.slack_queue_handling_duration_seconds, "HISTOGRAM");
  for (const family of families.values()) assert.ok(family.help.length > 10, family.name);
  const byOutcome = families.get("slack_queue_requests_total")!.metrics.map(({ labels, value }) => [labels, value]);
  assert.deepEqual(byOutcome, [
    [{ outcome: "accepted" }, "30"],
    [{ outcome: "unauthorized" }, "30"],
    [{ outcome: "notFound" }, "30"],
  ]);
  const bucketsOf = (name: string) =>
    Object.entries(families.get(name)!.metrics[0]!.buckets!)
      .toSorted(([a], [b]) => Number(a.replace("+Inf", "Infinity")) - Number(b.replace("+Inf", "Infinity")))
      .map(([, count]) => Number(count));
  const [handled, answered] = ["handling", "request"].map((of) => bucketsOf(`slack_queue_${of}_duration_seconds`));
  assert.equal(handled!.at(-1), 30);
  assert.equal(answered!.at(-1), 90);
  for (const buckets of [handled!, answered!]) {
    assert.deepEqual(buckets, buckets.toSorted((a, b) => a - b), "cumulative");
  }
  assert.equal(families.get("slack_queue_request_duration_seconds")!.metrics[0]!.count, "90");
  assert.equal(metric(text, "slack_queue_up"), 1);
  const series = parse(text).flatMap(({ metrics }) => metrics).length;
  assert.ok(series < 30, `${series} series`);
  assert.ok(!/Ev\d|reason \d|path\d|hello|poison/.test(text), "no id, no payload, nothing of a stranger");
  const detail = JSON.parse((await page(url, "/health?detail")).text);
  assert.equal(detail.ok, true);
  assert.equal(detail.depth.dead, 3);
  assert.equal((await page(url, "/metrics", "another token of 32 characters..")).status, 401);
  assert.equal((await page(url, "/health?detail", "")).status, 401);
  server.kill("SIGTERM");
  assert.equal(await server.ended, 0);
});
