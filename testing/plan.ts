/**
 * Decides before a run which cases can run, and why the others cannot.
 *
 * @module
 */
import type { Capabilities } from "../core/protocol.ts";
import { declares } from "./capability.ts";
import type { ConformanceCase, HarnessFeatureName } from "./case.ts";
import { conformanceCases } from "./cases/mod.ts";
import type { Broker } from "./harness.ts";
import type { CaseStatus } from "./report.ts";

/** The plan of one case. */
export interface Plan {
  readonly case: ConformanceCase;
  /** `undefined`: to be run. */
  readonly skip?: { readonly status: CaseStatus; readonly reason: string } | undefined;
  /** Run although its capability is not declared, so that the report says whether it works. */
  readonly tried: boolean;
}

/**
 * Plans all cases.
 *
 * @param only The ids of the cases to run. Default: all.
 * @param capabilities `undefined`: the backend offers no leases.
 */
export function planCases(
  broker: Broker,
  capabilities: Capabilities | undefined,
  only: readonly string[] | undefined,
): Plan[] {
  return conformanceCases.map((one) =>
    only?.includes(one.id) ?? true ? planOf(one, broker, capabilities) : leftOut(one)
  );
}

/**
 * Refuses a case that does not exist: a slip would otherwise run nothing and look like success.
 *
 * @throws {RangeError}
 */
export function checkOnly(only: readonly string[] | undefined): void {
  const unknown = only?.filter((id) => !conformanceCases.some((one) => one.id === id)) ?? [];
  if (unknown.length > 0) throw new RangeError(`only must name cases of the kit, found ${unknown.join(", ")}`);
}

function leftOut(one: ConformanceCase): Plan {
  return { case: one, skip: { status: "not-run", reason: "left out by only" }, tried: false };
}

function planOf(
  one: ConformanceCase,
  broker: Broker,
  capabilities: Capabilities | undefined,
): Plan {
  const plan = (status: CaseStatus, reason: string): Plan => ({ case: one, skip: { status, reason }, tried: false });
  if (one.level !== "queue" && !capabilities) return plan("not-declared", "the backend offers no leases");
  if (one.lacks && declares(capabilities, one.lacks)) return plan("not-applicable", `the backend has ${one.lacks}`);
  const undeclared = one.needs.filter((name) => !declares(capabilities, name));
  if (undeclared.length > 0) return plan("not-declared", `the backend does not declare ${undeclared.join(", ")}`);
  const tried = one.proves !== undefined && !declares(capabilities, one.proves);
  const missing = one.features.filter((name) => !has(broker, name));
  if (missing.length > 0) {
    const reason = `the harness lacks ${missing.join(", ")}`;
    return tried ? plan("not-declared", `${one.proves} is not declared, and ${reason}`) : plan("not-proven", reason);
  }
  return { case: one, tried };
}

function has(broker: Broker, name: HarnessFeatureName): boolean {
  return name === "secrets" ? (broker.secrets?.length ?? 0) > 0 : broker[name] !== undefined;
}
