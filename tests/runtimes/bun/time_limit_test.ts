// testBackend gives each case a time limit of its own: Bun would end it after five seconds.
import { test } from "node:test";
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { run } from "../../runner/child.ts";
import { bunProgram } from "./program.ts";

test("testBackend lets a case outlast Bun's own limit, with bun:test and node:test", {
  timeout: 600_000,
}, async () => {
  const file = fileURLToPath(new URL("support/slow_kit.ts", import.meta.url));
  const { code, stderr } = await run(bunProgram(), ["test", file]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, / 4 pass\n 0 fail\n/);
});
