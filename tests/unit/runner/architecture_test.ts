// not on node: asks `deno info` for the imports
// not on bun: asks `deno info` for the imports
// not on workerd: reads files and asks `deno info` for the imports
import { test } from "node:test";
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  brokenLayers,
  brokenRules,
  brokenText,
  type Edge,
  importCircles,
  packagesBehind,
  readEdges,
} from "../../runner/architecture.ts";
import { libraryFiles, ROOT } from "../../runner/suites.ts";

// Templates are written for users, into packages of their own.
const files = libraryFiles().filter((file) => !file.startsWith("create/template"));

function edge(from: string, to: string, kind: Partial<Edge> = {}): Edge {
  return { from, to, dynamic: false, typeOnly: false, ...kind };
}

test("architecture: every import goes down", async () => {
  assert.notEqual(files.length, 0);
  assert.deepEqual(await brokenRules(ROOT, files), []);
});

test("architecture: importing one module brings no other backend's client", async () => {
  const edges = await readEdges(ROOT, files);
  const { exports } = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8")) as { exports: Record<string, string> };
  const own: Readonly<Record<string, readonly string[]>> = {
    "backends/redis/mod.ts": ["ioredis"],
    "backends/upstash/mod.ts": ["@upstash/redis"],
    "backends/rabbitmq/mod.ts": ["amqplib"],
  };
  for (
    const file of Object.values(exports).map((path) => path.replace("./", "")).filter((path) =>
      existsSync(join(ROOT, path))
    )
  ) {
    const dynamicToo = file !== "backends/mod.ts" && file !== "cli/mod.ts"; // both load what is asked for
    const foreign = packagesBehind(file, edges, dynamicToo).filter((name) => !own[file]?.includes(name));
    assert.deepEqual(foreign, [], `${file} brings packages that are not its own`);
  }
});

test("architecture: imports that go down pass", () => {
  const edges = [
    edge("mod.ts", "core/consume/consumer.ts"),
    edge("mod.ts", "env.ts"),
    edge("core/a.ts", "core/b.ts"),
    edge("backends/redis/mod.ts", "backends/redis/driver.ts"),
    edge("backends/redis/driver.ts", "backends/streams/engine.ts"),
    edge("backends/redis/client.ts", "npm:ioredis@^6.0.0"),
    edge("backends/upstash/client.ts", "npm:@upstash/redis@^1.39.0/cloudflare", { dynamic: true }),
    edge("backends/memory/mod.ts", "core/backend.ts"),
    edge("backends/mod.ts", "backends/redis/mod.ts", { dynamic: true }),
    edge("slack/mod.ts", "core/protocol.ts", { typeOnly: true }),
    edge("create/mod.ts", "node:fs"),
  ];
  assert.deepEqual(brokenLayers(edges), []);
});

test("architecture: each import that does not go down is found", () => {
  const edges = [
    edge("core/a.ts", "backends/memory/mod.ts"),
    edge("core/a.ts", "env.ts"),
    edge("core/a.ts", "mod.ts", { typeOnly: true }),
    edge("core/a.ts", "npm:ioredis@^6.0.0", { dynamic: true }),
    edge("core/a.ts", "node:crypto"),
    edge("backends/memory/mod.ts", "backends/redis/options.ts"),
    edge("backends/memory/mod.ts", "backends/streams/engine.ts"),
    edge("backends/streams/engine.ts", "backends/redis/client.ts"),
    edge("backends/upstash/client.ts", "npm:ioredis@^6.0.0"),
    edge("backends/upstash/client.ts", "node:buffer"),
    edge("backends/redis/client.ts", "npm:left-pad@1"),
    edge("backends/mod.ts", "backends/redis/mod.ts"),
    edge("backends/memory/mod.ts", "mod.ts"),
    edge("slack/mod.ts", "backends/memory/mod.ts"),
    edge("slack/mod.ts", "testing/mod.ts"),
    edge("testing/mod.ts", "tests/runner/child.ts"),
    edge("create/mod.ts", "core/protocol.ts"),
    edge("env.ts", "backends/memory/mod.ts"),
  ];
  for (const one of edges) assert.equal(brokenLayers([one]).length, 1, `${one.from} → ${one.to} passed`);
});

test("importCircles finds each circle, of types too, and no other", () => {
  const line = [edge("a.ts", "b.ts"), edge("b.ts", "c.ts"), edge("a.ts", "c.ts"), edge("c.ts", "d.ts")];
  assert.deepEqual(importCircles(line), []);
  assert.deepEqual(importCircles([...line, edge("c.ts", "a.ts", { typeOnly: true })]), [
    "a.ts → b.ts → c.ts → a.ts: a circle of imports",
  ]);
  assert.deepEqual(importCircles([...line, edge("d.ts", "a.ts", { dynamic: true })]), []);
  assert.equal(importCircles([edge("a.ts", "a.ts")]).length, 1);
});

test("architecture: finds ambient globals and backend names in the core", () => {
  for (const code of ["globalThis.setTimeout(f)", "Deno.env.get('X')", "const { env } = process.env;", "Bun.serve()"]) {
    assert.equal(brokenText("slack/mod.ts", code).length, 1, code);
  }
  assert.equal(brokenText("env.ts", "const { Deno, process } = globalThis as Ambient;").length, 0);
  assert.equal(
    brokenText("core/a.ts", "const { warn = (text) => globalThis.console.warn(text) } = options;").length,
    0,
  );
  assert.equal(brokenText("core/a.ts", "globalThis.console.log(text)").length, 1);
  assert.equal(brokenText("core/a.ts", 'if (driver.name === "redis") skip();').length, 1);
  assert.equal(brokenText("core/a.ts", "// as on Redis, globalThis.x\n/** Deno.env */ const process = 1;").length, 0);
  assert.equal(brokenText("backends/redis/a.ts", 'const name = "redis";').length, 0);
});

test("architecture: follows what importing a module brings, import() included", () => {
  const edges = [
    edge("mod.ts", "core/a.ts"),
    edge("core/a.ts", "backends/redis/mod.ts", { dynamic: true }),
    edge("backends/redis/mod.ts", "npm:ioredis@^6.0.0"),
    edge("core/a.ts", "npm:@upstash/redis@1", { typeOnly: true }),
  ];
  assert.deepEqual(packagesBehind("mod.ts", edges, true), ["ioredis"]);
  assert.deepEqual(packagesBehind("mod.ts", edges, false), []);
});

test("architecture: a layer broken in a copy of the sources is found", async (t) => {
  const copy = mkdtempSync(join(tmpdir(), "queue-copy-"));
  t.after(() => rmSync(copy, { recursive: true }));
  for (const name of ["deno.json", "env.ts", "core"]) cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  const sources: Readonly<Record<string, string>> = {
    "backends/memory/mod.ts": 'export { ambientEnv } from "../../env.ts";',
    "core/leak.ts": 'import type { Redis } from "ioredis";\nexport const made: Redis | undefined = globalThis.name;',
  };
  for (const [name, source] of Object.entries(sources)) {
    mkdirSync(dirname(join(copy, name)), { recursive: true });
    writeFileSync(join(copy, name), source);
  }
  assert.deepEqual(await brokenRules(copy, ["core/errors.ts", "core/util/clock.ts", "env.ts"]), []);
  const problems = await brokenRules(copy, Object.keys(sources));
  assert.equal(problems.length, 4, problems.join("\n"));
  for (const part of ["must not know env.ts", "package ioredis", "reaches for globalThis", "names a backend: Redis"]) {
    assert.ok(problems.some((problem) => problem.includes(part)), part);
  }
});
