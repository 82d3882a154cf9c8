/** Texts and events of the largest sizes that Slack documents. */
import type { JsonObject } from "../../../core/protocol.ts";

/** The same pseudo-random numbers on every run, below `below`. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = Math.imul(state, 1_664_525) + 1_013_904_223 >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

const SYLLABLES = "ba co di fe gu ha jo ka li me nu po ra si te vu wa xi yo zu sch tr st ein ung keit the ing ed ly"
  .split(" ");

/** Returns `length` characters like prose: 4,000 words, frequent ones more often than others. */
export function prose(length: number, seed = 1): string {
  const below = numbers(seed);
  const word = (rank: number) => {
    const letters = numbers(rank + 7);
    return Array.from({ length: 1 + letters(3) }, () => SYLLABLES[letters(SYLLABLES.length)]).join("");
  };
  let text = "";
  while (text.length < length) text += word(Math.floor(4_000 * (below(1_000) / 1_000) ** 3)) + " ";
  return text.slice(0, length);
}

/** Returns `length` characters of printable ASCII that hardly compress. */
export function noise(length: number, seed = 1): string {
  const below = numbers(seed);
  return Array.from({ length }, () => String.fromCharCode(33 + below(94))).join("");
}

/** Returns a `message_changed` as Slack sends it: the message twice, each with its sections and a text of its own. */
export function messageChanged(sections: number, text: (seed: number) => string, own = "see blocks"): JsonObject {
  const blocks = Array.from({ length: sections }, (_, n) => ({
    type: "section",
    block_id: `b${n}`,
    text: { type: "mrkdwn", text: text(n + 1), verbatim: false },
  }));
  const message = { type: "message", user: "U1", text: own, ts: "1700000000.123456", blocks };
  return {
    type: "event_callback",
    event_id: "Ev1",
    team_id: "T1",
    event: { type: "message", subtype: "message_changed", channel: "C1", message, previous_message: message },
  };
}

/** Events of the largest sizes that Slack documents. The parts of a message are bounded, an event as a whole is not. */
export const LARGE_EVENTS: readonly (readonly [name: string, create: () => JsonObject])[] = [
  ["22 sections of one character", () => messageChanged(22, () => "x".repeat(3_000))],
  ["22 sections of prose", () => messageChanged(22, (seed) => prose(3_000, seed))],
  ["22 sections of noise", () => messageChanged(22, (seed) => noise(3_000, seed))],
  ["50 sections of prose", () => messageChanged(50, (seed) => prose(3_000, seed))],
  ["50 sections of Japanese", () => messageChanged(50, (seed) => prose(3_000, seed).replace(/[aeiou]/g, "の"))],
  [
    "50 sections of prose and a text of 40,000 characters",
    () => messageChanged(50, (seed) => prose(3_000, seed), prose(40_000)),
  ],
];
