/**
 * The result of a run of the kit, as data and as text: case by case, and capability by capability.
 *
 * @module
 */
import type { Capabilities } from "../core/protocol.ts";
import { type CapabilityName, capabilityNames, declares } from "./capability.ts";

/** The outcome of a case. */
export type CaseStatus =
  /** The backend behaves. */
  | "passed"
  /** It does not. */
  | "failed"
  /** The harness lacks a feature that the case needs: nothing is known. */
  | "not-proven"
  /** The backend does not declare the capability that the case is about, and does not have it either. */
  | "not-declared"
  /** The backend has a capability that it does not declare. */
  | "undeclared-works"
  /** The case is about the absence of a capability that the backend has. */
  | "not-applicable"
  /** `only`, or the runner's own filter, left it out: nothing is known. */
  | "not-run";

/** One case of a report. */
export interface CaseResult {
  /** The case's id. */
  readonly id: string;
  /** The rule it proves. */
  readonly rule: number;
  /** The sentence that must be true. */
  readonly title: string;
  /** The outcome. */
  readonly status: CaseStatus;
  /** The capability it stands for. */
  readonly proves?: CapabilityName | undefined;
  /** Why it did not run, or why it failed. */
  readonly reason?: string | undefined;
  /** The error of a case that failed. */
  readonly error?: Error | undefined;
}

/** The verdict of a run on one capability. */
export type CapabilityStatus =
  /** Declared, and every case about it ran and passed. */
  | "proven"
  /** Declared, and a case about it failed. */
  | "failed"
  /** Declared, no case about it failed, and at least one did not run: the harness lacks a feature, or it was left out. */
  | "not proven"
  /** Not declared, and it does not work or was not tried in full. */
  | "not declared"
  /** Not declared, and every case about it passed. */
  | "works though undeclared";

/** The result of a run of the kit. */
export interface ConformanceReport {
  /** The harness's name. */
  readonly backend: string;
  /** Where it ran, such as `"deno"`. */
  readonly runtime: string;
  /** Repeats the run's randomness. */
  readonly seed: number;
  /** Whether the cases were ten times larger. */
  readonly stress: boolean;
  /** Every case of the kit, in the order of the rules; also those that did not run. */
  readonly cases: readonly CaseResult[];
  /** Every capability. */
  readonly capabilities: Readonly<Record<CapabilityName, CapabilityStatus>>;
  /** The numbers that the backend declares, `costPerMessage` with its default. */
  readonly limits: DeclaredLimits | undefined;
  /** How many cases have each status. */
  readonly counts: Readonly<Record<CaseStatus, number>>;
}

/** The numbers among the capabilities. */
export type DeclaredLimits = Readonly<Record<"maxPayloadBytes" | "idleCostPerHour" | "costPerMessage", number>>;

/** Returns the runtime's name: `"deno"`, `"bun"`, `"workerd"`, `"node"`, or `"unknown"`. */
export function currentRuntime(): string {
  const userAgent = typeof navigator === "object" ? navigator.userAgent ?? "" : "";
  const names = [["Deno", "deno"], ["Bun", "bun"], ["Cloudflare-Workers", "workerd"], ["Node", "node"]] as const;
  return names.find(([mark]) => userAgent.startsWith(mark))?.[1] ?? "unknown";
}

/** The statuses of a case that says nothing about its capability: it cannot apply to this backend. */
const SAYS_NOTHING: readonly CaseStatus[] = ["not-declared", "not-applicable"];

function statusOf(name: CapabilityName, declared: boolean, results: readonly CaseResult[]): CapabilityStatus {
  const about = results.filter((result) => result.proves === name);
  if (!declared) {
    const works = about.some(({ status }) => status === "undeclared-works") &&
      about.every(({ status }) => status === "undeclared-works" || status === "not-proven" || status === "not-run");
    return works ? "works though undeclared" : "not declared";
  }
  if (about.some(({ status }) => status === "failed")) return "failed";
  // A capability half of whose cases did not run is not proven by the other half.
  const telling = about.filter(({ status }) => !SAYS_NOTHING.includes(status));
  return telling.length > 0 && telling.every(({ status }) => status === "passed") ? "proven" : "not proven";
}

/** Makes a report of the results. */
export function makeReport(
  about: Pick<ConformanceReport, "backend" | "runtime" | "seed" | "stress">,
  declared: Capabilities | undefined,
  cases: readonly CaseResult[],
): ConformanceReport {
  const names = Object.keys(capabilityNames) as CapabilityName[];
  const statuses = names.map((name) => [name, statusOf(name, declares(declared, name), cases)] as const);
  const counts: Record<CaseStatus, number> = {
    passed: 0,
    failed: 0,
    "not-proven": 0,
    "not-declared": 0,
    "undeclared-works": 0,
    "not-applicable": 0,
    "not-run": 0,
  };
  for (const { status } of cases) counts[status]++;
  return {
    ...about,
    cases,
    capabilities: Object.fromEntries(statuses) as Record<CapabilityName, CapabilityStatus>,
    limits: declared && {
      maxPayloadBytes: declared.maxPayloadBytes,
      idleCostPerHour: declared.idleCostPerHour,
      costPerMessage: declared.costPerMessage ?? 1,
    },
    counts,
  };
}

/** Puts texts into columns. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]!.length))) ?? [];
  return rows.map((row) => `  ${row.map((text, column) => text.padEnd(widths[column]!)).join("  ")}`.trimEnd());
}

/**
 * Writes a report as text: capabilities, the cases that failed or did not run with their reasons, and the counts.
 *
 * @param report What {@link runConformance} resolved with or `onReport` got.
 * @returns Lines of plain text, without a line feed at the end.
 *
 * @example
 * ```ts
 * import { MemoryBackend } from "@slack-mcp/queue/memory";
 * import { formatReport, runConformance } from "@slack-mcp/queue/testing";
 *
 * const harness = { name: "memory", open: () => ({ connect: () => new MemoryBackend() }) };
 * const text = formatReport(await runConformance({ harness, only: ["01-arrives"] }));
 * if (!text.includes("1 passed, 0 failed")) throw new Error(text);
 * ```
 */
export function formatReport(report: ConformanceReport): string {
  const { backend, runtime, seed, stress, cases, capabilities, counts } = report;
  const told = cases.filter(({ status }) => status === "failed" || status === "not-proven");
  const known = Object.entries(counts).filter(([status, count]) =>
    count > 0 || status === "passed" || status === "failed"
  );
  return [
    `Conformance of ${backend} on ${runtime}${stress ? ", under stress" : ""} (seed ${seed})`,
    ...columns(Object.entries(capabilities)),
    ...told.length > 0 ? ["Cases that failed or could not run:"] : [],
    ...columns(told.map(({ id, status, reason = "" }) => [id, status, reason])),
    `Cases: ${known.map(([status, count]) => `${count} ${status}`).join(", ")}`,
  ].join("\n");
}
