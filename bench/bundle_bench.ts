/**
 * What a Worker uploads: whole Workers, bundled and minified by esbuild as Wrangler does, in bytes of gzip.
 *
 * @module
 */
import { build } from "esbuild";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

interface Bundle {
  readonly name: string;
  /** Bytes of gzip: 1 KB is 1,024. */
  readonly budget: number;
  readonly code: string;
}

const BUNDLES: readonly Bundle[] = [
  {
    name: "core + cloudflare",
    budget: 8 * 1024,
    code: `
      import { createBatchHandler } from "@slack-mcp/queue";
      import { deadLetterTo, fromBindings } from "@slack-mcp/queue/cloudflare";
      export default {
        fetch: async (request, env) => Response.json(await fromBindings(env).publish("slack_events", await request.json())),
        queue: (batch, env) =>
          createBatchHandler({ handler: console.log, deadLetter: deadLetterTo(env.SLACK_EVENTS_DLQ) })(batch),
      };`,
  },
  {
    name: "core + cloudflare + slack",
    budget: 11 * 1024,
    code: `
      import { createBatchHandler } from "@slack-mcp/queue";
      import { deadLetterTo, fromBindings } from "@slack-mcp/queue/cloudflare";
      import { createSlackReceiver, SlackEventRouter } from "@slack-mcp/queue/slack";
      const router = new SlackEventRouter().otherwise(console.log);
      export default {
        fetch: (request, env) =>
          createSlackReceiver({ backend: fromBindings(env), signingSecret: env.SLACK_SIGNING_SECRET }).fetch(request),
        queue: (batch, env) =>
          createBatchHandler({ handler: router.handle, deadLetter: deadLetterTo(env.SLACK_EVENTS_DLQ) })(batch),
      };`,
  },
  {
    name: "core + memory + slack",
    budget: 9 * 1024,
    code: `
      import { createConsumer } from "@slack-mcp/queue";
      import { fromEnv } from "@slack-mcp/queue/memory";
      import { createSlackReceiver, SlackEventRouter } from "@slack-mcp/queue/slack";
      const router = new SlackEventRouter().otherwise(console.log);
      const consumer = createConsumer({ handler: router.handle });
      export default {
        async fetch(request, env, context) {
          const backend = fromEnv(env);
          const answer = createSlackReceiver({ backend, signingSecret: env.SLACK_SIGNING_SECRET }).fetch(request);
          context.waitUntil(answer.then(() => consumer.drain(backend, "slack_events")));
          return await answer;
        },
      };`,
  },
];

/** Bundles a Worker; answers its gzipped size and the share of each file in the minified text. */
async function measure(code: string): Promise<{ gzip: number; minified: number; parts: [string, number][] }> {
  const { exports } = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8")) as { exports: Record<string, string> };
  const { outputFiles, metafile } = await build({
    stdin: { contents: code, resolveDir: ROOT, loader: "ts" },
    absWorkingDir: ROOT,
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    target: "esnext",
    platform: "neutral",
    alias: Object.fromEntries(
      Object.entries(exports).map(([name, file]) => [name.replace(".", "@slack-mcp/queue"), join(ROOT, file)])
        .sort(([a = ""], [b = ""]) => b.length - a.length),
    ),
  });
  const text = outputFiles[0]!.contents;
  const [output] = Object.values(metafile.outputs);
  const parts = Object.entries(output!.inputs).map((
    [file, { bytesInOutput }],
  ): [string, number] => [file, bytesInOutput]);
  return { gzip: gzipSync(text, { level: 9 }).length, minified: text.length, parts };
}

let missed = false;
for (const { name, budget, code } of BUNDLES) {
  const { gzip, minified, parts } = await measure(code);
  missed ||= gzip > budget;
  console.log(
    `${name.padEnd(28)} ${String(gzip).padStart(6)} B gzip of ${budget} (${
      (gzip / budget).toFixed(2)
    }×), ${minified} B minified  ${gzip > budget ? "OVER" : "ok"}`,
  );
  if (!Deno.args.includes("--parts")) continue;
  for (const [file, bytes] of parts.sort(([, a], [, b]) => b - a)) {
    console.log(`  ${String(bytes).padStart(6)} ${file}`);
  }
}
Deno.exit(missed ? 1 : 0);
