import type { CaseResult } from "../../../testing/mod.ts";

/** The cases that a narrowed run was asked for. */
export function ran(cases: readonly CaseResult[]): CaseResult[] {
  return cases.filter(({ status }) => status !== "not-run");
}
