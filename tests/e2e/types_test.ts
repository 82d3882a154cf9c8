// What users write, type-checked in projects of their own: TypeScript 5.9 and 7, Node's and a bundler's resolution, a
// Worker with the settings of create-cloudflare and the types of `wrangler types`.
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { run } from "../runner/child.ts";
import { libraryFiles, ROOT } from "../runner/suites.ts";
import { wrangler } from "../servers/wrangler.ts";

const COMPILERS = {
  "TypeScript 5.9": fileURLToPath(import.meta.resolve("typescript59/lib/tsc.js")),
  "TypeScript 7": fileURLToPath(import.meta.resolve("typescript7/package.json")).replace("package.json", "bin/tsc"),
};

const NODE_TYPES = dirname(fileURLToPath(import.meta.resolve("@types/node/package.json")));

/** The strictest settings that a user may have. */
const STRICT = {
  target: "esnext",
  lib: ["esnext", "dom"],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  noImplicitOverride: true,
  noImplicitReturns: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  isolatedModules: true,
  verbatimModuleSyntax: true,
  skipLibCheck: false, // our declarations are checked too
  skipDefaultLibCheck: true, // those of the compiler are its own, and half of its time
  noEmit: true,
  types: [],
};

/** What `npm create cloudflare` writes, in its words. */
const CREATE_CLOUDFLARE = {
  target: "es2024",
  lib: ["es2024"],
  jsx: "react-jsx",
  module: "es2022",
  moduleResolution: "Bundler",
  resolveJsonModule: true,
  allowJs: true,
  checkJs: false,
  noEmit: true,
  isolatedModules: true,
  allowSyntheticDefaultImports: true,
  forceConsistentCasingInFileNames: true,
  strict: true,
  skipLibCheck: true,
};

/** A user's program and a backend of somebody's own: modules, which share no name. */
const PROGRAMS = ["app/main.ts", "plugin/my_queue.ts"];

let scratch = "";

/** Runs a compiler on a project; resolves with what it found. */
async function check(compiler: string, project: string, options: object, files: readonly string[]): Promise<string> {
  const config = join(project, `tsconfig.${Math.random().toString(36).slice(2)}.json`);
  await writeFile(config, JSON.stringify({ compilerOptions: options, files }));
  const { stdout, stderr } = await run("node", [compiler, "-p", config], { cwd: project });
  return `${stdout}${stderr}`;
}

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), "queue-types-"));
  // The package as JSR serves it to npm's clients: JavaScript, declarations, and the exports of deno.json.
  const built = join(scratch, "package");
  const { exports, name, version } = JSON.parse(await readFile(join(ROOT, "deno.json"), "utf8"));
  await symlink(join(ROOT, "node_modules"), join(scratch, "node_modules"));
  const found = await check(COMPILERS["TypeScript 7"], scratch, {
    ...STRICT,
    noEmit: false,
    declaration: true,
    rewriteRelativeImportExtensions: true,
    module: "nodenext",
    rootDir: ROOT,
    outDir: built,
    noCheck: true,
  }, libraryFiles().map((file) => join(ROOT, file)));
  assert.equal(found, "");
  const entries = Object.entries(exports as Record<string, string>)
    .map(([key, file]) => [key, file.replace(/\.ts$/, ".js")]);
  const manifest = { name, version, type: "module", exports: Object.fromEntries(entries) };
  await writeFile(join(built, "package.json"), JSON.stringify(manifest));
  for (const project of ["app", "plugin", "worker"]) {
    const folder = join(scratch, project);
    await cp(join(ROOT, "tests/e2e/projects", project), folder, { recursive: true });
    await mkdir(join(folder, "node_modules/@slack-mcp"), { recursive: true });
    await symlink(built, join(folder, "node_modules/@slack-mcp/queue"));
    await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  }
  const worker = join(scratch, "worker");
  await writeFile(join(worker, ".dev.vars"), "SLACK_SIGNING_SECRET=x\n");
  const { code, stdout, stderr } = await wrangler(["types"], worker);
  assert.equal(code, 0, stdout + stderr);
});

after(() => rm(scratch, { recursive: true }));

for (const [name, compiler] of Object.entries(COMPILERS)) {
  for (const [resolution, module] of [["nodenext", "nodenext"], ["bundler", "preserve"]] as const) {
    test(`types: app and plugin compile with ${name}, resolution ${resolution}, all strict options`, async () => {
      const options = { ...STRICT, module, moduleResolution: resolution };
      assert.equal(await check(compiler, scratch, options, PROGRAMS), "");
    });
  }

  test(`types: clients that a user opens are taken by the backends with ${name}`, async () => {
    // The clients' own declarations do not stand the strictest settings.
    const options = { ...STRICT, module: "nodenext", skipLibCheck: true, types: [NODE_TYPES] };
    assert.equal(await check(compiler, join(scratch, "app"), options, ["clients.ts"]), "");
  });

  test(`types: a Worker with create-cloudflare's settings and generated types compiles with ${name}`, async () => {
    const folder = join(scratch, "worker");
    const files = ["worker-configuration.d.ts", "src/index.ts"];
    assert.equal(await check(compiler, folder, CREATE_CLOUDFLARE, files), "");
    const strict = { ...STRICT, lib: ["esnext"], module: "preserve", moduleResolution: "bundler", skipLibCheck: true };
    assert.equal(await check(compiler, folder, strict, files), "");
  });
}
