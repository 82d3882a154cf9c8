/**
 * Where the reports of the conformance tests go: held against the matrix that is written down, and sent to the script
 * that writes a new one.
 *
 * @module
 */
import process from "node:process";
import matrix from "../../docs/matrix.json" with { type: "json" };
import type { ConformanceReport } from "../../testing/report.ts";
import { contradictions, type MatrixRow, type SentReport } from "./matrix.ts";

/** For `onReport`: takes the report under the name of its column. A run that was narrowed says nothing. */
export function reportAs(backend: string): (report: ConformanceReport) => Promise<void> {
  return async ({ runtime, capabilities, limits, counts }) => {
    if (counts["not-run"] > 0) return;
    // JSON has no Infinity.
    const known = limits &&
      { ...limits, maxPayloadBytes: Number.isFinite(limits.maxPayloadBytes) ? limits.maxPayloadBytes : null };
    const sent: SentReport = { backend, runtime, capabilities, limits: known };
    const { CONFORMANCE_REPORTS: url } = process.env;
    if (url) {
      await fetch(url, { method: "POST", body: JSON.stringify(sent) });
      return;
    }
    const row = (matrix as readonly MatrixRow[]).find((row) => row.backend === backend && row.runtime === runtime);
    const wrong = contradictions(row, sent);
    if (wrong.length > 0) throw new Error(`${wrong.join("\n")}\nTo write it anew: deno task matrix`);
  };
}
