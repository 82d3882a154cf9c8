import { test } from "node:test";
import assert from "node:assert/strict";
import { QueueError } from "../../../../core/errors.ts";
import { backoffMs, retry, type RetryOptions, withRetry } from "../../../../core/util/retry.ts";
import { countedSignal } from "../../../doubles/counted_signal.ts";
import { HandClock, turn } from "../../../doubles/hand_clock.ts";

/** Returns a function that fails `times` times, and the record of its calls. */
function failing(times: number, error: unknown = new Error("not yet")) {
  const calls: number[] = [];
  const fn = (attempt: number) => {
    calls.push(attempt);
    if (calls.length <= times) throw error;
    return "done";
  };
  return { calls, fn };
}

/** The waits of a retry that goes on until it is through. */
async function waitsOf(fn: (attempt: number) => unknown, options: RetryOptions): Promise<number[]> {
  const clock = new HandClock();
  const waits: number[] = [];
  const over = retry(fn, { clock, ...options }).then(() => true, () => true);
  for (;;) {
    await turn();
    if (clock.waits().length === 0) break;
    waits.push(clock.waits()[0]!);
    await clock.advance(waits.at(-1)!);
  }
  assert.equal(await over, true);
  return waits;
}

test("backoffMs doubles from base to cap, with full jitter below", () => {
  const longest = [1, 2, 3, 4, 20, 5_000].map((failures) => backoffMs(failures, { jitter: "none" }));
  assert.deepEqual(longest, [100, 200, 400, 800, 10_000, 10_000]);
  assert.deepEqual([1, 2, 3].map((n) => backoffMs(n, {}, () => 0.25)), [25, 50, 100]);
  assert.equal(backoffMs(9, {}, () => 0), 0);
  assert.deepEqual([1, 2, 9].map((n) => backoffMs(n, { baseMs: 7, factor: 10, maxMs: 500, jitter: "none" })), [
    7,
    70,
    500,
  ]);
  assert.equal(backoffMs(5_000, { baseMs: 0 }), 0);
  assert.equal(backoffMs(3, { baseMs: 1_000, maxMs: 10, jitter: "none" }), 10);
  for (let i = 0; i < 1_000; i++) {
    const ms = backoffMs(3);
    assert.ok(ms >= 0 && ms < 400);
  }
});

test("retry calls until it resolves, with the attempt's number, and waits by the clock", async () => {
  const { calls, fn } = failing(3);
  assert.deepEqual(await waitsOf(fn, { random: () => 0.5 }), [50, 100, 200]);
  assert.deepEqual(calls, [1, 2, 3, 4]);
});

test("retry rejects with the last error, unchanged, when no attempt is left", async () => {
  const errors = [new Error("1"), new Error("2"), new Error("3")];
  let n = 0;
  const fn = () => Promise.reject(errors[n++]);
  await assert.rejects(retry(fn, { maxRetries: 2, baseMs: 0 }), (error) => error === errors[2]);
  await assert.rejects(retry(failing(1).fn, { maxRetries: 0 }), /not yet/);
  assert.equal(await retry(failing(50).fn, { maxRetries: Infinity, baseMs: 0 }), "done");
});

test("retry ends at once for an error that cannot be retried or shouldRetry refuses", async () => {
  const lasting = failing(9, new QueueError("unauthorized", "no"));
  await assert.rejects(retry(lasting.fn), /no/);
  assert.equal(lasting.calls.length, 1);
  const transient = failing(1, new QueueError("unavailable", "busy"));
  assert.equal(await retry(transient.fn, { baseMs: 0 }), "done");
  const asked: unknown[] = [];
  const refused = failing(9);
  const shouldRetry = (error: unknown, failures: number) => {
    asked.push((error as Error).message, failures);
    return failures < 2;
  };
  await assert.rejects(retry(refused.fn, { baseMs: 0, shouldRetry }), /not yet/);
  assert.deepEqual(asked, ["not yet", 1, "not yet", 2]);
  for (const odd of [undefined, null, "text", 7]) assert.equal(await retry(failing(1, odd).fn, { baseMs: 0 }), "done");
});

