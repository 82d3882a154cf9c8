import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { envelopeOf, SAMPLES } from "../../cli/samples.ts";
import { slackRequest } from "../../cli/sign.ts";
import { startUpstash } from "../fakes/upstash_server.ts";
import { bareEnv, run } from "../runner/child.ts";
import { requires } from "../runner/services.ts";
import { ROOT } from "../runner/suites.ts";
import { bunProgram } from "../runtimes/bun/program.ts";
import { portOfAll } from "../servers/ports.ts";
import { ServerProcess } from "../servers/server_process.ts";

const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";

/** The instructions of a Dockerfile, one for each line that is not continued. */
function instructions(file: string): [name: string, rest: string][] {
  const text = readFileSync(join(ROOT, file), "utf8").replace(/^#.*\n/gm, "").replace(/\\\n\s*/g, "");
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const [, name, rest] = /^([A-Z]+) (.*)$/.exec(line) ?? assert.fail(line);
    return [name!, rest!];
  });
}

/** Does what COPY says, from the repository into a folder. */
function copy(rest: string, folder: string): void {
  const words = rest.split(" ");
  const to = words.pop()!;
  for (const from of words) {
    assert.ok(existsSync(join(ROOT, from)), `COPY ${from}`);
    const target = to.endsWith("/") && !from.endsWith("/") ? join(folder, to, from) : join(folder, to);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(ROOT, from), target, { recursive: true });
  }
}

/** An event that the example's handlers write no line about: the log has JSON alone then. */
const quiet = SAMPLES.find(({ event }) => event.type === "reaction_added") ?? assert.fail("no such sample");

const IMAGES: readonly [file: string, image: RegExp, program: string][] = [
  ["examples/deploy/deno.Dockerfile", /^denoland\/deno:(.+)$/, Deno.execPath()],
  ["examples/deploy/bun.Dockerfile", /^oven\/bun:(.+)-slim$/, bunProgram()],
];

for (const [file, image, program] of IMAGES) {
  const all = instructions(file);
  const only = (name: string) => all.filter(([one]) => one === name).map(([, rest]) => rest);

  test(`${file} is pinned, without rights, and gets its signals itself`, () => {
    const [, version] = image.exec(only("FROM")[0]!) ?? assert.fail(only("FROM")[0]);
    const pins = { deno: /deno@([\d.]+)/.exec(readFileSync(join(ROOT, "README.md"), "utf8"))![1] };
    const bun = /npm:bun@([\d.]+)/.exec(readFileSync(join(ROOT, "tests/deno.json"), "utf8"))![1];
    assert.equal(version, file.includes("deno.D") ? pins.deno : bun);
    const names = all.map(([name]) => name);
    assert.ok(names.lastIndexOf("RUN") < names.indexOf("USER"), "what runs as root comes before");
    assert.notEqual(only("USER")[0], "root");
    for (const name of ["ENTRYPOINT", "CMD"]) assert.ok(Array.isArray(JSON.parse(only(name)[0]!)), name);
    const env = Object.fromEntries(only("ENV")[0]!.split(" ").map((pair) => pair.split("=")));
    assert.equal(env.PORT, only("EXPOSE")[0]);
    assert.match(only("HEALTHCHECK")[0]!, new RegExp(`localhost:${env.PORT}/health`));
    assert.equal(dirname(env.SQLITE_PATH), "/data");
    assert.match(only("RUN").at(-1)!, /^mkdir \/data && chown (\w+):\1 \/data$/);
    const lock = readFileSync(join(ROOT, "deno.lock"), "utf8");
    for (const [, name, version] of only("RUN").join(" ").matchAll(/(\S+)@(\d[\d.]*)/g)) {
      assert.match(lock, new RegExp(`"npm:${name}@[^"]*": "${version}"`), `${name}@${version} is not what is tested`);
    }
  });

  test(`${file} has all that the server needs to start, handle an event and stop`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "queue-image-"));
    try {
      for (const rest of only("COPY")) copy(rest, folder);
      const [prepare = ""] = only("RUN");
      if (prepare.startsWith("deno cache")) {
        const { code, stderr } = await run("sh", ["-c", prepare.replace("deno", program)], { cwd: folder });
        assert.equal(code, 0, stderr);
      } else {
        symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
      }
      const [, ...words] = [...JSON.parse(only("ENTRYPOINT")[0]!), ...JSON.parse(only("CMD")[0]!)] as string[];
      const env = { SLACK_SIGNING_SECRET: SECRET, QUEUE_BACKEND: "sqlite", SQLITE_PATH: join(folder, "queue.db") };
      await using server = new ServerProcess([program], env, { cwd: folder, line: words });
      const url = await server.url();
      const request = await slackRequest(`${url}/slack/events`, {
        secret: SECRET,
        body: envelopeOf(quiet.event, "Ev1"),
      });
      assert.equal((await fetch(request)).status, 200);
      assert.equal((await fetch(`${url}/health`)).status, 200);
      server.kill("SIGTERM");
      assert.equal(await server.ended, 0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

test("docs/deploy.md shows the program for Deno Deploy as it is", () => {
  const [, program] = readFileSync(join(ROOT, "examples/deploy/deno_deploy.ts"), "utf8").split(" */\n");
  assert.ok(readFileSync(join(ROOT, "docs/deploy.md"), "utf8").includes(program!.trim()));
});

requires("redis-server")("examples/deploy/deno_deploy.ts puts a signed event into Upstash", async () => {
  await using upstash = await startUpstash();
  const env = {
    SLACK_SIGNING_SECRET: SECRET,
    UPSTASH_REDIS_REST_URL: upstash.url,
    UPSTASH_REDIS_REST_TOKEN: upstash.token,
    PORT: String(await portOfAll()),
  };
  const args = ["run", "-A", "--unstable-cron", "examples/deploy/deno_deploy.ts"];
  const child = spawn(Deno.execPath(), args, { cwd: ROOT, env: { ...bareEnv(), ...env }, stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("close", resolve));
  try {
    const post = async () =>
      await fetch(
        await slackRequest(`http://127.0.0.1:${env.PORT}/slack/events`, {
          secret: SECRET,
          body: envelopeOf(quiet.event, "Ev1"),
        }),
      );
    const status = async () => await post().then((response) => response.status, () => 0);
    while (await status() === 0) {
      assert.equal(child.exitCode, null, "it ended");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal(await status(), 200);
    assert.equal(await upstash.redis.call("XLEN", "slack_events"), 1);
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
});
