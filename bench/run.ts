/**
 * Runs the benchmarks one after another, each in a process of its own, so that none warms up the next.
 * `deno task bench` starts it; `deno task bench memory` runs those whose name has that part.
 *
 * Every benchmark is a program `bench/x_bench.ts` that measures what it compares side by side in one run,
 * prints a table with the ratio and the budget, and ends with a code other than 0 where a budget is missed.
 *
 * @module
 */
import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = dirname(fileURLToPath(import.meta.url));
const wanted = Deno.args.filter((arg) => arg !== "--");
const benches = readdirSync(folder)
  .filter((name) => name.endsWith("_bench.ts"))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .sort();

if (benches.length === 0) {
  console.error(`No benchmark${wanted.length > 0 ? ` has ${wanted.join(" or ")} in its name` : ""}`);
  Deno.exit(2);
}
const missed: string[] = [];
for (const name of benches) {
  console.log(`\n=== ${basename(name, "_bench.ts")}`);
  const args = [
    "run",
    "-A",
    "--no-check",
    "--v8-flags=--expose-gc",
    "-c",
    join(folder, "deno.json"),
    join(folder, name),
  ];
  const { code } = await new Deno.Command(Deno.execPath(), { args }).spawn().status;
  if (code !== 0) missed.push(name);
}
console.log(
  `\n${benches.length - missed.length} within budget, ${missed.length} not${missed.map((name) => ` ${name}`)}`,
);
Deno.exit(missed.length === 0 ? 0 : 1);
