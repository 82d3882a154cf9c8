/**
 * The layers of the repository, as rules over the imports that Deno itself reads from the sources.
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { run } from "./child.ts";

/** One import. */
export interface Edge {
  /** The importing file, from the repository's folder. */
  readonly from: string;
  /** The imported file, or `npm:name`, or `node:name`. */
  readonly to: string;
  /** True for `import()`. */
  readonly dynamic: boolean;
  /** True for types alone. */
  readonly typeOnly: boolean;
}

/** The modules beside itself that a module may import from. All others may import nothing of the house. */
export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  "mod.ts": ["core", "env.ts"],
  "driver.ts": ["core"],
  "env.ts": ["core"],
  "backends": ["core"],
  "slack": ["core"],
  "testing": ["core"],
  "cli": ["core", "slack", "env.ts", "backends"],
  "backends/http.ts": ["core"],
  "backends/sqlite": ["core", "backends/sql"],
  "backends/redis": ["core", "backends/streams"],
  "backends/upstash": ["core", "backends/streams", "backends/http.ts"],
  "backends/cloudflare": ["core", "backends/http.ts"],
};

/** The only modules that a package may be imported in. */
export const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "ioredis": ["backends/redis"],
  "@upstash/redis": ["backends/upstash"],
  "amqplib": ["backends/rabbitmq"],
};

/** The modules that run where `node:` modules are. */
export const WITH_NODE: readonly string[] = ["backends/sqlite", "backends/redis", "backends/rabbitmq", "create", "cli"];

/** The modules that may reach for what a runtime has of its own. */
export const WITH_RUNTIME: readonly string[] = ["create", "cli"];

/** The module of a file: `"core"`, `"backends/redis"`, `"mod.ts"`, or the folder of what is not published. */
export function moduleOf(file: string): string {
  const [first = "", second = ""] = file.split("/");
  return first === "backends" && second !== "mod.ts" ? `${first}/${second}` : first;
}

/** `npm:@scope/name@^1/sub` → `@scope/name`. */
function packageOf(specifier: string): string {
  return /^npm:\/?(@[^/]+\/[^/@]+|[^/@]+)/.exec(specifier)?.[1] ?? specifier;
}

/** The ways of a message through `core/`: they never import one another. */
export const SIDES: readonly string[] = ["publish", "receive", "consume"];

/** Returns the folder of `core/` that a file is in, or `""`. */
function sideOf(file: string): string {
  return /^core\/([^/]+)\//.exec(file)?.[1] ?? "";
}

function brokenLayer({ from, to, dynamic, typeOnly }: Edge): string | undefined {
  const module = moduleOf(from);
  if (to.startsWith("node:")) {
    return WITH_NODE.includes(module) ? undefined : `${from} imports ${to}: ${module} uses the web's own library alone`;
  }
  if (to.startsWith("npm:")) {
    const name = packageOf(to);
    return PACKAGES[name]?.includes(module) ? undefined : `${from} imports the package ${name}: not in this module`;
  }
  const target = moduleOf(to);
  const [side, other] = [sideOf(from), sideOf(to)];
  if (side === "util" && other !== "util" && to !== "core/defaults.ts") {
    return `${from} imports ${to}: util/ knows nothing of queues`;
  }
  if (SIDES.includes(side) && SIDES.includes(other) && side !== other) {
    return `${from} imports ${to}: ${side}/ and ${other}/ never import one another`;
  }
  if (target === module) return undefined;
  if (module === "backends" && target.startsWith("backends/")) { // the map of all: it loads what is asked for
    return dynamic || typeOnly ? undefined : `${from} imports ${to} at once: the map of backends loads by import()`;
  }
  const below = LAYERS[module] ?? (module.startsWith("backends/") ? ["core"] : []);
  return below.includes(target) ? undefined : `${from} imports ${to}: ${module} must not know ${target}`;
}

/** What the edges break of the floors. */
export function brokenLayers(edges: readonly Edge[]): string[] {
  return edges.map(brokenLayer).filter((problem) => problem !== undefined);
}

