/**
 * Turns `lua/*.lua` of the streams engine into one TypeScript file.
 *
 * A script begins with a header: a sentence on what it does, `-- KEYS:` and `-- ARGV:` with a name for each (`...` where
 * more follow), `-- Returns:`, and `-- Traits:` where there are any. The names become local variables; `taken` is the
 * number of named arguments where more follow. `-- include: name` puts a piece of `lua/shared` there, once a script.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The folder of the sources, and the file that is made of them, from the repository's root. */
export const LUA_FOLDER = "backends/streams/lua";
export const SCRIPTS_FILE = "backends/streams/scripts.ts";

const TRAITS = ["repeatable", "publishes"] as const;

/** One script, ready to be sent. */
export interface LuaScript {
  /** The file's name without its ending. */
  readonly name: string;
  /** The first sentence of the header. */
  readonly summary: string;
  /** The names of the keys, in order. */
  readonly keys: readonly string[];
  readonly traits: readonly string[];
  readonly source: string;
}

function field(name: string, header: string, file: string): string {
  const value = new RegExp(`^-- ${name}: (.+)$`, "m").exec(header)?.[1];
  if (value === undefined) throw new Error(`Cannot read ${file}: its header has no ${name}`);
  return value;
}

function namesIn(list: string): { readonly names: readonly string[]; readonly open: boolean } {
  const words = list === "none" ? [] : list.split(", ");
  return { names: words.filter((word) => word !== "..."), open: words.at(-1) === "..." };
}

/** The most names of one line: the formatter would move a longer one away from where it begins. */
const NAMES_A_LINE = 8;

function locals(names: readonly string[], table: string): string {
  if (names.length === 0) return "";
  const list = names.map((name, i) => i === 0 ? name : (i % NAMES_A_LINE === 0 ? ",\n" : ", ") + name).join("");
  return `local ${list} = unpack(${table}, 1, ${names.length})\n`;
}

function piece(name: string, folder: string): string {
  return readFileSync(join(folder, "shared", `${name}.lua`), "utf8");
}

/** Puts the shared pieces in, each where it is first asked for. */
function withIncludes(text: string, folder: string, seen: Set<string>): string {
  return text.replace(/^-- include: (\w+)$/gm, (_, name: string) => {
    if (seen.has(name)) return "";
    seen.add(name);
    return withIncludes(piece(name, folder), folder, seen);
  });
}

/** Without comments, indentation and empty lines: what the server is sent and keeps. */
function compact(source: string): string {
  return source.replace(/^[ \t]*(--.*)?\n/gm, "").replace(/^[ \t]+/gm, "").trim();
}

/**
 * The text of a script, with its pieces. Those that ask for no other come first, and the rest is a function of its own: to
 * make a function that uses a variable of the one around it, Lua looks for that among all that are so used, but takes what
 * is further outside at once. A script makes some eighty functions at each call.
 */
function wholeScript(text: string, names: string, header: string, folder: string): string {
  const asked = new Set<string>();
  withIncludes(header, folder, asked);
  const seen = new Set<string>();
  const front = [...asked].filter((name) => !piece(name, folder).includes("-- include: "))
    .map((name) => withIncludes(`-- include: ${name}`, folder, seen)).join("");
  const rest = withIncludes(text, folder, seen);
  return compact(names + front + (front === "" ? rest : `return (function()\n${rest}\nend)()`));
}

/** Reads one script. */
function readScript(folder: string, file: string): LuaScript {
  const text = readFileSync(join(folder, file), "utf8");
  const header = /^(--.*\n)+/.exec(text)?.[0] ?? "";
  const keys = namesIn(field("KEYS", header, file));
  const args = namesIn(field("ARGV", header, file));
  field("Returns", header, file);
  const traits = /^-- Traits: (.+)$/m.exec(header)?.[1]?.split(", ") ?? [];
  for (const trait of traits) {
    if (!(TRAITS as readonly string[]).includes(trait)) throw new Error(`Cannot read ${file}: no trait ${trait}`);
  }
  const names = locals(keys.names, "KEYS") + locals(args.names, "ARGV") +
    (args.open ? `local taken = ${args.names.length}\n` : "");
  const summary = /^-- ([^]*?\.)(?=\s)/.exec(header)?.[1]?.replaceAll("\n-- ", " ") ?? "";
  const source = wholeScript(text, names, header, folder);
  return { name: file.replace(/\.lua$/, ""), summary, keys: keys.names, traits, source };
}

/** Reads all scripts, in the order of their names. */
export function readScripts(root: string): LuaScript[] {
  const folder = join(root, LUA_FOLDER);
  return readdirSync(folder).filter((file) => file.endsWith(".lua")).sort().map((file) => readScript(folder, file));
}

function literal(text: string): string {
  return "`" + text.replace(/[\\`]|\$(?=\{)/g, "\\$&") + "`";
}

function declaration({ name, summary, keys, traits, source }: LuaScript): string {
  return `/** ${summary} */
export const ${name.toUpperCase()}: Script = {
  name: ${JSON.stringify(name)},
  keys: [${keys.map((key) => JSON.stringify(key)).join(", ")}],
${TRAITS.map((trait) => `  ${trait}: ${traits.includes(trait)},\n`).join("")}  sha: "${
    createHash("sha1").update(source).digest("hex")
  }",
  source: ${literal(source)},
};
`;
}

/** The text of {@link SCRIPTS_FILE}. */
export function renderScripts(root: string): string {
  return `/**
 * The scripts of the streams engine, generated from \`lua/*.lua\` by \`deno task scripts\`. Do not edit.
 *
 * @module
 */
import type { Script } from "./script.ts";

${readScripts(root).map(declaration).join("\n")}`;
}
