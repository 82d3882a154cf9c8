/**
 * What a run of the kit found, as data: case by case, and capability by capability.
 *
 * @module
 */
import type { Capabilities } from "../core/protocol.ts";
import { type CapabilityName, capabilityNames, declares } from "./capability.ts";

/** What became of a case. */
export type CaseStatus =
  /** The backend behaves. */
  | "passed"
  /** It does not. */
  | "failed"
  /** The harness lacks a power that the case needs: nothing is known. */
  | "not-proven"
  /** The backend does not declare what the case is about, and does not do it either. */
  | "not-declared"
  /** The backend does what it does not declare. */
  | "undeclared-works"
  /** The case is about the absence of something that the backend has. */
  | "not-applicable"
  /** The runner left it out. */
  | "not-run";

/** One case of a report. */
export interface CaseResult {
  /** The case's id. */
  readonly id: string;
  /** The rule it proves. */
  readonly rule: number;
  /** What must be true. */
  readonly title: string;
  /** What became of it. */
  readonly status: CaseStatus;
  /** The capability it stands for. */
  readonly proves?: CapabilityName | undefined;
  /** Why it was not run, or what went wrong. */
  readonly reason?: string | undefined;
  /** What went wrong. */
  readonly error?: Error | undefined;
}

/** One field of the matrix. */
export type CapabilityStatus =
  /** Declared, and every case about it passed. */
  | "proven"
  /** Declared, and a case about it failed. */
  | "failed"
  /** Declared, and no case about it could be run. */
  | "not proven"
  /** Not declared, and it does not work. */
  | "not declared"
  /** Not declared, and it works. */
  | "works though undeclared";

/** What a run of the kit found. */
export interface ConformanceReport {
  /** The harness's name. */
  readonly backend: string;
  /** Where it ran, such as `"deno"`. */
  readonly runtime: string;
  /** Repeats the run's randomness. */
  readonly seed: number;
  /** Whether it was ten times larger. */
  readonly stress: boolean;
  /** Every case, in the order of the rules. */
  readonly cases: readonly CaseResult[];
  /** Every capability. */
  readonly capabilities: Readonly<Record<CapabilityName, CapabilityStatus>>;
  /** The numbers that the backend declares. */
  readonly limits: { readonly maxPayloadBytes: number; readonly idleCostPerHour: number } | undefined;
  /** How many cases there are of each status. */
  readonly counts: Readonly<Record<CaseStatus, number>>;
}

/** Where this runs, by what the runtime calls itself: `"deno"`, `"bun"`, `"workerd"`, `"node"`, or `"unknown"`. */
export function currentRuntime(): string {
  const userAgent = typeof navigator === "object" ? navigator.userAgent ?? "" : "";
  const names = [["Deno", "deno"], ["Bun", "bun"], ["Cloudflare-Workers", "workerd"], ["Node", "node"]] as const;
  return names.find(([mark]) => userAgent.startsWith(mark))?.[1] ?? "unknown";
}

function statusOf(name: CapabilityName, declared: boolean, results: readonly CaseResult[]): CapabilityStatus {
  const about = results.filter((result) => result.proves === name);
  if (!declared) {
    const works = about.some(({ status }) => status === "undeclared-works") &&
      about.every(({ status }) => status === "undeclared-works" || status === "not-proven");
    return works ? "works though undeclared" : "not declared";
  }
  if (about.some(({ status }) => status === "failed")) return "failed";
  return about.some(({ status }) => status === "passed") ? "proven" : "not proven";
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
    limits: declared && { maxPayloadBytes: declared.maxPayloadBytes, idleCostPerHour: declared.idleCostPerHour },
    counts,
  };
}
