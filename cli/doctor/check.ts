/**
 * The checks of the doctor and their findings.
 *
 * @module
 */
import type { Finding } from "../../core/protocol.ts";

/** One thing that was looked at. */
export interface Check {
  /** Its name, such as `"connection"`. */
  readonly name: string;
  /** `"skipped"`: it could not be looked at, which says nothing of it. */
  readonly state: "ok" | "wrong" | "skipped";
  /** One sentence more: what was seen, or why nothing was. */
  readonly note?: string | undefined;
  /** The problems, each with its repair. */
  readonly findings: readonly Finding[];
}

/** Returns a check that is right where nothing was found. */
export function judged(name: string, findings: readonly Finding[], note?: string): Check {
  return { name, state: findings.length === 0 ? "ok" : "wrong", note, findings };
}

/** Returns a check that could not be made. */
export function skipped(name: string, note: string): Check {
  return { name, state: "skipped", note, findings: [] };
}
