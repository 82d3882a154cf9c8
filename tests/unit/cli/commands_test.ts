// not on workerd: a command runs where there is a process
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { SqliteBackend } from "../../../backends/sqlite/mod.ts";
import { run } from "../../../cli/mod.ts";
import type { LeasingBackend } from "../../../core/protocol.ts";
import { createSlackReceiver } from "../../../slack/mod.ts";
import { type CliIo, cliIo, type CliIoOptions } from "../../doubles/cli_io.ts";

const MARKER = "correct-horse-battery-staple";
const folder = mkdtempSync(join(tmpdir(), "queue-cli-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

/** A queue in a file of its own, and commands over it. */
function setUp() {
  const path = join(folder, `${++files}.db`);
  const env = { QUEUE_BACKEND: "sqlite", SQLITE_PATH: path };
  const backend: LeasingBackend = new SqliteBackend({ path, closeDeadlineMs: 0 });
  const cli = async (args: readonly string[], options: CliIoOptions = {}): Promise<{ code: number; io: CliIo }> => {
    const io = cliIo({ ...options, env: { ...env, ...options.env } });
    return { code: await run(args, io), io };
  };
  /** Runs a command that must end well; returns the JSON that it writes, one value for each line. */
  const json = async (...args: string[]) => {
    const { code, io } = await cli([...args, "--json"]);
    assert.equal(code, 0, io.err);
    return io.out.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  };
  return { path, env, backend, cli, json };
}

async function buryAll(backend: LeasingBackend, key = "slack_events"): Promise<void> {
  for await (const delivery of backend.receive(key, { stopWhenEmpty: true })) {
    await delivery.deadLetter(new TypeError("no such channel"));
  }
}

test("depth counts each group with its lag and its oldest, for people and as JSON", async () => {
  const { backend, cli, json } = setUp();
  for (const n of [1, 2]) await backend.publish("slack_events", { n }, { orderingKey: "C1" });
  const deliveries = backend.receive("slack_events", { group: "bots" });
  await (await deliveries.next()).value!.ack();
  await deliveries.return!();
  for await (const _ of backend.receive("slack_events", { group: "audit" })) break;
  const [document] = await json("depth");
  const counts = { inFlight: 0, delayed: 0, dead: 0 };
  const groups = document.groups.map(({ oldest, ...rest }: { oldest: string }) => [typeof oldest, rest]);
  assert.deepEqual(groups, [
    ["string", { group: "audit", ready: 0, ...counts, inFlight: 1, blocked: 0, lag: 0 }],
    ["string", { group: "bots", ready: 1, ...counts, blocked: 0, lag: 1 }],
  ]);
  const { io } = await cli(["depth", "--group", "bots"]);
  assert.match(
    io.out,
    /^group +ready +in flight +delayed +blocked +dead +lag +oldest\nbots +1 +0 +0 +0 +0 +1 +\d+ s\n$/,
  );
  assert.deepEqual((await json("depth", "--key", "unused"))[0].groups[0].ready, 0);
  await backend.close();
});

test("depth --watch counts again until it is interrupted", async () => {
  const { backend, env } = setUp();
  await backend.publish("slack_events", {});
  const stop = new AbortController();
  const io = cliIo({ env, signal: stop.signal });
  const running = run(["depth", "--watch", "--interval", "0.1", "--json"], io);
  await io.shown('"ready":1');
  await backend.publish("slack_events", {});
  await io.shown('"ready":2');
  stop.abort();
  assert.equal(await running, 0);
  await backend.close();
});

test("keys names each key, one in a line", async () => {
  const { backend, cli, json } = setUp();
  for (const key of ["slack_events", "zwölf \u001b[2J"]) await backend.publish(key, {});
  assert.deepEqual(await json("keys"), [{ key: "slack_events" }, { key: "zwölf \u001b[2J" }]);
  assert.equal((await cli(["keys"])).io.out, "slack_events\nzwölf  [2J\n");
  await backend.close();
});

test("peek and tail hide payloads and headers unless they are asked for", async () => {
  const { backend, cli, json, env } = setUp();
  await backend.publish("slack_events", { text: MARKER }, { id: "Ev1", headers: { trace: MARKER } });
  for (const args of [["peek"], ["peek", "--json"]]) {
    const { code, io } = await cli(args);
    assert.equal(code, 0);
    assert.match(io.out, /Ev1/);
    assert.doesNotMatch(io.out + io.err, new RegExp(MARKER));
  }
  assert.deepEqual((await json("peek", "--payload"))[0].payload, { text: MARKER });
  assert.match((await cli(["peek", "--payload"])).io.out, new RegExp(`ready.*"text":"${MARKER}"`));
  for (const [flags, hidden] of [[[], true], [["--payload"], false]] as const) {
    const stop = new AbortController();
    const io = cliIo({ env, signal: stop.signal });
    const running = run(["tail", "--backlog", "--interval", "0.05", ...flags], io);
    await io.shown("Ev1");
    stop.abort();
    assert.equal(await running, 0);
    assert.equal(io.out.includes(MARKER), !hidden);
  }
  assert.equal((await backend.receive("slack_events").next()).value?.attempts, 1);
  await backend.close();
});

test("tail shows only what comes, once each, and joins no group", async () => {
  const { backend, env } = setUp();
  await backend.publish("slack_events", { n: 0 }, { id: "Ev0" });
  const stop = new AbortController();
  const io = cliIo({ env, signal: stop.signal });
  const running = run(["tail", "--interval", "0.05", "--json", "--group", "onlooker"], io);
  for (let n = 1; !io.out.includes("Ev1"); n++) {
    // Until the first look is over, what is published is backlog.
    await backend.publish("slack_events", { n }, { id: n === 1 ? "Ev00" : `Ev1${n}` });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await backend.publish("slack_events", { n: -1 }, { id: "Ev9" });
  await io.shown("Ev9");
  stop.abort();
  assert.equal(await running, 0);
  const ids = io.out.trim().split("\n").map((line) => JSON.parse(line).id);
  assert.equal(new Set(ids).size, ids.length);
  assert.ok(!ids.includes("Ev0"));
  assert.deepEqual(await backend.inspect!.groups("slack_events"), []);
  await backend.close();
});

test("dead list and dead show tell all but payloads; an id that is none is exit code 1", async () => {
  const { backend, cli, json } = setUp();
  await backend.publish("slack_events", { text: MARKER }, { id: "Ev1", headers: { trace: MARKER } });
  await buryAll(backend);
  const [letter] = await json("dead", "list");
  assert.deepEqual([letter.messageId, letter.cause, letter.attempts], [
    "Ev1",
    { name: "TypeError", message: "no such channel" },
    1,
  ]);
  for (const args of [["dead", "list"], ["dead", "list", "--json"], ["dead", "show", letter.id]]) {
    const { code, io } = await cli(args);
    assert.equal(code, 0);
    assert.match(io.out, /no such channel/);
    assert.doesNotMatch(io.out + io.err, new RegExp(MARKER));
  }
  const whole = (await cli(["dead", "show", letter.id, "--payload"])).io.out;
  assert.match(whole, new RegExp(`header trace +${MARKER}\npayload +{"text":"${MARKER}"}`));
  const { code, io } = await cli(["dead", "show", letter.id, "4711"]);
  assert.deepEqual([code, io.err], [1, "Cannot find the dead letter 4711\n"]);
  assert.equal((await cli(["dead", "show"])).code, 2);
  await backend.close();
});

test("dead replay puts back what is named or all, also as replay", async () => {
  const { backend, cli, json } = setUp();
  for (let n = 0; n < 250; n++) await backend.publish("slack_events", { n });
  await buryAll(backend);
  const [first, second] = await json("dead", "list", "--limit", "2");
  assert.deepEqual(await json("replay", first.id, second.id), [{
    key: "slack_events",
    group: "slack-mcp",
    replayed: 2,
  }]);
  assert.equal((await cli(["dead", "replay", first.id])).code, 1);
  assert.equal((await cli(["dead", "replay"])).code, 2);
  assert.equal((await cli(["dead", "replay", "--all", "1"])).code, 2);
  assert.equal((await cli(["dead", "replay", "--all"])).io.out, "Replayed 248 of 248 dead letters\n");
  assert.equal((await backend.depth("slack_events")).ready, 250);
  await backend.close();
});

test("dead purge asks a person, and without one refuses unless --yes is given", async () => {
  const { backend, cli } = setUp();
  for (let n = 0; n < 3; n++) await backend.publish("slack_events", { n });
  await buryAll(backend);
  const left = async () => (await backend.depth("slack_events")).dead;
  const refused = await cli(["dead", "purge", "--all"]);
  assert.deepEqual([refused.code, await left()], [2, 3]);
  assert.match(refused.io.err, /^Remove 3 dead letters of "slack_events".* Add --yes: there is nobody to ask\n$/);
  for (const answer of ["", "n", "nay"]) {
    const { code } = await cli(["purge", "--all"], { isTTY: true, answers: [answer] });
    assert.deepEqual([code, await left()], [1, 3], answer);
  }
  assert.equal((await cli(["purge", "--all"], { isTTY: true, answers: ["y"] })).code, 0);
  assert.equal(await left(), 0);
  await backend.publish("slack_events", {});
  await buryAll(backend);
  assert.equal((await cli(["dead", "purge", "--all", "--yes"])).io.out, "Removed 1 of 1 dead letters\n");
  await backend.close();
});

test("publish takes a file, the standard input or a sample, and quotes no payload", async () => {
  const { backend, cli, json } = setUp();
  const file = join(folder, "payload.json");
  writeFileSync(file, JSON.stringify({ n: 1 }));
  const [receipt] = await json("publish", "--file", file, "--id", "Ev1", "--ordering-key", "C1");
  assert.deepEqual(receipt, { key: "slack_events", id: "Ev1", outcome: "added" });
  assert.equal((await cli(["publish", "--file", file, "--id", "Ev1"])).io.out, "Already there: Ev1\n");
  assert.equal((await cli(["publish", "--file", "-"], { input: '{"n":2}' })).code, 0);
  await json("publish", "--sample", "message.im");
  const peeked = await backend.inspect!.peek("slack_events");
  assert.deepEqual(peeked.map(({ payload }) => payload?.n ?? payload?.type), [1, 2, "event_callback"]);
  assert.equal(peeked[0]!.orderingKey, "C1");
  assert.equal(peeked[2]!.id, peeked[2]!.payload?.event_id);
  for (const input of [MARKER, `["${MARKER}"]`]) {
    const { code, io } = await cli(["publish", "--file", "-"], { input });
    assert.equal(code, 1);
    assert.match(io.err, /^Cannot publish --file -: the body /);
    assert.doesNotMatch(io.err, new RegExp(MARKER));
  }
  assert.match((await cli(["publish", "--file", "nowhere.json"])).io.err, /^Cannot read --file nowhere.json: .*ENOENT/);
  assert.match((await cli(["publish", "--sample", "app_mentoin"])).io.err, /did you mean app_mention/);
  await backend.close();
});

test("publish --url signs as Slack does; a refusal is exit code 1, without secrets", async () => {
  const { backend, cli } = setUp();
  const secret = "8f742231b10e8888abcd99yyyzzz85a5";
  const receiver = createSlackReceiver({ backend, signingSecret: secret });
  const originalFetch = globalThis.fetch;
  globalThis.fetch = (request) => receiver.fetch(request as Request);
  try {
    const url = "http://webhook.test";
    const sent = await cli(["publish", "--url", url], { env: { SLACK_SIGNING_SECRET: secret } });
    assert.equal(sent.io.out, "The webhook answered 200: the queue has the event\n", sent.io.err);
    assert.equal((await backend.depth("slack_events")).ready, 1);
    const wrong = "e6b19c573432dcc6b075501d51b51bb8";
    const forged = await cli(["publish", "--url", url], { env: { SLACK_SIGNING_SECRET: wrong } });
    assert.equal(forged.code, 1);
    assert.equal(forged.io.err, "Cannot publish through the webhook: it answered 401\n");
    assert.equal((await cli(["publish", "--url", url])).code, 1);
    assert.equal((await cli(["publish", "--url", "webhook"])).code, 2);
  } finally {
    globalThis.fetch = originalFetch;
  }
  await backend.close();
});
