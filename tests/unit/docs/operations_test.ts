// not on workerd: reads files
import { test } from "node:test";
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { deadNameOf, delayNameOf, dueNameOf, queueNameOf, scheduleNameOf } from "../../../backends/rabbitmq/names.ts";
import { DEFAULT_EXCHANGE } from "../../../backends/rabbitmq/options.ts";
import { groupKeys, sentKey } from "../../../backends/streams/keys.ts";
import { ROOT } from "../../runner/suites.ts";

const page = readFileSync(join(ROOT, "docs/operations.md"), "utf8");

/** The part of the page between `<!-- name -->` and `<!-- /name -->`. */
function part(name: string): string {
  const text = new RegExp(`<!-- ${name} -->\n([^]*?)<!-- /${name} -->`).exec(page)?.[1];
  assert.ok(text, `docs/operations.md has no part ${name}`);
  return text;
}

/** What stands in backticks in a column of a table. */
function cells(name: string, column: number): string[] {
  const rows = part(name).trim().split("\n").slice(2);
  return rows.map((row) => /^`(.*)`$/.exec(row.split(/(?<!\\)\|/)[column]!.trim())![1]!);
}

function sources(folder: string): string {
  const files = readdirSync(join(ROOT, folder)).filter((file) => file.endsWith(".ts"));
  return files.map((file) => readFileSync(join(ROOT, folder, file), "utf8")).join("\n");
}

test("docs/operations.md has every log line of serve, and none that is not there", () => {
  const code = sources("cli/serve") + readFileSync(join(ROOT, "cli/commands/serve.ts"), "utf8");
  const patterns = [
    /(?:log|#report|#message|report)\(\s*(?:"(?:info|warn|error)"|level),\s*(?:[\w.! =]+"\w+" \? )?"([^"]+)"(?: : "([^"]+)")?/g,
    /: this\.#message\("(?:warn|error)", "([^"]+)"/g,
    /\["(?:info|warn|error)", "([^"]+)"\]/g,
    /^ {2}(?:publish|receive|settle|extend): "([^"]+)"/gm,
    /message: "([^"]+)"/g,
  ];
  const found = patterns.flatMap((pattern) => [...code.matchAll(pattern)].flatMap(([, ...texts]) => texts))
    .filter((text) => text !== undefined);
  assert.ok(found.length > 25, `${found.length} lines found: the patterns do not read the code any more`);
  assert.deepEqual(cells("log lines", 2).sort(), [...new Set(found)].sort());
});

test("docs/operations.md names metrics and outcomes that exist in its alerts", () => {
  const metrics = sources("core/metrics");
  const names = new Set(
    [...metrics.matchAll(/(counter|gauge|durations)\("(\w+)"/g)].map(([, kind, name]) =>
      `slack_queue_${name}${kind === "counter" ? "_total" : kind === "durations" ? "_seconds" : ""}`
    ),
  );
  const { groups: [{ rules }] } = parse(/```yaml\n([^]*?)```/.exec(part("alerts"))![1]!);
  assert.ok(rules.length > 5);
  const outcomes = sources("slack");
  for (const { alert, expr } of rules) {
    for (const [name] of expr.matchAll(/slack_queue_\w+/g)) assert.ok(names.has(name), `${alert}: ${name}`);
    for (const [, outcome] of expr.matchAll(/outcome="(\w+)"/g)) {
      assert.ok(outcomes.includes(`"${outcome}"`), `${alert}: ${outcome}`);
    }
  }
});

test("docs/operations.md has the names of all keys that a queue has in Redis", () => {
  const { group: _group, channel: _channel, ...names } = groupKeys("<key>", "<group>");
  assert.deepEqual(
    cells("redis names", 1).sort(),
    [...Object.values(names), sentKey("<key>", "<publisher>")]
      .filter((name) => name !== "{<key>}:probe").sort(),
  ); // which never exists
});

test("docs/operations.md has the names of all tables in SQLite", () => {
  const schema = readFileSync(join(ROOT, "backends/sql/sql/schema.sql"), "utf8");
  const tables = [...schema.matchAll(/^create table (\w+)/gm)].map(([, name]) => name!);
  assert.deepEqual(cells("sqlite names", 1).sort(), tables.sort());
});

test("docs/operations.md has the names of exchanges and queues in RabbitMQ", () => {
  const naming = { exchange: DEFAULT_EXCHANGE, template: undefined };
  assert.deepEqual(
    cells("rabbitmq names", 1).sort(),
    [
      DEFAULT_EXCHANGE,
      queueNameOf(naming, DEFAULT_EXCHANGE, "<group>"),
      queueNameOf(naming, "<key>", "<group>"),
      deadNameOf("<queue>"),
      delayNameOf("<queue>", "<n>" as never),
      delayNameOf(scheduleNameOf(naming, "<key>"), "<n>" as never),
      dueNameOf(DEFAULT_EXCHANGE),
    ].sort(),
  );
});
