/**
 * Reads the JUnit reports that `deno test`, `bun test` and `node --test` write.
 *
 * @module
 */

/** One test, as a report has it. */
export interface TestCase {
  /** With the names of what it is in, such as `"group > name"`. */
  readonly name: string;
  /** The file, where the report knows it. */
  readonly file: string;
  /** What became of it. `"unproven"`: the conformance kit found that the case cannot be run here, and said why. */
  readonly status: "passed" | "failed" | "skipped" | "unproven";
  /** What a failed test threw, with where; without it where the report does not know. */
  readonly reason?: string | undefined;
}

/** How the conformance kit ends the names of cases that a backend or a harness has no place for. */
const UNPROVEN = / \(not (applicable|declared|proven): .*\)$/;

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function decode(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return ENTITIES[name] ?? whole;
    return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16));
  });
}

function attribute(tag: string, name: string): string {
  return decode(new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1] ?? "");
}

/** The tests of a report. Of a test with steps, or a group, only what is innermost counts. */
export function parseJUnit(xml: string): TestCase[] {
  const all: TestCase[] = [];
  for (
    const [, tag = "", body = ""] of xml.matchAll(/<testcase\b((?:"[^"]*"|[^">])*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)
  ) {
    const group = attribute(tag, "file") === "" ? "" : attribute(tag, "classname"); // Bun's: the groups around it
    const name = attribute(tag, "name");
    const [, reason = ""] = /<(?:failure|error)\b(?:"[^"]*"|[^">])*>([\s\S]*?)<\/(?:failure|error)>/.exec(body) ?? [];
    const skipped = UNPROVEN.test(name) ? "unproven" : "skipped";
    all.push({
      name: group === "" ? name : `${group} > ${name}`,
      file: attribute(tag, "file") || attribute(tag, "classname"),
      status: /<(failure|error)\b/.test(body) ? "failed" : /<skipped\b/.test(body) ? skipped : "passed",
      ...reason !== "" && { reason: decode(reason) },
    });
  }
  return all.filter((one) => {
    const inside = all.filter((other) => other.name.startsWith(`${one.name} > `));
    return inside.length === 0 || (one.status === "failed" && inside.every((other) => other.status !== "failed"));
  });
}
