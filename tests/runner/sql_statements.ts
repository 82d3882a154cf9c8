/**
 * Turns `sql/*.sql` of the SQL engine into one TypeScript file.
 *
 * A file is a list of statements that run as one transaction. It begins with a header: a sentence on what it does,
 * `-- Parameters:` with their names, `-- Returns:`. A statement ends with `;` before an empty line. `:name` becomes a
 * numbered parameter, and `text(x)` an expression that survives a NUL in a text, which some runtimes cut off there.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The folder of the sources, from the repository's root. */
export const SQL_FOLDER = "backends/sql/sql";

/** The file that is made of them, from the repository's root. */
export const STATEMENTS_FILE = "backends/sql/statements.ts";

interface SqlStatement {
  readonly text: string;
  readonly params: readonly string[];
}

interface SqlList {
  /** The file's name without its ending. */
  readonly name: string;
  /** The first sentence of the header. */
  readonly summary: string;
  /** The names of all parameters. */
  readonly params: readonly string[];
  readonly statements: readonly SqlStatement[];
}

function compileStatement(source: string, file: string, known: readonly string[]): SqlStatement {
  const params: string[] = [];
  const text = source
    .replace(/\s+/g, " ").replace(/\( /g, "(").replace(/ \)/g, ")").trim()
    .replace(/\btext\(([\w.]+)\)/g, "iif(instr($1, char(0)) > 0, cast($1 as blob), $1)")
    .replace(/(?<![\w:]):([a-z]\w*)/g, (_, name: string) => {
      if (!known.includes(name)) throw new Error(`Cannot read ${file}: its header does not name :${name}`);
      if (!params.includes(name)) params.push(name);
      return `?${params.indexOf(name) + 1}`;
    });
  return { text, params };
}

/** Reads one list. */
export function readList(file: string, source: string): SqlList {
  const header = /^(--.*\n)+/.exec(source)?.[0] ?? "";
  const summary = /^-- ([^]*?\.)(?=\s)/.exec(header)?.[1]?.replaceAll("\n-- ", " ");
  const names = /^-- Parameters: (.+)$/m.exec(header)?.[1];
  if (summary === undefined || names === undefined || !/^-- Returns: ./m.test(header)) {
    throw new Error(`Cannot read ${file}: its header must have a sentence, "Parameters:" and "Returns:"`);
  }
  const params = names === "none" ? [] : names.split(", ");
  const statements = source.replace(/^--.*\n/gm, "").replace(/\s*--.*$/gm, "").split(/;\n(?:\n|$)/)
    .filter((text) => text.trim() !== "")
    .map((text) => compileStatement(text, file, params));
  const unused = params.find((name) => !statements.some((statement) => statement.params.includes(name)));
  if (unused !== undefined) throw new Error(`Cannot read ${file}: no statement uses :${unused}`);
  return { name: file.replace(/\.sql$/, ""), summary, params, statements };
}

function declaration({ name, summary, statements }: SqlList): string {
  const items = statements.map(({ text, params }) =>
    `  {\n    text: ${JSON.stringify(text)},\n    params: [${
      params.map((one) => JSON.stringify(one)).join(", ")
    }],\n  },\n`
  );
  return `/** ${summary} */\nexport const ${name.toUpperCase()}: StatementList = [\n${items.join("")}];\n`;
}

/** The text of {@link STATEMENTS_FILE}. */
export function renderStatements(root: string): string {
  const folder = join(root, SQL_FOLDER);
  const lists = readdirSync(folder).filter((file) => file.endsWith(".sql")).sort()
    .map((file) => readList(file, readFileSync(join(folder, file), "utf8")));
  return `// deno-fmt-ignore-file
/**
 * The statements of the SQL engine, generated from \`sql/*.sql\` by \`deno task scripts\`. Do not edit.
 *
 * @module
 */
import type { StatementList } from "./port.ts";

${lists.map(declaration).join("\n")}`;
}
