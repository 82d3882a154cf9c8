// Every command on every backend that is there, on Deno, Bun and Node; no output shows a payload or secret. Over
// sqlite the first of each command is a process of its own, elsewhere the first of all; the others share one process for
// each queue and runtime, since most of their time would be the start.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test as anywhere } from "node:test";
import { backends } from "../../backends/mod.ts";
import type { LeasingBackend } from "../../core/protocol.ts";
import { createSlackReceiver } from "../../slack/mod.ts";
import { requires } from "../runner/services.ts";
import { CliHost, CliProcess, type CliResult, runCli } from "./support/cli.ts";
import { type CliQueue, QUEUES, SECRET } from "./support/cli_queues.ts";
import { type Program, RUNTIMES } from "./support/runtimes.ts";

const PAYLOAD = "correct-horse-battery-staple";
const SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5";
const KEY = "slack_events";

const folder = mkdtempSync(join(tmpdir(), "queue-cli-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, "payload.json");
writeFileSync(file, JSON.stringify({ text: PAYLOAD }));

async function open({ env }: CliQueue): Promise<LeasingBackend> {
  const module = await backends[env.QUEUE_BACKEND as keyof typeof backends]();
  return module.fromEnv({ ...env });
}

/** Whether the backend can be looked into in this way. */
async function tells(look: Promise<unknown> | undefined): Promise<boolean> {
  if (look === undefined) return false;
  return await look.then(() => true, (error) => {
    assert.equal(error.code, "unsupported");
    return false;
  });
}

/** One queue, and commands over it on one runtime. */
function commandsOn(program: Program, queue: CliQueue) {
  const env: Record<string, string> = { ...queue.env, SLACK_SIGNING_SECRET: SIGNING_SECRET };
  const host = new CliHost(program, folder);
  const started = new Set<string>();
  const start = (args: readonly string[]): Promise<CliResult> => {
    const command = env.QUEUE_BACKEND === "sqlite" ? args.slice(0, args[0] === "dead" ? 2 : 1).join(" ") : "any";
    if (started.has(command)) return host.run(args, env);
    started.add(command);
    return runCli(program, args, { env, cwd: folder });
  };
  const secrets = [SECRET, queue.env.CLOUDFLARE_API_TOKEN ?? SECRET, SIGNING_SECRET];
  /** Runs a command; checks its exit code, and that it gives nothing away. */
  const cli = async (code: number, ...args: string[]): Promise<string> => {
    const result = await start(args);
    const both = result.out + result.err;
    assert.equal(result.code, code, `${args.join(" ")}: ${both}`);
    for (const secret of secrets) assert.ok(!both.includes(secret), `${args.join(" ")} shows a secret`);
    if (!args.includes("--payload")) assert.ok(!both.includes(PAYLOAD), `${args.join(" ")} shows a payload`);
    assert.doesNotMatch(both, /\n +at /, "a stack");
    return code === 0 ? result.out : result.err;
  };
  const lines = async (...args: string[]) =>
    (await cli(0, ...args, "--json")).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  return { cli, lines, [Symbol.asyncDispose]: () => host[Symbol.asyncDispose]() };
}

/** Buries every message. */
async function buryAll(backend: LeasingBackend, count: number): Promise<void> {
  let left = count;
  for await (const delivery of backend.receive(KEY)) {
    await delivery.deadLetter(new TypeError("no such channel"));
    if (--left === 0) break;
  }
}

for (const [name, { needs, start }] of Object.entries(QUEUES)) {
  const test = needs === undefined ? anywhere : requires(needs);
  for (const [runtime, program] of RUNTIMES) {
    test(`commands work over ${name} on ${runtime}, and show no payload or secret`, async () => {
      await using queue = await start();
      await using backend = await open(queue);
      await using commands = commandsOn(program, queue);
      const { cli, lines } = commands;
      const { inspect } = backend;
      const { orderingKeys, dedup } = backend.capabilities;
      const can = {
        keys: await tells(inspect?.keys().next()),
        oldest: await tells(inspect?.oldest(KEY)),
        peek: await tells(inspect?.peek(KEY)),
      };

      // publish
      const [receipt] = await lines("publish", "--file", file, "--id", "Ev1");
      assert.deepEqual(receipt, { key: KEY, id: "Ev1", outcome: "added" });
      if (dedup) assert.equal((await lines("publish", "--file", file, "--id", "Ev1"))[0].outcome, "duplicate");
      await cli(0, "publish");
      await cli(orderingKeys ? 0 : 1, "publish", "--file", file, "--ordering-key", "C1");
      const count = orderingKeys ? 3 : 2;

      // depth and keys
      const [{ groups: [depth] }] = await lines("depth");
      assert.deepEqual([depth.lag, depth.dead], [count, 0]);
      assert.equal(typeof depth.oldest, can.oldest ? "string" : "object");
      assert.match(await cli(0, "depth"), /^group .* oldest\nslack-mcp /);
      if (can.keys) assert.deepEqual(await lines("keys"), [{ key: KEY }]);
      else assert.match(await cli(1, "keys"), /does not support it|cannot be looked into/);

      // peek and tail
      if (can.peek) {
        const peeked = await lines("peek");
        assert.deepEqual(peeked.map(({ state, attempts }) => [state, attempts]), Array(count).fill(["ready", 0]));
        assert.match(await cli(0, "peek", "--payload"), new RegExp(PAYLOAD));
        await using tail = new CliProcess(program, ["tail", "--backlog", "--json"], { env: queue.env, cwd: folder });
        await tail.shown('"id":"Ev1"');
        await backend.publish(KEY, { text: PAYLOAD }, { id: "Ev2" });
        await tail.shown('"id":"Ev2"');
        tail.kill("SIGINT");
        assert.equal(await tail.ended, 0);
        assert.ok(!tail.out.includes(PAYLOAD));
      } else {
        for (const look of ["peek", "tail"]) {
          assert.match(await cli(1, look), /does not support it|cannot be looked into/);
        }
        await backend.publish(KEY, { text: PAYLOAD }, { id: "Ev2" });
      }

      // dead letters
      await buryAll(backend, count + 1);
      const letters = await lines("dead", "list");
      assert.equal(letters.length, count + 1);
      const [first, second] = letters;
      assert.match(await cli(0, "dead", "list"), /TypeError: no such channel/);
      assert.match(await cli(0, "dead", "show", first.id), /cause +TypeError: no such channel/);
      const whole = await cli(0, "dead", "list", "--payload");
      assert.match(whole, new RegExp(PAYLOAD));
      await cli(1, "dead", "show", "0-0");
      assert.equal((await lines("dead", "replay", first.id))[0].replayed, 1);
      assert.match(await cli(2, "dead", "purge", "--all"), /Add --yes/);
      assert.equal((await lines("purge", second.id, "--yes"))[0].purged, 1);
      assert.equal(await cli(0, "replay", "--all"), `Replayed ${count - 1} of ${count - 1} dead letters\n`);
      assert.match(await cli(0, "dead", "list"), /There are no dead letters/);

      // move
      const args = ["--from", name, "--to", name, "--to-key", "other"];
      assert.match(await cli(2, "move", ...args), /Add --yes/);
      const [moved] = await lines("move", ...args, "--yes");
      assert.deepEqual([moved.moved, moved.duplicates, moved.left.ready], [count, 0, 0]);
      assert.equal((await backend.depth("other")).ready + (await backend.depth("other")).blocked, count);

      // Through the webhook, and what is wrong.
      const receiver = createSlackReceiver({ backend, key: KEY, signingSecret: SIGNING_SECRET });
      const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => undefined }, receiver.fetch);
      const url = `http://127.0.0.1:${server.addr.port}`;
      assert.equal((await lines("publish", "--url", url, "--sample", "message.im"))[0].status, 200);
      await server.shutdown();
      assert.match(await cli(1, "publish", "--url", url), /^Cannot send the event to http:\/\/127\.0\.0\.1:\d+: /);
      assert.match(await cli(2, "dept"), /did you mean depth/);
      assert.match(await cli(2, "peek", "--limit", "none"), /--limit must be a whole number/);
    });
  }
}

anywhere("commands say in one sentence that a broker is not there, without its password", async () => {
  const env = { QUEUE_BACKEND: "redis", REDIS_URL: `redis://:${SECRET}@127.0.0.1:1`, REDIS_TIMEOUT: "0.5" };
  for (const [, program] of RUNTIMES) {
    const { code, out, err } = await runCli(program, ["depth"], { env, cwd: folder });
    assert.deepEqual([code, out], [1, ""]);
    assert.match(err, /^Cannot look into "slack_events" on redis: .*ECONNREFUSED.*\n$/);
    assert.doesNotMatch(err, new RegExp(SECRET));
  }
});
