/**
 * Looks into a stream for what makes events get lost or late later on, and removes a queue that existed for a try.
 *
 * @module
 */
import type { Finding } from "../../core/protocol.ts";
import type { Clock } from "../../core/util/clock.ts";
import { groupKeys, queueKeys } from "./keys.ts";
import { keysFor } from "./script.ts";
import { DIAGNOSE, DROP } from "./scripts.ts";
import type { StreamsTransport } from "./transport.ts";

/** Milliseconds for which a message may wait before a group counts as one that nobody reads. */
const UNREAD_MS = 120_000;

/** Milliseconds by which the server's clock may differ from this computer's. */
const CLOCK_MS = 60_000;

/** The most pending entries of a group that are looked for. */
const PENDING = "1000";

/** The state of one group, as the script returns it. */
interface GroupState {
  readonly name: string;
  /** Epoch ms of the oldest entry that no consumer has; undefined: there is none. */
  readonly waitsSince: number | undefined;
  /** Milliseconds since a consumer last read; undefined: none ever has. */
  readonly idleMs: number | undefined;
  /** Pending entries that are not in the stream any more. */
  readonly gone: number;
}

function numberIn(text: string | undefined): number | undefined {
  return text === undefined || text === "" ? undefined : Number(text);
}

function* groupsIn(words: readonly string[]): Generator<GroupState> {
  for (let i = 0; i + 3 < words.length; i += 4) {
    const [name, waits, idle, gone] = words.slice(i, i + 4) as [string, string, string, string];
    yield { name, waitsSince: numberIn(waits), idleMs: numberIn(idle), gone: Number(gone) };
  }
}

/** A length of time for a sentence. */
function lasting(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 120) return `${minutes} minutes`;
  return minutes < 2_880 ? `${Math.floor(minutes / 60)} hours` : `${Math.floor(minutes / 1_440)} days`;
}

function* groupFindings(key: string, { name, waitsSince, idleMs, gone }: GroupState, now: number, unreadMs: number) {
  const group = JSON.stringify(name);
  if (waitsSince !== undefined && now - waitsSince > unreadMs && (idleMs ?? Infinity) > unreadMs) {
    yield {
      severity: "warning",
      setting: `group ${name}`,
      problem: `nobody reads the group ${group} of ${key}: its oldest message has waited for ${
        lasting(now - waitsSince)
      }`,
      repair: `start a consumer of that group, or remove it with XGROUP DESTROY ${key} ${name}`,
    } satisfies Finding;
  }
  if (gone > 0) {
    yield {
      severity: "error",
      setting: "REDIS_STREAM_MAXLEN",
      problem:
        `${gone} messages of the group ${group} of ${key} are gone before they were settled: another publisher ` +
        "trims the stream",
      repair: "set its MAXLEN (REDIS_STREAM_MAXLEN of a Python server) above the longest backlog, or publish from here",
    } satisfies Finding;
  }
}

/** How a stream is looked into. */
export interface DiagnoseOptions {
  /** This computer's clock. */
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Milliseconds for which a message may wait before nobody reads its group. Default: two minutes. */
  readonly unreadMs?: number | undefined;
}

/** Looks into the stream of a key. */
export async function diagnoseStream(
  transport: StreamsTransport,
  key: string,
  { clock, signal, unreadMs = UNREAD_MS }: DiagnoseOptions,
): Promise<Finding[]> {
  const before = clock.now();
  const answer = await transport.run(DIAGNOSE, keysFor(DIAGNOSE, queueKeys(key)), [PENDING], signal) as unknown[];
  const [time, length, oldest, ...rest] = answer.map(String);
  const now = Number(time);
  const found: Finding[] = [];
  // The server read its clock somewhere between the request and the answer.
  const ahead = Math.max(now - clock.now(), Math.min(0, now - before));
  if (Math.abs(ahead) > CLOCK_MS) {
    found.push({
      severity: "warning",
      setting: "clock",
      problem: `the server's clock is ${Math.round(Math.abs(ahead) / 1_000)} s ${
        ahead > 0 ? "ahead of" : "behind"
      } this computer's`,
      repair: "synchronize both with NTP: Slack refuses to be answered by clocks that differ by five minutes",
    });
  }
  const groups = [...groupsIn(rest)];
  for (const group of groups) found.push(...groupFindings(key, group, now, unreadMs));
  const since = numberIn(oldest);
  if (groups.length === 0 && since !== undefined && now - since > unreadMs) {
    found.push({
      severity: "warning",
      setting: `key ${key}`,
      problem: `nobody has ever read ${key} in a group: ${length} messages wait, the oldest for ${
        lasting(now - since)
      }`,
      repair: "start a consumer with the same SLACK_EVENTS_TOPIC",
    });
  }
  return found;
}

/** Removes a queue with everything that belongs to it and one group. `sent`: the keys that its publishers keep. */
export async function dropStream(
  transport: StreamsTransport,
  { key, group, sent }: { readonly key: string; readonly group: string; readonly sent: readonly string[] },
  signal: AbortSignal,
): Promise<void> {
  const { group: _group, channel: _channel, ...names } = groupKeys(key, group);
  await transport.run(DROP, [...Object.values(names), ...sent], [], signal);
}
