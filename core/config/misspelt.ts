/**
 * Finds variables that are probably misspelt, so that none is ignored in silence.
 *
 * @module
 */
import { nearest } from "../util/nearest.ts";

/** The prefix of a variable: `"REDIS_"` of `REDIS_MAX_LENGTH`. */
const PREFIX = /^[A-Z][A-Z0-9]*_(?=.)/;

/** The longest name that is compared. */
const LONGEST_NAME = 64;

/**
 * Returns one sentence for each variable of an environment that is nearly one of the names known.
 *
 * Of the variables that share a prefix with a known name, only near misses are reported, because the prefix is not ours
 * alone: Kubernetes sets `REDIS_PORT` and `REDIS_SERVICE_HOST` for a service called redis, an image may set
 * `REDIS_VERSION`, an application `SLACK_BOT_TOKEN`. A near miss differs from a known name, underscores aside, in at most
 * a third of the letters after the prefix. It is not reported when the known variable is set too: then it is probably
 * another program's.
 *
 * @param env The environment.
 * @param known The names that are read.
 * @param knownPrefixes The prefixes of further names that are read.
 */
export function misspelt(
  env: Readonly<Record<string, unknown>>,
  known: ReadonlySet<string>,
  knownPrefixes: readonly string[] = [],
): string[] {
  const suffixes = new Map<string, Map<string, string>>();
  for (const name of known) {
    const prefix = prefixOf(name);
    // A variable that is set is not the one that somebody meant to set.
    if (prefix === undefined || isSet(env[name])) continue;
    const names = suffixes.get(prefix) ?? new Map<string, string>();
    suffixes.set(prefix, names.set(lettersOf(name, prefix), name));
  }
  const problems: string[] = [];
  for (const name in env) {
    const prefix = prefixOf(name);
    const names = prefix && suffixes.get(prefix);
    if (!names || name.length > LONGEST_NAME || known.has(name) || !isText(env, name)) continue;
    if (knownPrefixes.some((known) => name.startsWith(known))) continue;
    const meant = nearest(
      lettersOf(name, prefix),
      names.keys(),
      (a, b) => Math.max(1, Math.max(a.length, b.length) / 3),
    );
    if (meant !== undefined) problems.push(`${name} is not a variable that is read: did you mean ${names.get(meant)}?`);
  }
  return problems;
}

function prefixOf(name: string): string | undefined {
  return PREFIX.exec(name.toUpperCase())?.[0];
}

function lettersOf(name: string, prefix: string): string {
  return name.slice(prefix.length).replaceAll("_", "").toUpperCase();
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "";
}

/** A platform's binding is not a misspelt setting. */
function isText(env: Readonly<Record<string, unknown>>, name: string): boolean {
  return typeof env[name] === "string" && env[name] !== "";
}
