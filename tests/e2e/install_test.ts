// The package as users install it: from a registry on this machine that got what `deno publish` uploads, and as the npm
// tarball of `deno pack`, in folders that hold nothing else.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../runner/child.ts";
import { ROOT } from "../runner/suites.ts";
import { bunProgram } from "../runtimes/bun/program.ts";
import { nodeProgram } from "../runtimes/node/program.ts";
import { type JsrRegistry, startRegistry } from "../servers/jsr_registry.ts";

interface Config {
  readonly version: string;
  readonly repository: string;
  readonly exports: Readonly<Record<string, string>>;
}

const deno = Deno.execPath();
const config = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8")) as Config;
const specifiers = Object.keys(config.exports).map((name) => name.replace(".", "@slack-mcp/queue"));

let registry: JsrRegistry;
let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "install-"));
  registry = await startRegistry();
  await registry.publish(ROOT);
});

after(async () => {
  await registry[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** Makes an empty folder. */
function empty(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}

async function succeed(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = registry.env,
): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, { cwd, env });
  assert.equal(code, 0, `${program} ${args.join(" ")}:\n${stdout}${stderr}`);
  return stdout;
}

/** What a script does with each export, to show that it is the thing and not only a file. */
const USES: Readonly<Record<string, string>> = {
  "@slack-mcp/queue": `typeof module.defineRegistry({}).load === "function"`,
  "@slack-mcp/queue/driver": `module.backoffMs(1, { baseMs: 10, jitter: "none" }) === 10`,
  "@slack-mcp/queue/backends": `"memory" in module.backends`,
  "@slack-mcp/queue/memory": `(await module.fromEnv({}).publish("k", { n: 1 })).outcome === "added"`,
  "@slack-mcp/queue/redis": `typeof module.fromEnv === "function"`,
  "@slack-mcp/queue/sqlite": `typeof module.fromEnv === "function"`,
  "@slack-mcp/queue/rabbitmq": `typeof module.fromEnv === "function"`,
  "@slack-mcp/queue/upstash": `typeof module.fromEnv === "function"`,
  "@slack-mcp/queue/cloudflare": `typeof module.fromEnv === "function"`,
  "@slack-mcp/queue/slack": `typeof module.createSlackReceiver === "function"`,
  "@slack-mcp/queue/testing": `module.conformanceCases.length > 100`,
  "@slack-mcp/queue/cli": `typeof module.run === "function"`,
  "@slack-mcp/queue/create": `"mod.ts" in module.createPlugin("my-queue")`,
};

function script(specifier: string): string {
  const use = USES[specifier] ?? "Object.keys(module).length > 0";
  return `import * as module from ${JSON.stringify(specifier)};
if (!(${use})) throw new Error("it is not what it should be");
console.log("ok");
`;
}

test("deno add installs the package from the registry, and every export works", async () => {
  const app = empty("deno");
  await succeed(deno, ["add", "jsr:@slack-mcp/queue"], app);
  const { imports } = JSON.parse(readFileSync(join(app, "deno.json"), "utf8"));
  assert.deepEqual(imports, { "@slack-mcp/queue": `jsr:@slack-mcp/queue@^${config.version}` });
  for (const [index, specifier] of specifiers.entries()) writeFileSync(join(app, `${index}.ts`), script(specifier));
  await succeed(deno, ["check", ...specifiers.keys().map((index) => `${index}.ts`)], app); // all at once: one graph
  for (const [index, specifier] of specifiers.entries()) {
    assert.equal(await succeed(deno, ["run", "-A", `${index}.ts`], app), "ok\n", specifier);
  }
});

/** The npm packages that a program brings into an empty cache, when it runs or is only fetched. */
async function npmPackages(name: string, program: string, command = ["run", "-A"]): Promise<string[]> {
  const app = empty(name);
  const cache = empty(`${name}-cache`);
  writeFileSync(
    join(app, "deno.json"),
    JSON.stringify({ imports: { "@slack-mcp/queue": `jsr:@slack-mcp/queue@^${config.version}` } }),
  );
  writeFileSync(join(app, "main.ts"), program);
  await succeed(deno, [...command, "main.ts"], app, { ...registry.env, DENO_DIR: cache });
  const npm = join(cache, "npm");
  const hosts = existsSync(npm) ? readdirSync(npm) : [];
  return hosts.flatMap((host) =>
    readdirSync(join(npm, host)).flatMap((entry) =>
      entry.startsWith("@") ? readdirSync(join(npm, host, entry)).map((one) => `${entry}/${one}`) : [entry]
    )
  );
}

/** The packages of npm that an export may bring with it; all others bring none. */
const OWN: Readonly<Record<string, readonly string[]>> = {
  "@slack-mcp/queue/redis": ["ioredis"],
  "@slack-mcp/queue/rabbitmq": ["@cloudamqp/amqp-client", "amqplib"],
  // The map of all: Deno fetches what a literal import() names, before it runs.
  "@slack-mcp/queue/backends": ["ioredis", "@cloudamqp/amqp-client", "amqplib"],
  "@slack-mcp/queue/cli": ["ioredis", "@cloudamqp/amqp-client", "amqplib"],
};

for (const specifier of specifiers) {
  test(`Importing ${specifier} downloads no client but its own`, async () => {
    const found = await npmPackages(`of-${specifier.split("/").slice(2).join("-") || "mod"}`, script(specifier));
    const clients = ["ioredis", "@upstash/redis", "amqplib", "@cloudamqp/amqp-client"].filter((one) =>
      found.includes(one)
    );
    assert.deepEqual(clients.filter((one) => !OWN[specifier]?.includes(one)), []);
    if (OWN[specifier] === undefined) assert.deepEqual(found, []);
  });
}

test("The README's first example on memory downloads no npm package", async () => {
  const readme = new TextDecoder().decode(registry.files("@slack-mcp/queue").get("README.md"));
  const [, example = ""] = /```ts.*\n([\s\S]*?)```/.exec(readme) ?? [];
  assert.match(example, /@slack-mcp\/queue\/memory/);
  assert.deepEqual(await npmPackages("readme", example, ["cache"]), []); // it serves until it is ended
});

test("Published documents link into the package or to absolute addresses", () => {
  const files = registry.files("@slack-mcp/queue");
  const documents = [...files.keys()].filter((file) => file.endsWith(".md"));
  assert.ok(documents.length >= 4, documents.join(", "));
  const lost: string[] = [];
  for (const document of documents) {
    const text = new TextDecoder().decode(files.get(document)).replace(/```[\s\S]*?```|`[^`\n]*`/g, "");
    for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:|^#/.test(target)) continue;
      const path = new URL(target.replace(/#.*$/, ""), `file:///${document}`).pathname.slice(1);
      if (!files.has(path)) lost.push(`${document}: ${target}`);
    }
  }
  assert.deepEqual(lost, []);
});

