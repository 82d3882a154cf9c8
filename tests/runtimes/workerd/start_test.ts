/**
 * What a Worker may import while it starts: a runtime that forbids timers, random numbers, requests and signals in the
 * global scope refuses a module that makes one there.
 *
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bundle, fetcher, ROOT, startWorkers } from "../../runner/workerd.ts";

const { exports } = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8")) as { exports: Record<string, string> };

/** Entries that do not run in a Worker: TCP clients, files, the map that names them, and commands. */
const ELSEWHERE = ["./backends", "./redis", "./rabbitmq", "./sqlite", "./create", "./cli"];

for (const [name, file] of Object.entries(exports)) {
  if (ELSEWHERE.includes(name) || !existsSync(join(ROOT, file))) continue;
  test(`workerd: a Worker that imports ${name} starts`, async () => {
    const specifier = name.replace(".", "@slack-mcp/queue");
    const code = await bundle({
      code: `import * as entry from "${specifier}";
        export default { fetch: () => Response.json(Object.keys(entry)) };`,
    });
    const miniflare = await startWorkers({ code, compatibilityFlags: [] });
    try {
      const fetch = await fetcher(miniflare, "worker");
      const names = await (await fetch("http://worker/")).json() as string[];
      assert.notEqual(names.length, 0);
    } finally {
      await miniflare.dispose();
    }
  });
}
