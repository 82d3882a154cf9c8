// not on workerd: reads a file and listens
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Env } from "../../../core/protocol.ts";
import { startServer } from "../../../cli/serve/server.ts";
import { Folder } from "../../integration/support/sqlite.ts";
import { ROOT } from "../../runner/suites.ts";

const text = readFileSync(join(ROOT, "examples/docker-compose.yml"), "utf8");
const redisText = readFileSync(join(ROOT, "examples/docker-compose.redis.yml"), "utf8");

/** The names and values under the server's `environment`: two spaces of indent for each level, one name a line. */
function environment(text: string): Map<string, string> {
  const [, block = ""] = /^ {4}environment:\n((?: {6}.+\n)+)/m.exec(text) ?? [];
  return new Map(
    block.trimEnd().split("\n").map((line) => {
      const [, name, value] = /^ {6}(\w+): "?(.+?)"?$/.exec(line) ?? [];
      assert.ok(name && value, line);
      return [name, value];
    }),
  );
}

for (
  const [backend, given] of [
    ["sqlite", environment(text)],
    ["redis", new Map([...environment(text), ...environment(redisText)])],
  ] as const
) {
  test(`docker-compose sets variables that the server reads with ${backend}, and all that it needs`, async () => {
    assert.equal(given.get("QUEUE_BACKEND"), backend);
    using folder = new Folder();
    const read = new Set<string>();
    const values: Record<string, string> = {
      ...Object.fromEntries(given),
      // Here there is no server of that name and no such folder, and another may listen on that port.
      SLACK_SIGNING_SECRET: "8f742231b10e8888abcd99yyyzzz85a5",
      SLACK_EVENTS_TOPIC: "slack_events",
      SQLITE_PATH: folder.file(),
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
    assert.equal((server.backend as { name?: string }).name, backend);
    await server.finished;
    const own = [...given.keys()].filter((name) => backend === "sqlite" || name !== "SQLITE_PATH");
    assert.deepEqual(own.filter((name) => !read.has(name)), []);
  });
}

test("docker-compose keeps the SQLite file on a volume and publishes the port", () => {
  const given = environment(text);
  const [folder] = given.get("SQLITE_PATH")!.split("/queue.db");
  assert.match(text, new RegExp(`^ {6}- queue-data:${folder}$`, "m"));
  assert.match(text, /^volumes:\n {2}queue-data:$/m);
  assert.match(text, new RegExp(`^ {6}- "3000:${given.get("PORT")}"$`, "m"));
  assert.match(text, new RegExp(`http://localhost:${given.get("PORT")}/health`));
});

test("docker-compose.redis waits for a healthy Redis of its own, whose file is synced", () => {
  const url = new URL(environment(redisText).get("REDIS_URL")!);
  assert.match(redisText, new RegExp(`^ {2}${url.hostname}:\\n {4}image: redis:7$`, "m"));
  assert.match(redisText, /"--appendonly", "yes", "--appendfsync", "everysec"/);
  assert.match(redisText, new RegExp(`^ {6}${url.hostname}:\\n {8}condition: service_healthy$`, "m"));
});
