// not on workerd: reads files
import { test } from "node:test";
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LIBRARY, ROOT } from "../../runner/suites.ts";

interface Config {
  readonly version: string;
  readonly license: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly imports: Readonly<Record<string, string>>;
  readonly publish: { readonly include: readonly string[] };
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

const config = JSON.parse(read("deno.json")) as Config;

test("publish: every export is a file with a module doc and an example", () => {
  for (const [name, path] of Object.entries(config.exports)) {
    assert.ok(existsSync(join(ROOT, path)), `${name} is exported and ${path} does not exist`);
    const doc = /^\/\*\*[\s\S]*?\*\//.exec(read(path))?.[0] ?? "";
    assert.match(doc, /@module/, `${path} does not open with a module doc`);
    assert.match(doc, /```ts/, `the module doc of ${path} has no example`);
  }
});

test("publish: every backend's module is exported by its name", () => {
  for (const name of ["memory", "sqlite", "redis", "upstash", "cloudflare", "rabbitmq"]) {
    const path = `./backends/${name}/mod.ts`;
    assert.equal(config.exports[`./${name}`], existsSync(join(ROOT, path)) ? path : undefined, name);
  }
});

test("publish: what is published is the library and its documents, and nothing else", () => {
  const documents = ["deno.json", "docs/", "README.md", "CHANGELOG.md", "LICENSE"];
  const library = LIBRARY.map((name) => name.endsWith(".ts") ? name : `${name}/`);
  assert.deepEqual([...config.publish.include].sort(), [...documents, ...library].sort());
  for (const document of documents) assert.ok(existsSync(join(ROOT, document)), `${document} does not exist`);
  assert.equal(config.license, "MIT");
});

test("publish: published imports are npm ranges, the same in tests and benchmarks", () => {
  for (const [name, specifier] of Object.entries(config.imports)) {
    assert.match(specifier, /^npm:(@[\w-]+\/)?[\w-]+@\^\d+\.\d+\.\d+$/, name);
    for (const file of ["tests/deno.json", "bench/deno.json"]) {
      const { imports } = JSON.parse(read(file)) as Config;
      assert.equal(imports[name], specifier, `${name} in ${file}`);
    }
  }
});

test("publish: the tools of tests and benchmarks are pinned exactly", () => {
  for (const file of ["tests/deno.json", "bench/deno.json"]) {
    const { imports } = JSON.parse(read(file)) as Config;
    for (const [name, specifier] of Object.entries(imports)) {
      if (name in config.imports || name === "@slack-mcp/queue") continue;
      assert.match(specifier, /^npm:(@[\w-]+\/)?[\w-]+@\d+\.\d+\.\d+$/, `${name} in ${file}`);
    }
  }
});

test("publish: tsconfig.json leads Bun to the same files as the exports", () => {
  const { compilerOptions } = JSON.parse(read("tsconfig.json")) as {
    compilerOptions: { paths: Record<string, string[]> };
  };
  const expected = Object.entries(config.exports).map((
    [name, path],
  ) => [name.replace(".", "@slack-mcp/queue"), [path]]);
  assert.deepEqual(compilerOptions.paths, Object.fromEntries(expected));
});

test("publish: the changelog's first version is the package's", () => {
  assert.equal(/^## (\d+\.\d+\.\d+)/m.exec(read("CHANGELOG.md"))?.[1], config.version);
});
