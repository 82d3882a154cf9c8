// not on node: starts the server, which is for Deno and Bun
// not on workerd: reads a file and listens
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Env } from "../../../core/protocol.ts";
import { startServer } from "../../../examples/server/main.ts";
import { ROOT } from "../../runner/suites.ts";

const text = readFileSync(join(ROOT, "examples/docker-compose.yml"), "utf8");

/** The names and values under the server's `environment`: two spaces of indent for each level, one name a line. */
function environment(): Map<string, string> {
  const [, block = ""] = /^ {4}environment:\n((?: {6}.+\n)+)/m.exec(text) ?? [];
  return new Map(
    block.trimEnd().split("\n").map((line) => {
      const [, name, value] = /^ {6}(\w+): "?(.+?)"?$/.exec(line) ?? [];
      assert.ok(name && value, line);
      return [name, value];
    }),
  );
}

test("compose: every variable that it sets is one that the server reads with this backend, and all it needs are there", async () => {
  const given = environment();
  assert.equal(given.get("QUEUE_BACKEND"), "redis");
  const read = new Set<string>();
  const values: Record<string, string> = {
    ...Object.fromEntries(given),
    // Here there is no server of that name, and another may listen on that port.
    SLACK_SIGNING_SECRET: "8f742231b10e8888abcd99yyyzzz85a5",
    SLACK_EVENTS_TOPIC: "slack_events",
    REDIS_URL: "redis://127.0.0.1:1",
    PORT: "0",
  };
  const env: Env = new Proxy(values, {
    get: (target, name) => {
      read.add(String(name));
      return Reflect.get(target, name);
    },
  });
  const server = await startServer(env, { signal: AbortSignal.abort(), log: () => undefined });
  assert.equal((server.backend as { name?: string }).name, "redis");
  await server.finished;
  assert.deepEqual([...given.keys()].filter((name) => !read.has(name)), []);
});

test("compose: the server waits for a healthy Redis of its own, whose file is synced, on the port that is published", () => {
  const given = environment();
  const url = new URL(given.get("REDIS_URL")!);
  assert.match(text, new RegExp(`^ {2}${url.hostname}:\\n {4}image: redis:7$`, "m"));
  assert.match(text, /"--appendonly", "yes", "--appendfsync", "everysec"/);
  assert.match(text, new RegExp(`^ {6}${url.hostname}:\\n {8}condition: service_healthy$`, "m"));
  assert.match(text, new RegExp(`^ {6}- "3000:${given.get("PORT")}"$`, "m"));
  assert.match(text, new RegExp(`http://localhost:${given.get("PORT")}/health`));
});
