import { test } from "node:test";
import assert from "node:assert/strict";
import { HELD_MS, LEVELS, nextStop } from "../../../../backends/rabbitmq/delays.ts";
import { seededRandom } from "../../../../testing/random.ts";

/** Milliseconds that a message waits in all, and its stops. */
function walk(delayMs: number): { readonly waitedMs: number; readonly stops: number } {
  let [waitedMs, left, stops] = [0, delayMs, 0];
  for (;;) {
    const { level, restMs } = nextStop(left);
    stops += 1;
    if (level === undefined) return { waitedMs: waitedMs + restMs, stops };
    assert.ok(level >= LEVELS.lowest && level <= LEVELS.highest);
    waitedMs += 2 ** level;
    left = restMs;
    if (left === 0) return { waitedMs, stops };
  }
}

test("nextStop waits as long as the delay, whatever its length", () => {
  const random = seededRandom(7);
  const delays = [0.25, 1, HELD_MS - 0.5, HELD_MS, HELD_MS + 1, 86_400_000, 2 ** 32, 2 ** 35 + 17];
  for (let n = 0; n < 2_000; n++) delays.push(2 ** (random.next() * 38));
  for (const delay of delays) {
    const { waitedMs, stops } = walk(delay);
    assert.ok(Math.abs(waitedMs - delay) < 0.01, `${delay} ms would be ${waitedMs}`);
    assert.ok(stops <= LEVELS.highest - LEVELS.lowest + 2 + delay / 2 ** LEVELS.highest, `${stops} stops of ${delay}`);
  }
});

test("nextStop holds short delays in place of one more queue", () => {
  assert.deepEqual(nextStop(HELD_MS - 1), { level: undefined, restMs: HELD_MS - 1 });
  assert.deepEqual(nextStop(HELD_MS), { level: LEVELS.lowest, restMs: 0 });
});
