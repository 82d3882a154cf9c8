// not on workerd: a command runs where there is a process
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { COMMANDS } from "../../../cli/command.ts";
import { run } from "../../../cli/mod.ts";
import { VERSION } from "../../../cli/version.ts";
import { cliIo } from "../../doubles/cli_io.ts";
import { ROOT } from "../../runner/suites.ts";

async function result(args: readonly string[], env: Readonly<Record<string, unknown>> = {}) {
  const io = cliIo({ env });
  return { code: await run(args, io), out: io.out, err: io.err };
}

test("run: version prints the version of deno.json, for people and as JSON", async () => {
  assert.equal(VERSION, JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8")).version);
  assert.deepEqual(await result(["version"]), { code: 0, out: `${VERSION}\n`, err: "" });
  assert.deepEqual(await result(["--version"]), { code: 0, out: `${VERSION}\n`, err: "" });
  assert.deepEqual(JSON.parse((await result(["version", "--json"])).out), { version: VERSION });
});

test("run: help lists every command, and every command has help of its own", async () => {
  for (const args of [["help"], ["--help"], ["-h"]]) {
    const { code, out } = await result(args);
    assert.equal(code, 0);
    for (const name of Object.keys(COMMANDS)) assert.ok(out.includes(`  ${name} `), name);
  }
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    const { command } = await load();
    assert.equal(command.summary, summary, name);
    const { code, out } = await result([...name.split(" "), "--help"]);
    assert.equal(code, 0);
    assert.match(out, /Usage: /);
    for (const option of ["--help", "--json", "--key", "--group", "--backend", ...Object.keys(command.options)]) {
      assert.ok(out.includes(option), `${name} ${option}`);
    }
    assert.equal((await result(["help", ...name.split(" ")])).out, out);
    assert.ok(out.split("\n").every((line) => line.length <= 120), `${name}: a line over 120 characters`);
  }
});

test("run: a command line without a command shows the help and is wrong usage", async () => {
  const { code, out, err } = await result([]);
  assert.equal(code, 2);
  assert.equal(out, "");
  assert.match(err, /Usage: /);
});

test("run: the first of two words shows the help of the commands behind it", async () => {
  const lines = ["dead list", "dead show", "dead replay", "dead purge"].map((name) =>
    new RegExp(`^  ${name} +\\w`, "m")
  );
  for (const args of [["dead", "--help"], ["dead", "-h"], ["help", "dead"]]) {
    const { code, out, err } = await result(args);
    assert.deepEqual({ code, err }, { code: 0, err: "" });
    for (const line of lines) assert.match(out, line);
  }
  const { code, out, err } = await result(["dead"]);
  assert.deepEqual({ code, out }, { code: 2, out: "" });
  for (const line of lines) assert.match(err, line);
});

const wrong: readonly (readonly [args: readonly string[], sentence: RegExp])[] = [
  [["vresion"], /^Unknown command vresion: did you mean version\?\n$/],
  [["vers"], /^Unknown command vers: did you mean version\?\n$/],
  [["hammer"], /^Unknown command hammer; --help lists all commands\n$/],
  [["version", "--jsn"], /^Unknown option --jsn: did you mean --json\?\n$/],
  [["version", "--zzzzzzzz"], /^Unknown option --zzzzzzzz\n$/],
  [["version", "--yes"], /^Unknown option --yes\n$/],
  [["dead", "lost"], /^dead must be followed by one of list, show, replay, purge\n$/],
  [["version", "-x"], /^Unknown option -x\n$/],
  [["version", "--toString"], /^Unknown option --toString/],
  [["toString"], /^Unknown command toString/],
  [["version", "--key"], /^--key needs a value: --key <name>\n$/],
  [["version", "--key", "--json"], /^--key needs a value/],
  [["version", "--key="], /^--key needs a value/],
  [["version", "--json=no"], /^--json takes no value\n$/],
  [["version", "--no-json"], /^Unknown option --no-json/],
  [["version", "--key", "a", "--key", "b"], /^--key may be given once\n$/],
  [["version", "now"], /^version: one argument too many: now\nUsage: version/],
];
for (const [args, sentence] of wrong) {
  test(`run: "${args.join(" ")}" is wrong usage: one sentence and exit code 2`, async () => {
    const { code, out, err } = await result(args);
    assert.equal(code, 2);
    assert.equal(out, "");
    assert.match(err, sentence);
  });
}
