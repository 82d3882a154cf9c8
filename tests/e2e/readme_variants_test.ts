// Each way to serve that README shows, as it stands there, on the runtime that it names: signed events are answered 200
// and handled, also long after the module was evaluated.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { envelopeOf, SAMPLES } from "../../cli/samples.ts";
import { slackRequest } from "../../cli/sign.ts";
import { run } from "../runner/child.ts";
import { ROOT } from "../runner/suites.ts";
import { bunProgram } from "../runtimes/bun/program.ts";
import { portOfAll } from "../servers/ports.ts";

const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";
const MENTION = SAMPLES.find(({ event }) => event.type === "app_mention")!.event;

/** The program that README marks by this name. */
async function program(name: string): Promise<string> {
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const marked = readme.split(`<!-- program: ${name} -->\n`);
  assert.equal(marked.length, 2, `README has one program ${name}`);
  return /```ts ignore\n([\s\S]*?)```/.exec(marked[1]!)![1]!;
}

/** A project of a user: the program, and the package by its name for Deno and for Bun. */
async function project(code: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "readme-"));
  const { exports } = JSON.parse(await readFile(join(ROOT, "deno.json"), "utf8")) as {
    exports: Record<string, string>;
  };
  const files = Object.entries(exports).map(([name, file]) =>
    [name.replace(".", "@slack-mcp/queue"), join(ROOT, file)] as const
  );
  await writeFile(join(folder, "main.ts"), code);
  const clients = ["ioredis", "@upstash/redis"].map((name) => [name, `npm:${name}`]);
  await writeFile(
    join(folder, "deno.json"),
    JSON.stringify({
      imports: Object.fromEntries([...files.map(([name, file]) => [name, `file://${file}`]), ...clients]),
    }),
  );
  const paths = Object.fromEntries(files.map(([name, file]) => [name, [file]]));
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: { paths } }));
  return folder;
}

/** A line of the program's output with this in it, when it comes; rejects where the program ends before. */
function outputLine(child: ChildProcess, part: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const lines: string[] = [];
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream }).on("line", (line) => {
        lines.push(line);
        if (line.includes(part)) resolve(line);
      });
    }
    child.once("close", (code) => reject(new Error(`It ended with ${code} without "${part}":\n${lines.join("\n")}`)));
  });
}

async function answers(url: string): Promise<Response> {
  for (;;) {
    const response = await fetch(`${url}/health`).catch(() => undefined); // not yet listening
    if (response) return response;
    await new Promise((resolve) => setTimeout(resolve, 20)); // another process: nothing tells when it listens
  }
}

interface Variant {
  readonly name: string;
  readonly command: (port: number) => readonly [string, ...string[]];
  /** What stands in place of the line `export default receiver`. */
  readonly last?: (port: number) => string;
}

const VARIANTS: readonly Variant[] = [
  { name: "deno serve -A main.ts", command: (port) => [Deno.execPath(), "serve", "-A", `--port=${port}`, "main.ts"] },
  { name: "bun main.ts", command: () => [bunProgram(), "main.ts"] },
  {
    name: "Deno.serve(receiver.fetch)",
    command: () => [Deno.execPath(), "run", "-A", "main.ts"],
    last: (port) => `Deno.serve({ port: ${port} }, receiver.fetch);`,
  },
  {
    name: "Bun.serve(receiver)",
    command: () => [bunProgram(), "main.ts"],
    last: () => "Bun.serve(receiver);",
  },
];

for (const { name, command, last } of VARIANTS) {
  test(`README: ${name} answers signed events and handles them`, async () => {
    const port = await portOfAll();
    const code = await program("main.ts");
    assert.ok(code.includes(name), `README does not show ${name}`);
    const folder = await project(last ? code.replace(/^export default receiver.*$/m, last(port)) : code);
    const [file, ...args] = command(port);
    const env = {
      ...process.env,
      SLACK_SIGNING_SECRET: SECRET,
      QUEUE_BACKEND: "memory",
      PORT: `${port}`,
      NO_COLOR: "1",
    };
    const child = spawn(file, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
    try {
      const url = `http://127.0.0.1:${port}`;
      const handled = outputLine(child, (MENTION as { text?: string }).text!);
      assert.equal((await Promise.race([answers(url), handled.then(() => assert.fail())]))!.status, 200);
      for (const id of ["Ev1", "Ev2"]) {
        const response = await fetch(
          await slackRequest(`${url}/slack/events`, { secret: SECRET, body: envelopeOf(MENTION, id) }),
        );
        assert.equal(response.status, 200);
        await response.body?.cancel();
      }
      await handled;
    } finally {
      child.kill("SIGKILL");
      await rm(folder, { recursive: true });
    }
  });
}

test("README's Worker program bundles, answers a signed event and handles it", async () => {
  const folder = await project(await program("worker.ts"));
  try {
    // Miniflare's types do not go with Deno's: it is driven by a program of its own.
    const driver = join(ROOT, "tests/runtimes/workerd/support/drive_worker.ts");
    const args = [
      "run",
      "-A",
      "--no-check",
      "-c",
      join(ROOT, "tests/deno.json"),
      driver,
      join(folder, "main.ts"),
      SECRET,
    ];
    const { code, stdout, stderr } = await run(Deno.execPath(), args, { cwd: ROOT });
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout.trim().split("\n").at(-1)!), { status: 200, outcome: "ok", acked: ["m1"] });
  } finally {
    await rm(folder, { recursive: true });
  }
});
