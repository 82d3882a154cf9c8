// The plugin for NATS, in its own folder with its own deno.json: the conformance suite on Deno and Bun, and the
// server with it.
import { before } from "node:test";
import assert from "node:assert/strict";
import { join } from "node:path";
import { type NatsServer, PASSWORD, startNats } from "../../examples/plugin/tests/nats_server.ts";
import { envelopeOf, SAMPLES } from "../../cli/samples.ts";
import { slackRequest } from "../../cli/sign.ts";
import { run } from "../runner/child.ts";
import { requires } from "../runner/services.ts";
import { ROOT } from "../runner/suites.ts";
import { bunProgram } from "../runtimes/bun/program.ts";
import { ServerProcess } from "../servers/server_process.ts";

const test = requires("nats-server");
const folder = join(ROOT, "examples/plugin");
const deno = Deno.execPath();
const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";

before(async () => {
  const { code, stderr } = await run(deno, ["install", "--quiet"], { cwd: folder });
  assert.equal(code, 0, stderr);
});

test("The plugin for NATS passes the conformance suite on Deno and on Bun", async () => {
  const runs = await Promise.all([
    run(deno, ["test", "-A", "--no-check", "tests/"], { cwd: folder }),
    run(bunProgram(), ["test", "--timeout", "600000", "./tests"], { cwd: folder }),
  ]);
  for (const { code, stdout, stderr } of runs) {
    const output = stdout + stderr;
    assert.equal(
      code,
      0,
      output.split("\n").filter((line) => /FAILED|\(fail\)|failed +|Error:/.test(line)).slice(-40).join("\n"),
    );
    assert.match(output, /fencing +not declared/);
    assert.match(output, /Tests: 1\d\d passed, 0 failed, \d+ skipped/);
  }
});

const RUNTIMES: readonly [string, readonly [string, ...string[]]][] = [
  ["Deno", [deno, "run", "-A"]],
  ["Bun", [bunProgram()]],
];

for (const [name, command] of RUNTIMES) {
  test(`serve --registry on ${name} carries a signed event over NATS`, async () => {
    await using nats: NatsServer = await startNats();
    await using server = new ServerProcess(command, {
      QUEUE_BACKEND: "nats",
      NATS_URL: nats.url,
      NATS_USERNAME: "app",
      NATS_PASSWORD: PASSWORD,
      SLACK_SIGNING_SECRET: SECRET,
    }, { cwd: folder, line: ["main.ts"] });
    const url = await server.url();
    const body = envelopeOf(SAMPLES[0]!.event, "EvNats");
    assert.equal((await fetch(await slackRequest(`${url}/slack/events`, { secret: SECRET, body }))).status, 200);
    const { type } = await server.line("event handled", ({ event_id }) => event_id === "EvNats");
    assert.equal(type, SAMPLES[0]!.event.type);
    server.kill("SIGTERM");
    assert.equal(await server.ended, 0);
  });
}
