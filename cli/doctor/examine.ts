/**
 * Looks at everything, all at the same time, within a few seconds.
 *
 * @module
 */
import type { Clock } from "../../core/util/clock.ts";
import { QueueError } from "../../core/errors.ts";
import type { Env, LeasingBackend, QueueDepth } from "../../core/protocol.ts";
import { abortable, withDeadline } from "../../core/util/async.ts";
import { type Check, judged, skipped } from "./check.ts";
import { compareClock } from "./clock.ts";
import { unsafe } from "./safety.ts";
import { tryMessage } from "./round_trip.ts";
import { failureFinding } from "./settings.ts";
import { readVariables } from "./variables.ts";

/** Milliseconds for everything that is asked of others, where the operator names no others. */
export const ASKING_MS = 3_500;

/** Milliseconds for a second look where that was too short, and for closing. */
const LIMIT_MS = { again: 200, closing: 300 } as const;

/** The installation that is examined, and how. */
export interface Subject {
  readonly env: Env;
  readonly key: string;
  readonly group: string;
  /** The backend's name, for the names of its variables. */
  readonly backend: string;
  /** Whether this installation takes Slack's requests. */
  readonly webhook: boolean;
  /** The URL that is asked for the time. */
  readonly timeUrl: string;
  /** Seconds of the longest handler, where the operator named them. */
  readonly handlerSeconds: number | undefined;
  /** Milliseconds for everything that is asked of others. */
  readonly askingMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Loads the handlers, where there are any. */
  handlers(): Promise<unknown>;
  /** Opens the backend. */
  open(): Promise<LeasingBackend>;
}

/** Looks at everything. Resolves within `askingMs` and 1.5 seconds, also where nothing answers. */
export async function examine(subject: Subject): Promise<Check[]> {
  const { env, key, webhook, clock, askingMs } = subject;
  const late = () => new QueueError("timeout", `no answer came within ${askingMs / 1_000} s`);
  return await withDeadline(clock, askingMs, late, subject.signal, async ({ signal }) => {
    const load = () => abortable(subject.open(), signal);
    const asked = compareClock(subject.timeUrl, clock, signal);
    const { backend, findings } = await readVariables(env, {
      key,
      webhook,
      backend: subject.backend,
      handlers: () => abortable(subject.handlers(), signal),
      load,
    });
    const variables = judged("variables", findings);
    if (backend === undefined) {
      return [variables, skipped("connection", "there is no backend to ask"), await asked];
    }
    try {
      return [variables, ...await examineBackend(subject, backend, signal), await asked];
    } finally {
      await Promise.race([backend.close().catch(() => undefined), pause(clock, LIMIT_MS.closing)]);
    }
  });
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimeout(resolve, ms));
}

async function examineBackend(subject: Subject, backend: LeasingBackend, signal: AbortSignal): Promise<Check[]> {
  const { key, group, clock } = subject;
  const depth = depthOf(subject, backend, signal);
  const [first, message, settings] = await Promise.all([
    connectionOf(subject, backend, signal),
    tryMessage(backend, { key, group, clock, signal }),
    settingsOf(subject, backend, signal),
  ]);
  // A broker that was there and took no message may have said why meanwhile.
  const connection = first.state === "ok" && signal.aborted ? await lookAgain(subject, backend) : first;
  const counts = await depth;
  const dead = counts?.dead ? `${counts.dead} dead letters: see dead list` : undefined;
  const safety = judged("safety", [...unsafe({ ...subject, backend, depth: counts })], dead);
  if (connection.state === "wrong") {
    // Problems that follow from the same cause are not reported again.
    const reason = "the broker cannot be used";
    return [connection, skipped("message", reason), skipped("settings", reason), safety];
  }
  return [connection, message, settings, safety];
}

async function connectionOf({ key }: Subject, backend: LeasingBackend, signal: AbortSignal): Promise<Check> {
  try {
    const { ok, asked = true, latencyMs, error } = await abortable(backend.health({ signal }), signal);
    if (!ok) return judged("connection", [failureFinding(backend.name, key, error)]);
    if (!asked) return skipped("connection", `${backend.name} cannot be asked`);
    return judged("connection", [], `answered in ${Math.round(latencyMs)} ms`);
  } catch (error) {
    return judged("connection", [failureFinding(backend.name, key, error)]);
  }
}

function lookAgain(subject: Subject, backend: LeasingBackend): Promise<Check> {
  const { clock } = subject;
  const late = () => new QueueError("timeout", "the broker answered, and then took no message in time");
  return withDeadline(clock, LIMIT_MS.again, late, undefined, ({ signal }) => connectionOf(subject, backend, signal));
}

async function settingsOf({ key, group }: Subject, backend: LeasingBackend, signal: AbortSignal): Promise<Check> {
  if (!backend.diagnose) return skipped("settings", `${backend.name} tells nothing of its settings`);
  try {
    return judged("settings", await abortable(backend.diagnose(key, { group, signal }), signal));
  } catch (error) {
    return judged("settings", [failureFinding(backend.name, key, error)]);
  }
}

async function depthOf(
  { key, group }: Subject,
  backend: LeasingBackend,
  signal: AbortSignal,
): Promise<QueueDepth | undefined> {
  if (!backend.capabilities.depth) return undefined;
  try {
    return await abortable(backend.depth(key, { group, signal }), signal);
  } catch {
    return undefined; // the check of the connection says why
  }
}