/** The packages that importing a file brings, types aside. */
export function packagesBehind(file: string, edges: readonly Edge[], withDynamic: boolean): string[] {
  const seen = new Set<string>([file]);
  for (const here of seen) {
    for (const { from, to, dynamic, typeOnly } of edges) {
      if (from === here && !typeOnly && (withDynamic || !dynamic)) seen.add(to);
    }
  }
  return [...seen].filter((one) => one.startsWith("npm:")).map(packageOf).sort();
}

/**
 * Finds files that import one another in a circle, types included: such files can only be understood together.
 *
 * @returns One line for each circle, with its files in the order of the imports.
 */
export function importCircles(edges: readonly Edge[]): string[] {
  const imports = Map.groupBy(edges.filter(({ dynamic }) => !dynamic), ({ from }) => from);
  const done = new Set<string>();
  const way: string[] = [];
  const circles: string[] = [];
  const visit = (file: string): void => {
    const at = way.indexOf(file);
    if (at >= 0) circles.push(`${[...way.slice(at), file].join(" → ")}: a circle of imports`);
    if (at >= 0 || done.has(file)) return;
    way.push(file);
    for (const { to } of imports.get(file) ?? []) visit(to);
    way.pop();
    done.add(file);
  };
  for (const file of imports.keys()) visit(file);
  return circles;
}

/** The code without its comments: good for looking for names, not for running. */
function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1");
}

/** What a file's text breaks: the ambient is `env.ts`'s alone, and the core names no backend. */
export function brokenText(file: string, source: string): string[] {
  const module = moduleOf(file);
  const code = withoutComments(source);
  const problems: string[] = [];
  // The registry's one warning goes to the console unless its caller says where to: all of the ambient that is allowed.
  const ambient = /\b(globalThis(?!\.console\.warn\()|Deno|Bun|process)\b(?=\s*[.[)}]|\s+as\b)/.exec(code)?.[1];
  if (ambient && file !== "env.ts" && !WITH_RUNTIME.includes(module)) problems.push(`${file} reaches for ${ambient}`);
  const tenant = /redis|upstash|cloudflare|rabbitmq|amqp/i.exec(code)?.[0];
  if (tenant && (module === "core" || module === "mod.ts")) problems.push(`${file} names a backend: ${tenant}`);
  return problems;
}

interface Info {
  readonly modules: readonly {
    readonly specifier: string;
    readonly error?: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly code?: { readonly specifier?: string; readonly error?: string };
      readonly type?: { readonly specifier?: string };
      readonly isDynamic?: boolean;
    }[];
  }[];
}

/** All imports of the files, as `deno info` reads them. */
export async function readEdges(root: string, files: readonly string[]): Promise<Edge[]> {
  const scratch = mkdtempSync(join(tmpdir(), "queue-imports-"));
  try {
    const entry = join(scratch, "entry.ts");
    const names = files.map((file) => pathToFileURL(join(root, file)).href);
    writeFileSync(entry, names.map((name) => `import ${JSON.stringify(name)};\n`).join(""));
    const args = ["info", "--json", "-c", join(root, "deno.json"), entry];
    const { code, stdout, stderr } = await run(Deno.execPath(), args);
    if (code !== 0) throw new Error(`deno info ended with ${code}: ${stderr}`);
    const place = (specifier: string) =>
      specifier.startsWith("file:") ? relative(root, fileURLToPath(specifier)) : specifier;
    return (JSON.parse(stdout) as Info).modules
      .filter(({ specifier }) => names.includes(specifier))
      .flatMap(({ specifier, dependencies = [] }) =>
        dependencies.map((dependency): Edge => ({
          from: place(specifier),
          to: place(dependency.code?.specifier ?? dependency.type?.specifier ?? dependency.specifier),
          dynamic: dependency.isDynamic ?? false,
          typeOnly: dependency.code === undefined,
        }))
      );
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** All that the files break. */
export async function brokenRules(root: string, files: readonly string[]): Promise<string[]> {
  const texts = files.flatMap((file) => brokenText(file, readFileSync(join(root, file), "utf8")));
  const edges = await readEdges(root, files);
  return [...brokenLayers(edges), ...importCircles(edges), ...texts];
}
