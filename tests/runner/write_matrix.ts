/**
 * Runs the conformance tests on all runtimes and writes what they found: `docs/matrix.json` and the tables of
 * docs/conformance.md. `deno task matrix` starts it; `deno task matrix --tables` only writes the tables anew.
 *
 * @module
 */
import { createServer } from "node:http";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { run } from "./child.ts";
import { between, casesTable, type MatrixRow, matrixTable, mergeReports, type SentReport } from "./matrix.ts";
import { ROOT } from "./suites.ts";

const path = (name: string) => join(ROOT, name);

/** Runs the tests and collects the reports that they send. */
async function collect(): Promise<MatrixRow[]> {
  const reports: SentReport[] = [];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    reports.push(JSON.parse(text));
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const args = [
    "run",
    "-A",
    "-c",
    "tests/deno.json",
    "tests/runner/run.ts",
    "--only",
    "conformance",
    "--runtime",
    "deno,bun,workerd,node",
  ];
  const env = { CONFORMANCE_REPORTS: `http://127.0.0.1:${port}/` };
  const { code } = await run(Deno.execPath(), args, { cwd: ROOT, env, inherit: true, timeoutMs: 1_800_000 });
  await new Promise((resolve) => server.close(resolve));
  if (code !== 0) throw new Error("The conformance tests failed: docs/matrix.json is as it was");
  return mergeReports(reports);
}

function writeTables(rows: readonly MatrixRow[]): void {
  const replace = (name: string, mark: string, content: string) =>
    writeFileSync(path(name), between(readFileSync(path(name), "utf8"), mark, content));
  replace("docs/conformance.md", "matrix", matrixTable(rows));
  replace("docs/conformance.md", "cases", casesTable());
}

if (import.meta.main) {
  if (process.argv.includes("--tables")) {
    writeTables(JSON.parse(readFileSync(path("docs/matrix.json"), "utf8")));
  } else {
    const rows = await collect();
    writeFileSync(path("docs/matrix.json"), `${JSON.stringify(rows, undefined, 2)}\n`);
    writeTables(rows);
  }
}
