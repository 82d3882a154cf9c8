/**
 * Names of files and packages in rules, settings and documents, to find those of something that does not exist.
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { LAYERS, PACKAGES, SIDES, WITH_NODE, WITH_RUNTIME } from "./architecture.ts";

/** A name, and what has it. */
export interface Named {
  /** The rule or file, for the error. */
  readonly by: string;
  /** A path from the repository's folder; or the name of a package where `kind` says so. */
  readonly name: string;
  readonly kind?: "package";
}

interface Config {
  readonly exports: Readonly<Record<string, string>>;
  readonly imports: Readonly<Record<string, string>>;
  readonly publish: { readonly include: readonly string[]; readonly exclude: readonly string[] };
}

/** The names in the rules of the layers. */
function namesInLayers(): Named[] {
  const paths = [
    ...Object.entries(LAYERS).flatMap(([module, below]) => [module, ...below]).map((name) => ["LAYERS", name]),
    ...Object.values(PACKAGES).flat().map((name) => ["PACKAGES", name]),
    ...WITH_NODE.map((name) => ["WITH_NODE", name]),
    ...WITH_RUNTIME.map((name) => ["WITH_RUNTIME", name]),
    ...SIDES.map((name) => ["SIDES", `core/${name}`]),
  ].map(([by, name]): Named => ({ by: by!, name: name! }));
  return [...paths, ...Object.keys(PACKAGES).map((name): Named => ({ by: "PACKAGES", name, kind: "package" }))];
}

/** The names in `deno.json`. */
export function namesInConfig({ exports, publish }: Pick<Config, "exports" | "publish">): Named[] {
  return [
    ...Object.values(exports).map((name) => ({ by: "exports", name })),
    ...publish.include.map((name) => ({ by: "publish.include", name })),
    ...publish.exclude.map((name) => ({ by: "publish.exclude", name })),
  ];
}

/**
 * The names in the tree of folders of a document: the first fenced block whose lines are a name and what it is. What is
 * indented stands in the folder above it.
 */
export function namesInTree(file: string, text: string): Named[] {
  const block = /^```\n(mod\.ts [\s\S]*?)^```$/m.exec(text)?.[1] ?? "";
  let folder = "";
  return block.split("\n").flatMap((line) => {
    // A name ends with a slash or an ending, and at least two spaces follow it.
    const names = [...line.matchAll(/(?<=^ *| {2})([\w-]+(?:\/|\.ts))(?= {2,}|$)/g)].map(([name]) => name);
    const within = line.startsWith("  ") ? folder : "";
    if (within === "" && names.length > 0) folder = names[0]!;
    return names.map((name) => ({ by: file, name: within + name }));
  });
}

/** The names in a document: what it links to, and in CONTRIBUTING.md each path in backticks too. */
export function namesInDocument(file: string, text: string): Named[] {
  const links = [...text.matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g)].map(([, link = ""]) =>
    normalize(join(dirname(file), link))
  );
  const paths = file === "CONTRIBUTING.md"
    ? [
      ...text.matchAll(/`((?:core|backends|slack|testing|cli|create|examples|bench|docs|tests|templates)\/[\w./-]+)`/g),
    ]
      .map(([, path = ""]) => path)
    : [];
  return [...links, ...paths].map((name) => ({ by: file, name }));
}

/** The documents of the repository. */
function documents(root: string): string[] {
  const here = readdirSync(root).filter((name) => name.endsWith(".md"));
  const below = ["docs", "examples/server", "examples/worker", "examples/plugin"].flatMap((folder) =>
    readdirSync(join(root, folder)).filter((name) => name.endsWith(".md")).map((name) => `${folder}/${name}`)
  );
  return [...here, ...below];
}

/** All names that are checked. */
export function allNames(root: string): Named[] {
  const read = (file: string) => readFileSync(join(root, file), "utf8");
  return [
    ...namesInLayers(),
    ...namesInConfig(JSON.parse(read("deno.json")) as Config),
    ...namesInTree("CONTRIBUTING.md", read("CONTRIBUTING.md")),
    ...documents(root).flatMap((file) => namesInDocument(file, read(file))),
  ];
}

/** Returns one line for each name of something that does not exist. */
export function ghosts(root: string, names: readonly Named[]): string[] {
  const { imports } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8")) as Config;
  const exists = ({ name, kind }: Named) => kind === "package" ? name in imports : existsSync(join(root, name));
  return names.filter((one) => !exists(one)).map(({ by, name }) => `${by} names ${name}, which does not exist`);
}
