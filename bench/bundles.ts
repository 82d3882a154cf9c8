/**
 * Whole Workers and their budgets: bundled and minified by esbuild as Wrangler does, in bytes of gzip. The benchmark
 * prints them; a test holds them.
 *
 * @module
 */
import { build } from "esbuild";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** A Worker to measure. */
export interface Bundle {
  readonly name: string;
  /** Bytes of gzip that it should have: 1 KB is 1,024. */
  readonly budget: number;
  /** Bytes of gzip that it must not exceed where the budget is not reached yet. Default: the budget. */
  readonly ceiling?: number;
  readonly code: string;
}

/** A measured Worker. */
export interface BundleSize {
  /** Bytes, compressed by gzip at its highest level. */
  readonly gzip: number;
  /** Bytes before compression. */
  readonly minified: number;
  /** Each file with its share of the minified text. */
  readonly parts: readonly (readonly [file: string, bytes: number])[];
}

/** The Workers. */
export const BUNDLES: readonly Bundle[] = [
  {
    name: "cloudflare, publishes only",
    budget: 5.5 * 1024,
    code: `
      import { fromBindings } from "@slack-mcp/queue/cloudflare";
      export default {
        fetch: async (request, env) => Response.json(await fromBindings(env).publish("slack_events", await request.json())),
      };`,
  },
  {
    name: "cloudflare, handles only",
    budget: 5.5 * 1024,
    code: `
      import { createBatchHandler } from "@slack-mcp/queue";
      import { deadLetterTo } from "@slack-mcp/queue/cloudflare";
      export default {
        queue: (batch, env) =>
          createBatchHandler({ handler: console.log, deadLetter: deadLetterTo(env.SLACK_EVENTS_DLQ) })(batch),
      };`,
  },
  {
    name: "cloudflare, both",
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
    name: "cloudflare and slack",
    budget: 11 * 1024,
    ceiling: 11.6 * 1024,
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
    name: "the example Worker",
    budget: 12 * 1024,
    code: `export { default } from "./examples/worker/main.ts";`,
  },
  {
    name: "memory and slack",
    budget: 22 * 1024,
    ceiling: 26.3 * 1024,
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

/** Bundles a Worker and measures it. */
export async function measureBundle(code: string): Promise<BundleSize> {
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
  const parts = Object.entries(output!.inputs).map(([file, { bytesInOutput }]) => [file, bytesInOutput] as const);
  return { gzip: gzipSync(text, { level: 9 }).length, minified: text.length, parts };
}
