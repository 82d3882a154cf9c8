// not on workerd: reads files
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { filesUnder, ROOT } from "../../runner/suites.ts";

/** What no file may name, in parts, so that this file does not name it either. */
const FORBIDDEN: readonly RegExp[] = [
  new RegExp(["registry", "npmjs"].join("\\."), "i"), // a registry's host: the reader's own configuration decides
  new RegExp(["deb", "debian"].join("\\."), "i"),
  /(^|[\s"'`(=])\/(work|root|home|Users)\/\w/, // a path of one machine
];

/** What is left open: it is done, or it is an issue. In code alone. */
const UNDONE = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`);

function problemsOf(file: string, text: string): string[] {
  const rules = /\.(ts|js|mjs)$/.test(file) ? [...FORBIDDEN, UNDONE] : FORBIDDEN;
  return text.split("\n").flatMap((line, index) => {
    const found = rules.map((rule) => rule.exec(line)?.[0].trim()).find((match) => match !== undefined);
    return found === undefined ? [] : [`${file}:${index + 1}: ${found}`];
  });
}

/** What git tracks, or all files where this is no clone. */
function trackedFiles(): string[] {
  const { status, stdout } = spawnSync("git", ["ls-files", "-z"], { cwd: ROOT, encoding: "utf8" });
  return status === 0
    ? stdout.split("\0").filter((file) => file !== "")
    : filesUnder(".").filter((file) => !/^(\.git|coverage)\//.test(file));
}

test("hygiene: no file names a registry's host, a machine's path or a task left", () => {
  const files = trackedFiles();
  assert.ok(files.length > 20);
  const problems = files.flatMap((file) => {
    try {
      return problemsOf(file, readFileSync(join(ROOT, file), "utf8"));
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return []; // removed, not yet committed
      throw error;
    }
  });
  assert.deepEqual(problems, []);
});

test("hygiene: each of them would be found", () => {
  const bad = [
    `"tarball": "https://${"registry" + ".npmjs.org"}/x.tgz"`,
    `deb http://${"deb" + ".debian.org"}/debian stable main`,
    `import "/${"root"}/project/mod.ts";`,
    `// TO${"DO"}: later`,
  ];
  for (const line of bad) assert.equal(problemsOf("a.ts", `fine\n${line}\n`).length, 1, line);
  assert.deepEqual(problemsOf("a.ts", "see https://example.com/work/a and ./work/b"), []);
  assert.deepEqual(problemsOf("README.md", `TO${"DO"} lists are an example of a bot`), []);
});

test("hygiene: the names of tests have at most 80 characters", () => {
  const long = trackedFiles().filter((file) => file.endsWith("_test.ts")).flatMap((file) => {
    const names = readFileSync(join(ROOT, file), "utf8").matchAll(/^\s*(?:test|it)\(\s*"([^"\n]+)"/gm);
    return [...names].map(([, name = ""]) => name).filter((name) => name.length > 80).map((name) => `${file}: ${name}`);
  });
  assert.deepEqual(long, []);
});
