// A plugin from one command to a published backend: generated, tested, published, installed and plugged into the server,
// all through a registry on this machine.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { envelopeOf, SAMPLES } from "../../cli/samples.ts";
import { slackRequest } from "../../cli/sign.ts";
import { run, type RunResult } from "../runner/child.ts";
import { ROOT } from "../runner/suites.ts";
import { bunProgram } from "../runtimes/bun/program.ts";
import { type JsrRegistry, startRegistry } from "../servers/jsr_registry.ts";
import { ServerProcess } from "../servers/server_process.ts";

const deno = Deno.execPath();
const PATH = [dirname(bunProgram()), dirname(deno), process.env.PATH].join(delimiter);
const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";

let registry: JsrRegistry;
let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "create-"));
  registry = await startRegistry();
  await registry.publish(ROOT);
});

after(async () => {
  await registry[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** Runs Deno in a folder, with the registry of this machine. */
function inFolder(cwd: string, ...args: string[]): Promise<RunResult> {
  return run(deno, args, { cwd, env: { ...registry.env, PATH } });
}

async function succeed(cwd: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await inFolder(cwd, ...args);
  assert.equal(code, 0, `deno ${args.join(" ")}:\n${stdout}${stderr}`);
  return stdout + stderr;
}

const create = ["run", "-A", "jsr:@slack-mcp/queue/create"];

for (
  const [transport, name] of [["pull", "my-queue"], ["push", "a-rather-long-name-for-it"], ["plain", "q2"]] as const
) {
  test(`create writes a package for ${transport} whose checks and tests pass on Deno and Bun as generated`, async () => {
    const output = await succeed(folder, ...create, name, "--scope", "@acme", "--transport", transport);
    assert.match(
      output,
      new RegExp(`Wrote \\d+ files to ${name}. Next:\n\n  cd ${name}\n  deno task test\n  deno task start\n`),
    );
    const cwd = join(folder, name);
    await succeed(cwd, "task", "ok");
    const onDeno = await succeed(cwd, "task", "test");
    assert.match(onDeno, /ok \| \d+ passed \| 0 failed/);
    const onBun = await succeed(cwd, "task", "test:bun");
    assert.match(onBun, /\n 0 fail\n/);
    if (transport === "pull") assert.match(onBun, /\n [12]\d\d pass\n/);
  });
}

test("create overwrites nothing, and says what is wrong in one sentence", async () => {
  await succeed(folder, ...create, "twice");
  const before = readFileSync(join(folder, "twice", "driver.ts"), "utf8");
  const wrong: readonly [args: readonly string[], sentence: RegExp][] = [
    [
      ["twice", "--transport", "plain"],
      /^Cannot create the package: twice exists already, and nothing is overwritten\n$/,
    ],
    [["Twice"], /^Cannot create the package: name must be 2 to 58 lower-case .*, found "Twice"\n$/],
    [["redis"], /^Cannot create the package: name must not be one that is taken, found "redis"\n$/],
    [
      ["other", "--transport", "poll"],
      /^Cannot create the package: transport must be one of pull, push, plain, found "poll"\n$/,
    ],
    [["one", "two"], /^Cannot create the package: one name is expected, found one two\n$/],
    [[], /^Cannot create the package: a name is missing\n\nWrites the package/],
  ];
  for (const [args, sentence] of wrong) {
    const { code, stderr } = await inFolder(folder, ...create, ...args);
    assert.equal(code, 1, args.join(" "));
    assert.match(stderr.replace(/^Download .*\n/gm, ""), sentence);
  }
  assert.equal(readFileSync(join(folder, "twice", "driver.ts"), "utf8"), before);
});

test("A generated plugin installs and carries a signed Slack event through the server", async () => {
  await succeed(folder, ...create, "slack-mail", "--scope", "@acme");
  await registry.publish(join(folder, "slack-mail"));
  assert.ok(!registry.files("@acme/slack-mail").has("tests/conformance_test.ts"));

  const app = join(folder, "app");
  mkdirSync(app);
  writeFileSync(join(app, "deno.json"), "{}");
  await succeed(app, "add", "jsr:@slack-mcp/queue", "jsr:@acme/slack-mail");
  writeFileSync(
    join(app, "registry.ts"),
    'export const backends = { slack_mail: () => import("@acme/slack-mail") };\n',
  );
  const env = { ...registry.env, SLACK_SIGNING_SECRET: SECRET, QUEUE_BACKEND: "slack_mail" };
  await using server = new ServerProcess([deno, "run", "-A"], env, {
    cwd: app,
    line: ["jsr:@slack-mcp/queue/cli", "serve", "--registry", "registry.ts"],
  });
  const url = await server.url();
  const { backend } = await server.line("listening");
  assert.equal(backend, "slack_mail");
  const request = await slackRequest(`${url}/slack/events`, {
    secret: SECRET,
    body: envelopeOf(SAMPLES[0]!.event, "EvPlugin"),
  });
  assert.equal((await fetch(request)).status, 200);
  const { type, attempts } = await server.line("event handled", ({ event_id }) => event_id === "EvPlugin");
  assert.deepEqual([type, attempts], [SAMPLES[0]!.event.type, 1]);
});