test("deno.json publishes no test, example or template folder", () => {
  assert.match(config.repository, /^https:\/\//);
  const published = [...registry.files("@slack-mcp/queue").keys()];
  assert.deepEqual(published.filter((file) => /^(tests|examples|bench|templates)\/|_test\.ts$/.test(file)), []);
});

let packed: Promise<string> | undefined;

/** Packs the package for npm, once. Returns the tarball's path. */
function pack(): Promise<string> {
  return packed ??= (async () => {
    const tarball = join(folder, "queue.tgz");
    await succeed(deno, ["pack", "--allow-dirty", "--output", tarball], ROOT, { NO_COLOR: "1" });
    return tarball;
  })();
}

/** Unpacks the npm tarball where a project finds it, beside the client that Redis needs. */
async function npmProject(name: string): Promise<string> {
  const app = empty(name);
  writeFileSync(join(app, "package.json"), JSON.stringify({ name: "app", private: true, type: "module" }));
  const tarball = await pack();
  const target = join(app, "node_modules/@slack-mcp/queue");
  mkdirSync(target, { recursive: true });
  await succeed("tar", ["xzf", tarball, "-C", target, "--strip-components=1"], app);
  // The dependencies, as `npm install` would put them.
  const { dependencies = {} } = JSON.parse(readFileSync(join(target, "package.json"), "utf8")) as {
    readonly dependencies?: Readonly<Record<string, string>>;
  };
  for (const dependency of Object.keys(dependencies)) {
    const place = join(app, "node_modules", dependency);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(realpathSync(join(ROOT, "tests/node_modules", dependency)), place);
  }
  return app;
}

test("The npm tarball works in Bun and in Node 22 or later, with every export", async () => {
  const app = await npmProject("npm");
  const node = nodeProgram(join(ROOT, "tests"));
  for (const [index, specifier] of specifiers.entries()) {
    writeFileSync(join(app, `${index}.mjs`), script(specifier));
    for (const program of [bunProgram(), ...node ? [node] : []]) {
      assert.match(await succeed(program, [`${index}.mjs`], app), /ok\n$/, `${specifier} in ${program}`);
    }
  }
  // Without `await using`, as Node 22 reads it.
  writeFileSync(
    join(app, "main.mjs"),
    `import { createConsumer } from "@slack-mcp/queue";
import { MemoryBackend } from "@slack-mcp/queue/memory";

const backend = new MemoryBackend();
try {
  await backend.publish("slack_events", { type: "event_callback" });
  const consumer = createConsumer({ handler: ({ payload }) => console.log("handled", payload.type) });
  await consumer.drain(backend, "slack_events");
} finally {
  await backend.close();
}
`,
  );
  for (const program of [bunProgram(), ...node ? [node] : []]) {
    assert.match(await succeed(program, ["main.mjs"], app), /handled event_callback\n$/, program);
  }
});

for (const resolution of ["nodenext", "bundler"]) {
  test(
    `The npm tarball type-checks in a strict project with ${resolution} resolution`,
    async () => {
      const app = await npmProject(`types-${resolution}`);
      const types = join(app, "node_modules/@types");
      mkdirSync(types);
      writeFileSync(
        join(app, "main.ts"),
        specifiers.map((specifier, index) => `import * as m${index} from ${JSON.stringify(specifier)};\n`).join("") +
          `import type { Delivery, LeasingBackend } from "@slack-mcp/queue";
import type { QueueDriver } from "@slack-mcp/queue/driver";

export const all: readonly object[] = [${specifiers.map((_, index) => `m${index}`).join(", ")}];
export const handler = async ({ payload, ack }: Delivery): Promise<unknown> => (await ack(), payload["n"]);
export const wrap = (driver: QueueDriver): LeasingBackend => ${
            "m" + specifiers.indexOf("@slack-mcp/queue/driver")
          }.createBackend(driver, { leaseMs: 1_000 });
`,
      );
      const compilerOptions = {
        target: "esnext",
        module: resolution === "nodenext" ? "nodenext" : "esnext",
        moduleResolution: resolution,
        lib: ["esnext", "dom", "dom.asynciterable"],
        strict: true,
        noUncheckedIndexedAccess: true,
        exactOptionalPropertyTypes: true,
        noPropertyAccessFromIndexSignature: true,
        verbatimModuleSyntax: true,
        skipLibCheck: false,
        skipDefaultLibCheck: true, // the compiler's own declarations take half of its time
        noEmit: true,
        types: [],
      };
      writeFileSync(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["main.ts"] }));
      const compiler = fileURLToPath(import.meta.resolve("typescript59/lib/tsc.js"));
      await succeed(nodeProgram(join(ROOT, "tests")) ?? "node", [compiler, "-p", app], app, {});
    },
  );
}
