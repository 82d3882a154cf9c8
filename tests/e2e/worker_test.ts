// The example Worker, as its README says: built for a deployment, and run by `wrangler dev`.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { envelopeOf, SAMPLES } from "../../cli/samples.ts";
import { slackRequest } from "../../cli/sign.ts";
import { ROOT } from "../runner/suites.ts";
import { wrangler, WranglerDev } from "../servers/wrangler.ts";

const EXAMPLE = join(ROOT, "examples/worker");
const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";
const WITH_SECRET = ["--var", `SLACK_SIGNING_SECRET:${SECRET}`];

async function post(url: string, body: unknown, secret = SECRET): Promise<number> {
  const response = await fetch(await slackRequest(`${url}/slack/events`, { secret, body }));
  await response.body?.cancel();
  return response.status;
}

/** KiB of gzip that the deployed Worker must not exceed. */
const BUDGET_KIB = 12;

async function settings(): Promise<Record<string, unknown> & { main: string; alias: Record<string, string> }> {
  const text = await readFile(join(EXAMPLE, "wrangler.jsonc"), "utf8");
  return JSON.parse(text.replace(/^\s*\/\/.*$/gm, ""));
}

test("the example Worker builds for a deployment, with its queues", async (context) => {
  const outdir = await mkdtemp(join(tmpdir(), "worker-"));
  try {
    const { code, stdout, stderr } = await wrangler(["deploy", "--dry-run", "--outdir", outdir], EXAMPLE);
    assert.equal(code, 0, stdout + stderr);
    const [, gzip] = /Total Upload: .* \/ gzip: ([\d.]+) KiB/.exec(stdout) ?? [];
    context.diagnostic(`${gzip} KiB gzip`);
    assert.ok(Number(gzip) <= BUDGET_KIB, stdout);
    for (const queue of ["slack-events", "slack-events-dlq"]) assert.match(stdout, new RegExp(`\\(${queue}\\) +Queue`));
    assert.match(await readFile(join(outdir, "main.js"), "utf8"), /export\s*\{/);
  } finally {
    await rm(outdir, { recursive: true });
  }
});

test("the example Worker under wrangler dev handles signed events, not forged ones", async () => {
  await using dev = await WranglerDev.start(EXAMPLE, WITH_SECRET);
  const challenge = await fetch(
    await slackRequest(`${dev.url}/slack/events`, {
      secret: SECRET,
      body: { type: "url_verification", challenge: "abc" },
    }),
  );
  assert.match(await challenge.text(), /abc/);
  for (const [index, { event }] of SAMPLES.entries()) {
    assert.equal(await post(dev.url, envelopeOf(event, `Ev${index}`)), 200);
  }
  for (const [index, { event }] of SAMPLES.entries()) {
    const line = JSON.parse(await dev.line(`"event_id":"Ev${index}"`));
    assert.deepEqual([line.message, line.type, line.attempts], ["event handled", event.type, 1]);
  }
  assert.equal(await post(dev.url, envelopeOf(SAMPLES[0]!.event, "EvForged"), "another secret"), 401);
  assert.equal((await (await fetch(`${dev.url}/health`)).json()).ok, true);
  assert.ok(!dev.lines.some((line) => line.includes("EvForged") || line.includes(SECRET)));
});

test("the example Worker without a queue answers 500 and logs the three commands", async () => {
  const folder = await mkdtemp(join(tmpdir(), "worker-"));
  try {
    const { queues: _queues, main, alias, ...rest } = await settings();
    const absolute = Object.entries(alias).map(([name, file]) => [name, join(EXAMPLE, file)]);
    await writeFile(
      join(folder, "wrangler.json"),
      JSON.stringify({ ...rest, main: join(EXAMPLE, main), alias: Object.fromEntries(absolute) }),
    );
    await using dev = await WranglerDev.start(folder, WITH_SECRET);
    assert.equal(await post(dev.url, envelopeOf(SAMPLES[0]!.event, "Ev1")), 500);
    const line = await dev.line("SLACK_EVENTS is bound to no queue");
    for (const command of ["queues create slack-events,", "queues create slack-events-dlq", "wrangler deploy"]) {
      assert.ok(line.includes(command), line);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("the example Worker without its secret answers 500 and logs what is missing", async () => {
  await using dev = await WranglerDev.start(EXAMPLE, ["--var", "SLACK_SIGNING_SECRET:"]);
  assert.equal(await post(dev.url, envelopeOf(SAMPLES[0]!.event, "Ev1")), 500);
  assert.match(await dev.line("SLACK_SIGNING_SECRET is not set"), /error/i);
});

test("the example's variables are named in its .dev.vars.example", async () => {
  assert.match(await readFile(join(EXAMPLE, ".dev.vars.example"), "utf8"), /^SLACK_SIGNING_SECRET=$/m);
});
