/**
 * Prints the size of each Worker's upload. With `--parts`, also the share of each file.
 *
 * @module
 */
import { BUNDLES, measureBundle } from "./bundles.ts";

let missed = false;
for (const { name, budget, code } of BUNDLES) {
  const { gzip, minified, parts } = await measureBundle(code);
  missed ||= gzip > budget;
  console.log(
    `${name.padEnd(28)} ${String(gzip).padStart(6)} B gzip of ${budget} (${
      (gzip / budget).toFixed(2)
    }×), ${minified} B minified  ${gzip > budget ? "OVER" : "ok"}`,
  );
  if (!Deno.args.includes("--parts")) continue;
  for (const [file, bytes] of parts.toSorted(([, a], [, b]) => b - a)) {
    console.log(`  ${String(bytes).padStart(6)} ${file}`);
  }
}
Deno.exit(missed ? 1 : 0);
