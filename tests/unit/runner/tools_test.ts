// not on node: runs Deno
// not on bun: runs Deno
// not on workerd: reads files and starts processes
import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../runner/child.ts";
import { ROOT } from "../../runner/suites.ts";
import { installTools } from "../../runner/tools.ts";

test("README commands are what .ci/run runs, in one pinned version of Deno", async () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const commands = readme.split("\n").filter((line) => /^npx -y deno@\S+ task (demo|test|ok)\b/.test(line));
  for (const name of ["demo", "test", "ok"]) {
    assert.equal(commands.filter((line) => line.includes(` task ${name}`)).length, 1, `one command for ${name}`);
  }
  const { code, stdout } = await run("bash", [join(ROOT, ".ci/run"), "--list"]);
  assert.deepEqual([code, stdout.trim().split("\n")], [0, commands]);
  const files = ["README.md", "CONTRIBUTING.md", ".github/workflows/publish.yml"];
  const versions = files.flatMap((file) => readFileSync(join(ROOT, file), "utf8").match(/deno@[\d.]+/g) ?? []);
  assert.deepEqual([...new Set(versions)].length, 1, versions.join(", "));
});

test("installTools announces first installs and names what it cannot install", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "queue-tools-"));
  t.after(() => rmSync(root, { recursive: true }));
  const lines: string[] = [];
  await assert.rejects(
    installTools({ root, log: (line) => lines.push(line) }),
    /^Error: Cannot install the packages of deno.json: /,
  );
  assert.match(lines.join("\n"), /^First run: installing the clients of the backends \(about 3 MB on disk\)/);
  mkdirSync(join(root, "tests"));
  for (const file of ["deno.json", "tests/deno.json"]) {
    writeFileSync(join(root, file), '{ "nodeModulesDir": "auto", "imports": {} }');
  }
  await installTools({ root, log: () => undefined });
});
