import assert from "node:assert/strict";
import { test } from "node:test";
import { runDemo } from "../../examples/demo/main.ts";
import { startServer } from "../../cli/serve/server.ts";
import { bunProgram } from "../runtimes/bun/program.ts";
import { ROOT } from "../runner/suites.ts";
import { run } from "../runner/child.ts";
import { startRedis } from "../servers/redis_server.ts";
import { requires } from "../runner/services.ts";
import { startUpstash } from "../fakes/upstash_server.ts";

const withRedis = requires("redis-server");
const deno = [Deno.execPath(), "run", "-A"];
/** What a person starts, in memory; elsewhere a tenth of the events of the throughput figure shows the same. */
const demo = "examples/demo/main.ts";
const smallDemo = "tests/e2e/support/small_demo.ts";
const env = { QUEUE_BACKEND: "", NO_COLOR: "1" };

for (const [name, command] of [["Deno", deno], ["Bun", [bunProgram()]]] as const) {
  test(`the demo ends with 0 on ${name}, with one warning and every line as it must be`, async () => {
    const [program, ...args] = [...command, demo];
    const { code, stdout, stderr } = await run(program!, args, { cwd: ROOT, env });
    assert.equal(code, 0, stdout + stderr);
    const lines = stdout.split("\n");
    const good = lines.filter((line) => line.startsWith("  ✓ "));
    assert.ok(good.length >= 40, `${good.length} lines`);
    assert.ok(!stdout.includes("✗"), stdout);
    assert.equal(lines.filter((line) => line.startsWith("! ")).length, 1);
    assert.match(stdout, /messages die with this process/);
    assert.match(stdout, /\d+ events\/s/);
    assert.match(stdout, new RegExp(`All ${good.length} lines are as they must be`));
  });
}

for (const [name, command] of [["Deno", deno], ["Bun", [bunProgram()]]] as const) {
  withRedis(
    `the demo ends with 0 on ${name} over Redis, where the consumer waits before anything is published`,
    async () => {
      await using redis = await startRedis();
      const [program, ...args] = [...command, smallDemo];
      const more = { QUEUE_BACKEND: "redis", REDIS_URL: redis.url };
      const { code, stdout, stderr } = await run(program!, args, { cwd: ROOT, env: { ...env, ...more } });
      assert.equal(code, 0, stdout + stderr);
      assert.ok(!stdout.includes("✗") && !stdout.includes("die with this process"), stdout);
    },
  );
}

for (const [name, command] of [["Deno", deno], ["Bun", [bunProgram()]]] as const) {
  withRedis(
    `the demo ends with 0 on ${name} over Upstash`,
    async () => {
      await using upstash = await startUpstash();
      const [program, ...args] = [...command, smallDemo];
      const more = {
        QUEUE_BACKEND: "upstash",
        UPSTASH_REDIS_REST_URL: upstash.url,
        UPSTASH_REDIS_REST_TOKEN: upstash.token,
      };
      const { code, stdout, stderr } = await run(program!, args, { cwd: ROOT, env: { ...env, ...more } });
      assert.equal(code, 0, stdout + stderr);
      assert.ok(!stdout.includes("✗") && !stdout.includes("die with this process"), stdout);
    },
  );
}

for (const fault of ["gives up early", "handles nothing", "knows another secret", "does not start"]) {
  test(`the demo ends with 1 on a server that ${fault}`, async () => {
    const [program, ...args] = [...deno, smallDemo, fault];
    const { code, stdout } = await run(program!, args, { cwd: ROOT, env });
    assert.equal(code, 1, stdout);
    if (fault !== "does not start") assert.match(stdout, /^ {2}✗ /m);
  });
}

test("a payload that is changed on its way is a wrong line", async () => {
  const written: string[] = [];
  const start: typeof startServer = async (env, options) => {
    const server = await startServer(env, options);
    const publish = server.backend.publish.bind(server.backend);
    server.backend.publish = (key, payload, publishOptions) =>
      publish(key, { ...payload, api_app_id: "A0" }, publishOptions);
    return server;
  };
  assert.equal(await runDemo({ write: (line) => void written.push(line), start, burst: 200 }), false);
  assert.ok(written.some((line) => line.includes("✗ what arrived is not what was sent")));
});