test("retry waits no shorter than asked, and ignores what is no number", async () => {
  const wait = async (retryAfterMs: unknown, options: RetryOptions = {}) => {
    const { fn } = failing(1, Object.assign(new Error("busy"), { retryAfterMs }));
    return (await waitsOf(fn, { random: () => 0.5, ...options }))[0];
  };
  assert.deepEqual(await Promise.all([3_000, 10, NaN, -1, "9999", undefined].map((ms) => wait(ms))), [
    3_000,
    50,
    50,
    50,
    50,
    50,
  ]);
  assert.equal(await wait(60_000, { maxMs: 100 }), 60_000); // the cap is for our own waits
  assert.equal(await wait(1, { retryAfterMs: () => 700 }), 700);
  assert.equal(await wait(1, { retryAfterMs: () => NaN }), 50);
  assert.equal(await wait(undefined, { retryAfterMs: () => undefined }), 50);
});

test("retry calls onRetry before each wait", async () => {
  const told: unknown[] = [];
  const { fn } = failing(2);
  await waitsOf(fn, {
    jitter: "none",
    onRetry: (error, failures, waitMs) => void told.push((error as Error).message, failures, waitMs),
  });
  assert.deepEqual(told, ["not yet", 1, 100, "not yet", 2, 200]);
});

test("retry rejects with the signal's reason during a wait, and leaves nothing behind", async () => {
  const clock = new HandClock();
  const { controller, signal, listeners } = countedSignal();
  const { calls, fn } = failing(9);
  const retrying = retry(fn, { clock, signal });
  await turn();
  assert.deepEqual([clock.waits().length, listeners()], [1, 1]);
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(retrying, (error) => error === reason);
  assert.deepEqual([calls, clock.waits(), listeners()], [[1], [], 0]);
});

test("retry does not call for an aborted signal, and ends with the running call", async () => {
  const reason = new Error("before");
  const { calls, fn } = failing(0);
  await assert.rejects(retry(fn, { signal: AbortSignal.abort(reason) }), (error) => error === reason);
  assert.deepEqual(calls, []);
  const controller = new AbortController();
  let n = 0;
  const during = retry(() => {
    n += 1;
    controller.abort();
    throw new Error("its own");
  }, { signal: controller.signal, baseMs: 0 });
  await assert.rejects(during, /its own/);
  assert.equal(n, 1);
});

test("retry leaves neither timer nor listener after success", async () => {
  const clock = new HandClock();
  const { signal, listeners } = countedSignal();
  const retrying = retry(failing(2).fn, { clock, signal });
  await clock.advance(1_000);
  assert.equal(await retrying, "done");
  assert.deepEqual([clock.waits(), listeners()], [[], 0]);
});

test("withRetry passes arguments and this, and counts each call anew", async () => {
  let failures = 0;
  const add = withRetry((a: number, b: number) => {
    if (failures++ % 2 === 0) throw new Error("every other time");
    return a + b;
  }, { baseMs: 0 });
  assert.deepEqual([await add(1, 2), await add(3, 4)], [3, 7]);
  const counter = {
    n: 40,
    next: withRetry(function (this: { n: number }, by: number): Promise<number> {
      return Promise.resolve(this.n += by);
    }),
  };
  assert.equal(await counter.next(2), 42);
});

test("retry refuses wrong options, withRetry when it wraps", async () => {
  for (
    const options of [{ maxRetries: -1 }, { maxRetries: NaN }, { baseMs: -1 }, { maxMs: Infinity }, { factor: 0 }, {
      jitter: "x",
    }]
  ) {
    await assert.rejects(retry(() => 1, options as RetryOptions), (error) => error instanceof RangeError);
    assert.throws(() => withRetry(() => 1, options as RetryOptions), RangeError);
  }
  for (const options of [{ signal: {} }, { random: 1 }, { clock: null }, { retries: 1 }, { shouldRetry: 1 }]) {
    assert.throws(() => withRetry(() => 1, options as RetryOptions), TypeError);
  }
});
