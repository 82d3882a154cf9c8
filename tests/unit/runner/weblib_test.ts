// not on node: asks `deno check`
// not on bun: asks `deno check`
// not on workerd: asks `deno check`
import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { run } from "../../runner/child.ts";
import { libraryFiles, ROOT } from "../../runner/suites.ts";

const upstash = libraryFiles().filter((file) => file === "backends/upstash/mod.ts");

async function check(name: string, source: string): Promise<{ code: number; stderr: string }> {
  const scratch = mkdtempSync(join(tmpdir(), "queue-weblib-"));
  const file = join(scratch, `${name}.ts`);
  // Beside the real sources, since a package's own types could bring the names in.
  const beside = ["env.ts", "core/errors.ts", ...upstash].map((path) => pathToFileURL(join(ROOT, path)).href);
  writeFileSync(file, beside.map((href) => `import ${JSON.stringify(href)};\n`).join("") + source);
  const result = await run(Deno.execPath(), ["check", "-c", join(ROOT, "deno.weblib.json"), file]);
  rmSync(scratch, { recursive: true });
  return result;
}

test("weblib: Deno, process, Buffer and Bun are refused, each by name", async () => {
  const names = ["Deno", "process", "Buffer", "Bun"];
  const { code, stderr } = await check(
    "ambient",
    names.map((name) => `export const x${name}: unknown = ${name};\n`).join(""),
  );
  assert.notEqual(code, 0);
  for (const name of names) assert.match(stderr, new RegExp(`Cannot find name.*'${name}'`));
});

test("weblib: what the web has is there", async () => {
  const source = "export const x: unknown[] = [fetch, crypto.subtle, setTimeout, AbortSignal, TextEncoder, URL];";
  const { code, stderr } = await check("web", source);
  assert.equal(code, 0, stderr);
});
