/**
 * Compares this computer's clock with another one: Slack signs the time, and the webhook refuses a request whose time
 * is five minutes away.
 *
 * @module
 */
import type { Clock } from "../../core/util/clock.ts";
import { messageOf } from "../../core/util/redact.ts";
import { type Check, judged, skipped } from "./check.ts";

/** Asked for the time by default: Slack itself. */
export const TIME_URL = "https://slack.com/api/api.test";

/** Milliseconds by which the clocks may differ, and milliseconds by which Slack's requests are refused. */
const LIMIT_MS = { tolerated: 60_000, refused: 300_000 } as const;

/** An HTTP date has whole seconds. */
const RESOLUTION_MS = 1_000;

/** Compares the clock with the `Date` header of an answer. */
export async function compareClock(url: string, clock: Clock, signal: AbortSignal): Promise<Check> {
  const before = clock.now();
  let date: number;
  try {
    const response = await fetch(url, { method: "HEAD", redirect: "manual", signal });
    date = Date.parse(response.headers.get("date") ?? "");
    await response.body?.cancel();
  } catch (error) {
    return skipped("clock", `it could not be compared: ${signal.aborted ? "no answer in time" : reasonOf(error)}`);
  }
  const after = clock.now();
  if (Number.isNaN(date)) return skipped("clock", "it could not be compared: the answer has no Date");
  const early = Math.max(0, date - after);
  const late = Math.max(0, before - date - RESOLUTION_MS);
  const offMs = Math.max(early, late);
  const text = `${Math.round(offMs / 1_000)} s ${early > 0 ? "behind" : "ahead of"} ${new URL(url).host}`;
  if (offMs <= LIMIT_MS.tolerated) return judged("clock", [], `at most ${Math.ceil(offMs / 1_000) + 1} s off`);
  const refused = offMs > LIMIT_MS.refused;
  return judged("clock", [{
    severity: refused ? "error" : "warning",
    setting: "clock",
    problem: `this computer's clock is ${text}: ${
      refused ? "every request of Slack is refused with 401" : "beyond five minutes every request of Slack is refused"
    }`,
    repair: "synchronize it with NTP, such as timedatectl set-ntp true",
  }]);
}

/** The innermost reason: "fetch failed" alone says nothing. */
function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  return cause instanceof Error ? reasonOf(cause) : messageOf(error);
}
