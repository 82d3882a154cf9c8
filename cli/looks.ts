/**
 * Shared by the commands that look into a queue: counts for each group, messages and ages as text.
 *
 * @module
 */
import { QueueError } from "../core/errors.ts";
import type { Inspection, LeasingBackend, QueueDepth } from "../core/protocol.ts";
import { printable } from "./render.ts";

/** The counts of one group. */
export interface GroupDepth extends QueueDepth {
  /** The group. */
  readonly group: string;
  /** Messages that no consumer of the group has yet: ready and blocked. */
  readonly lag: number;
  /** When the oldest unsettled message was published; `undefined` where there is none, `null` where it cannot be told. */
  readonly oldest: Date | undefined | null;
}

/** Returns what a look resolves with; `undefined` where the backend cannot tell. */
export async function supported<T>(look: Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await look;
  } catch (error) {
    if (error instanceof QueueError && error.code === "unsupported") return undefined;
    throw error;
  }
}

/**
 * Returns the backend's looks.
 *
 * @throws {QueueError} `"unsupported"`.
 */
export function inspectionOf(backend: LeasingBackend, what: string): Inspection {
  if (backend.inspect) return backend.inspect;
  throw new QueueError("unsupported", `Cannot ${what}: the ${backend.name} backend cannot be looked into`);
}

/**
 * Counts a key for one group, or for each group that it has.
 *
 * @param group The one group; `undefined`: all of them, and `otherwise` where there are none or they cannot be told.
 */
export async function depthsOf(
  backend: LeasingBackend,
  key: string,
  { group, otherwise, signal }: {
    readonly group: string | undefined;
    readonly otherwise: string;
    readonly signal: AbortSignal;
  },
): Promise<GroupDepth[]> {
  const { inspect } = backend;
  const known = group === undefined ? await supported(inspect?.groups(key, { signal })) ?? [] : [group];
  const groups = known.length === 0 ? [otherwise] : [...known].sort();
  return await Promise.all(groups.map(async (group) => {
    const { ready, inFlight, delayed, blocked, dead } = await backend.depth(key, { group, signal });
    const told = await supported(inspect?.oldest(key, { group, signal }).then((at) => ({ at })));
    return { group, ready, inFlight, delayed, blocked, dead, lag: ready + blocked, oldest: told ? told.at : null };
  }));
}

const UNITS: readonly (readonly [seconds: number, name: string])[] = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
  [1, "s"],
];

/** Returns how long ago a moment is, such as `"5 min"`; nothing where it is not known. */
export function ageOf(at: Date | undefined | null, now: number): string {
  if (!at) return "";
  const seconds = Math.max(0, Math.floor((now - at.getTime()) / 1_000));
  const [length, name] = UNITS.find(([length]) => seconds >= 2 * length) ?? [1, "s"];
  return `${Math.floor(seconds / length)} ${name}`;
}

/** Returns a payload as one line; a body where it is none. */
export function payloadText({ payload, body }: { readonly payload?: unknown; readonly body: string }): string {
  return payload === undefined ? printable(body) : JSON.stringify(payload);
}

/** The content of a peeked message or a dead letter, hidden unless `--payload` asks for it. */
export interface Content {
  readonly payload?: unknown;
  readonly body: string;
  readonly bodyEncoding?: "base64" | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/** Returns the members of a message for JSON: payload, body and headers only where they are asked for. */
export function shown<T extends Content>(message: T, withPayload: boolean): object {
  const { payload, body, bodyEncoding, headers, ...rest } = message;
  if (!withPayload) return { ...rest, readable: payload !== undefined };
  return { ...rest, headers, ...payload === undefined ? { body, bodyEncoding } : { payload } };
}
