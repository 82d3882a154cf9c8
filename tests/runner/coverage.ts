/**
 * Coverage by room of the house, in place of a line per file.
 *
 * @module
 */
import { dirname, relative } from "node:path";
import { run } from "./child.ts";
import { formatTable } from "./table.ts";
import { libraryFiles, ROOT } from "./suites.ts";

interface Count {
  lines: number;
  linesHit: number;
  branches: number;
  branchesHit: number;
}

/** The counts of an LCOV report, by the folder that a file is in. */
export function countByFolder(lcov: string, root: string): Map<string, Count> {
  const folders = new Map<string, Count>();
  for (const record of lcov.split("end_of_record")) {
    const file = /^SF:(.*)$/m.exec(record)?.[1];
    if (file === undefined) continue;
    const folder = dirname(relative(root, file));
    const count = folders.get(folder) ?? { lines: 0, linesHit: 0, branches: 0, branchesHit: 0 };
    folders.set(folder, count);
    for (const [, hits] of record.matchAll(/^DA:\d+,(\d+)/gm)) {
      count.lines++;
      if (hits !== "0") count.linesHit++;
    }
    for (const [, hits] of record.matchAll(/^BRDA:\d+,\d+,\d+,(\d+|-)/gm)) {
      count.branches++;
      if (hits !== "0" && hits !== "-") count.branchesHit++;
    }
  }
  return folders;
}

function percent(hit: number, of: number): string {
  return of === 0 ? "-" : `${(100 * hit / of).toFixed(1)} %`;
}

/** The table for the profiles that `deno test --coverage` left. */
export async function coverageTable(profile: string): Promise<string> {
  const args = ["coverage", "--lcov", "--exclude=/(tests|bench|examples|node_modules)/"];
  const { code, stdout, stderr } = await run(Deno.execPath(), [...args, profile], { cwd: ROOT });
  if (code !== 0) return `no coverage: ${stderr.trim()}`;
  const folders = countByFolder(stdout, ROOT);
  const all: Count = { lines: 0, linesHit: 0, branches: 0, branchesHit: 0 };
  for (const count of folders.values()) {
    for (const name of Object.keys(all) as (keyof Count)[]) all[name] += count[name];
  }
  const rows = [...folders].sort(([a], [b]) => a < b ? -1 : 1).concat([["all", all]]);
  const unseen = [...new Set(libraryFiles().map((file) => dirname(file)))].filter((folder) => !folders.has(folder));
  const table = formatTable(
    ["folder", "lines", "branches"],
    rows.map(([name, count]) => [
      name === "." ? "(root)" : name,
      percent(count.linesHit, count.lines),
      percent(count.branchesHit, count.branches),
    ]),
  );
  return unseen.length === 0 ? table : `${table}\nloaded by no test: ${unseen.join(", ")}`;
}
