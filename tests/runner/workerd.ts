/**
 * Cloudflare's own runtime for tests: a bundle as Wrangler would make it, and workers through Miniflare.
 * Needs the tools of `tests/deno.json`: run with `-c tests/deno.json`.
 *
 * @module
 */
import { build, type Plugin } from "esbuild";
import { Miniflare, type WorkerOptions } from "miniflare";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's folder. */
export const ROOT: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The compatibility date of all workers in the tests: the newest that the pinned workerd knows. */
export const COMPATIBILITY_DATE = "2026-04-20";

/** How to bundle. */
export interface BundleOptions {
  /** Module names, and the files that stand for them. */
  readonly alias?: Readonly<Record<string, string>>;
  /** Default: false. */
  readonly minify?: boolean;
}

/** `@slack-mcp/queue/*` by the exports of deno.json, as an importer's package manager would find it. */
function ownPackage(): Plugin {
  return {
    name: "own-package",
    async setup(hooks) {
      const config = JSON.parse(await readFile(join(ROOT, "deno.json"), "utf8"));
      hooks.onResolve({ filter: /^@slack-mcp\/queue(\/|$)/ }, ({ path }) => {
        const file = config.exports[path.replace("@slack-mcp/queue", ".")];
        return file ? { path: join(ROOT, file) } : { errors: [{ text: `deno.json exports no ${path}` }] };
      });
    },
  };
}

/**
 * Bundles one module for a Worker and answers the code.
 *
 * @param entry A file, or `{ code }`: the source of a module whose imports start at the repository's folder.
 */
export async function bundle(entry: string | { readonly code: string }, options: BundleOptions = {}): Promise<string> {
  const { outputFiles } = await build({
    ...typeof entry === "string"
      ? { entryPoints: [entry] }
      : { stdin: { contents: entry.code, resolveDir: ROOT, loader: "ts" } },
    bundle: true,
    write: false,
    format: "esm",
    target: "esnext",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["workerd", "worker", "browser", "import"],
    external: ["node:*", "cloudflare:*"],
    minify: options.minify ?? false,
    logLevel: "silent",
    alias: { ...options.alias },
    plugins: [ownPackage()],
  });
  const code = outputFiles[0]?.text;
  if (code === undefined) throw new Error("esbuild wrote nothing");
  return code;
}

/**
 * Bundles a suite file with the collector in place of `node:test`. The file is loaded within the first request,
 * since workerd allows less outside of one: no random values, no timers, no signals.
 */
export function bundleSuite(file: string): Promise<string> {
  const collector = join(ROOT, "tests/runner/collector.ts");
  const code = `
    import { serveCases } from ${JSON.stringify(collector)};
    const load = () => import(${JSON.stringify(file)});
    export default { fetch: async (request) => (await load(), serveCases(request)) };
  `;
  return bundle({ code }, { alias: { "node:test": collector } });
}

/** One worker: its code, and what it is bound to, in Miniflare's own words. */
export interface TestWorker extends Partial<Omit<WorkerOptions, "modules" | "script" | "scriptPath">> {
  /** Default: `"worker"`. */
  readonly name?: string;
  /** The module's code, as {@link bundle} made it. */
  readonly code: string;
}

/** Starts workers in one workerd. Close it with `dispose()`. */
export async function startWorkers(...workers: readonly TestWorker[]): Promise<Miniflare> {
  const miniflare = new Miniflare({
    workers: workers.map(({ code, name = "worker", ...options }) => ({
      compatibilityDate: COMPATIBILITY_DATE,
      compatibilityFlags: ["nodejs_compat"],
      ...options,
      name,
      modules: [{ type: "ESModule", path: `${name}.mjs`, contents: code }],
    })),
  });
  await miniflare.ready;
  return miniflare;
}

/** Sends requests to one of the workers by its name. Miniflare's own types name a fetcher that Deno cannot read. */
export async function fetcher(
  miniflare: Miniflare,
  name: string,
): Promise<(url: string, init?: RequestInit) => Promise<Response>> {
  const worker = await miniflare.getWorker(name) as unknown as { fetch: typeof fetch };
  return (url, init) => worker.fetch(url, init);
}
