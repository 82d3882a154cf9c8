// not on workerd: its clock stands still while a program computes
import { test } from "node:test";
import assert from "node:assert/strict";
import { IDLE_MS, IdleTimer } from "../../../../backends/rabbitmq/idle_timer.ts";

test("IdleTimer tells once that it has run", async () => {
  let count = 0;
  await new Promise<void>((resolve) => {
    const timer = new IdleTimer(() => {
      count += 1;
      resolve();
    });
    timer.start();
    timer.start();
  });
  await new Promise((resolve) => setTimeout(resolve, 2 * IDLE_MS));
  assert.equal(count, 1);
});

test("IdleTimer does not take the time in which the process stands for the consumer's", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let [turns, over] = [0, false];
  const timer = new IdleTimer(() => {
    over = true;
    resolve();
  });
  timer.start();
  for (const until = performance.now() + 2 * IDLE_MS; performance.now() < until;);
  while (!over && turns < 3) {
    await new Promise((next) => setTimeout(next, 0));
    turns += 1;
  }
  assert.equal(over, false);
  await promise;
});

test("IdleTimer tells nothing after it was stopped", async () => {
  const timer = new IdleTimer(() => assert.fail("it was stopped"));
  timer.start();
  timer.stop();
  await new Promise<void>((resolve) => new IdleTimer(resolve).start());
});
