import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ROOT } from "../../runner/suites.ts";

test("bun: this is Bun, of the version that is pinned", () => {
  const { imports } = JSON.parse(readFileSync(join(ROOT, "tests/deno.json"), "utf8")) as {
    imports: Record<string, string>;
  };
  assert.equal(`npm:bun@${process.versions.bun}`, imports.bun);
});

test("bun: every export of the package is found by its name and loads", async () => {
  const { exports } = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8")) as { exports: Record<string, string> };
  for (const [name, path] of Object.entries(exports)) {
    const byName = await import(name.replace(".", "@slack-mcp/queue"));
    assert.equal(byName, await import(join(ROOT, path)), name);
  }
});
