/**
 * Describes a script that the server runs. The scripts themselves are in `lua/`, and generated into `scripts.ts`.
 *
 * @module
 */
import type { GroupKeys } from "./keys.ts";

/** The names that scripts have for their keys. */
export type KeyName = Exclude<keyof GroupKeys, "group" | "channel"> | "sent";

/** A script, and the name under which a server remembers it. */
export interface Script {
  /** The name of its file, for tests and tools. */
  readonly name: string;
  /** Its keys in order. */
  readonly keys: readonly KeyName[];
  /** Running it again, because its reply was lost, does no harm and returns the same. */
  readonly repeatable: boolean;
  /** It adds messages, which are then to be kept. */
  readonly publishes: boolean;
  /** SHA-1 of the source, in hex. */
  readonly sha: string;
  /** The text that the server runs, without comments and indentation. */
  readonly source: string;
}

/** The keys of a script, in its order. */
export function keysFor(script: Script, keys: { readonly [Name in KeyName]?: string }): string[] {
  return script.keys.map((name) => keys[name]!);
}
