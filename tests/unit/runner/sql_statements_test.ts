// not on workerd: reads files
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readList, renderStatements, STATEMENTS_FILE } from "../../runner/sql_statements.ts";
import { ROOT } from "../../runner/suites.ts";

const HEADER = "-- Moves one.\n-- Parameters: key, now\n-- Returns: nothing.\n";

test("renderStatements makes the file that is there (deno task scripts)", () => {
  assert.equal(readFileSync(join(ROOT, STATEMENTS_FILE), "utf8"), renderStatements(ROOT));
});

test("readList numbers the parameters of each statement and keeps the rest", () => {
  const list = readList(
    "move.sql",
    `${HEADER}update a set b = :now -- why\nwhere c = :key\n  and d = :now;\n\nselect text(a.b);\n`,
  );
  assert.deepEqual(list, {
    name: "move",
    summary: "Moves one.",
    params: ["key", "now"],
    statements: [
      { text: "update a set b = ?1 where c = ?2 and d = ?1", params: ["now", "key"] },
      { text: "select iif(instr(a.b, char(0)) > 0, cast(a.b as blob), a.b)", params: [] },
    ],
  });
});

test("readList refuses a header that lacks something, and parameters that do not match", () => {
  assert.throws(() => readList("a.sql", "select 1;\n"), /its header must have/);
  assert.throws(() => readList("a.sql", `${HEADER}select :other;\n`), /its header does not name :other/);
  assert.throws(() => readList("a.sql", `${HEADER}select :key;\n`), /no statement uses :now/);
});
