// not on workerd: reads files
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type CapabilityName, capabilityNames } from "../../../testing/mod.ts";
import { between, casesTable, contradictions, type MatrixRow, matrixTable, mergeReports } from "../../runner/matrix.ts";
import { ROOT } from "../../runner/suites.ts";

const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");
const matrix = JSON.parse(read("docs/matrix.json")) as MatrixRow[];

for (
  const [file, mark, content] of [
    ["docs/conformance.md", "matrix", matrixTable(matrix)],
    ["docs/conformance.md", "cases", casesTable()],
  ] as const
) {
  test(`matrix: the table ${mark} of ${file} is the generated one (deno task matrix --tables)`, () => {
    const text = read(file);
    assert.equal(between(text, mark, content), text);
  });
}

test("matrix: nothing in the matrix has failed, and memory is proven on four runtimes", () => {
  for (const { backend, runtime, capabilities } of matrix) {
    const failed = Object.entries(capabilities).filter(([, status]) => status === "failed");
    assert.deepEqual(failed, [], `${backend} on ${runtime}`);
  }
  const memory = matrix.filter(({ backend }) => backend === "memory");
  assert.deepEqual(memory.map(({ runtime }) => runtime), ["deno", "bun", "workerd", "node"]);
  const unproven = Object.entries(memory[0]!.capabilities).filter(([, status]) => status !== "proven");
  assert.deepEqual(unproven, [["push", "not declared"], ["durable", "not declared"]]);
});

const all = (status: MatrixRow["capabilities"][CapabilityName]): MatrixRow["capabilities"] =>
  Object.fromEntries(Object.keys(capabilityNames).map((name) => [name, status])) as MatrixRow["capabilities"];
const row = (backend: string, runtime: string, status: MatrixRow["capabilities"][CapabilityName]): MatrixRow => ({
  backend,
  runtime,
  capabilities: all(status),
  maxPayloadBytes: 128_000,
  idleCostPerHour: 7,
  costPerMessage: 2,
});

test("matrix: runs of one backend on one runtime make one row, a failure above all", () => {
  const reports = [row("a", "bun", "not proven"), row("a", "bun", "proven"), row("a", "deno", "not declared")];
  const merged = mergeReports(reports);
  assert.deepEqual(merged.map(({ runtime, capabilities }) => [runtime, capabilities.ttl]), [
    ["deno", "not declared"],
    ["bun", "proven"],
  ]);
  assert.equal(mergeReports([...reports, row("a", "bun", "failed")])[1]!.capabilities.ttl, "failed");
});

test("matrix: a run that found something else than is written down is a contradiction", () => {
  const written = row("a", "bun", "proven");
  assert.deepEqual(contradictions(written, row("a", "bun", "proven")), []);
  assert.deepEqual(contradictions(written, row("a", "bun", "not proven")), []);
  assert.match(
    contradictions(written, row("a", "bun", "not declared"))[0]!,
    /a on bun: pull is not declared, .* says proven/,
  );
  assert.match(contradictions(undefined, written)[0]!, /has no a on bun/);
  assert.notDeepEqual(contradictions(row("a", "bun", "not declared"), row("a", "bun", "works though undeclared")), []);
});

test("matrixTable puts what differs on a runtime into a footnote", () => {
  const table = matrixTable([row("a", "deno", "proven"), row("a", "bun", "not proven")]);
  assert.match(table, /`ttl`[^|]*\| ✓ \[\^5\] +\|/);
  assert.match(table, /^\[\^5\]: `ttl` of a: ✓ on Deno; \? on Bun\.$/m);
  assert.match(table, /: `maxPayloadBytes` of a: ✓ 128 KB on Deno; \? 128 KB on Bun\.$/m);
  assert.throws(() => between("no marks", "matrix", table), /There is no/);
});
