/**
 * Writes `create/templates.ts` out of the files in `templates/`: `deno task templates`.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { filesUnder, ROOT } from "./suites.ts";

/** Where the generated module is. */
export const TEMPLATES_FILE = "create/templates.ts";

/** A text as a template literal. */
function literal(text: string): string {
  return `\`${text.replaceAll("\\", "\\\\").replaceAll("`", "\\`").replaceAll("${", "\\${")}\``;
}

/** The generated module's text. */
export function templatesModule(): string {
  const groups = ["common", "pull", "push", "plain"].map((group) => {
    const entries = filesUnder(`templates/${group}`).map((file) => {
      const path = file.slice(`templates/${group}/`.length);
      return `    ${JSON.stringify(path)}: ${literal(readFileSync(join(ROOT, file), "utf8"))},\n`;
    });
    return `  ${group}: {\n${entries.join("")}  },\n`;
  });
  const { version } = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8")) as { readonly version: string };
  return `// deno-fmt-ignore-file
/**
 * The text of each generated file. Written by \`deno task templates\` out of the folder \`templates\`.
 *
 * @module
 */

/** The version of this package, which a generated one depends on. */
export const VERSION = "${version}";

/** Files by their paths: those of every package, and those of each transport. */
export const TEMPLATES: Readonly<Record<"common" | "pull" | "push" | "plain", Readonly<Record<string, string>>>> = {
${groups.join("")}};
`;
}

if (import.meta.main) writeFileSync(join(ROOT, TEMPLATES_FILE), templatesModule());
