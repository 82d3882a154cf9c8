import assert from "node:assert/strict";
import { test } from "node:test";
import { Listener } from "../../../../backends/upstash/listener.ts";
import { HandClock, turn } from "../../../doubles/hand_clock.ts";

test("Listener knows that nothing is new only while its subscription is there", async () => {
  const clock = new HandClock();
  let tell = (_kind: string) => {};
  let end = () => {};
  const listener = new Listener("news", (_channel, onEvent) => {
    tell = onEvent;
    return new Promise((resolve) => end = resolve);
  }, clock);
  const { signal } = new AbortController();
  assert.equal(listener.unchanged(listener.mark()), false, "nobody listens");
  const waits = listener.wait(listener.mark(), 60_000, signal);
  assert.equal(listener.unchanged(listener.mark()), false, "not yet");
  const before = listener.mark();
  tell("subscribe");
  await waits;
  assert.equal(listener.unchanged(before), false, "what came before it was told to nobody");
  const mark = listener.mark();
  assert.equal(listener.unchanged(mark), true);
  tell("message");
  assert.equal(listener.unchanged(mark), false, "something is new");
  const last = listener.mark();
  end();
  await turn();
  assert.equal(listener.unchanged(last), false, "nobody listens any more");
  listener.close();
});
