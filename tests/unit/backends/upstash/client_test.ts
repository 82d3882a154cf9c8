import { test } from "node:test";
import assert from "node:assert/strict";
import { clientConnection } from "../../../../backends/upstash/client.ts";
import type { Script } from "../../../../backends/streams/script.ts";
import type { QueueError } from "../../../../core/errors.ts";

async function rejected(promise: Promise<unknown>): Promise<QueueError> {
  return await promise.then(() => assert.fail("it resolved"), (error) => error);
}

/** A client whose answers come when the test gives them. */
function slowClient() {
  const answers: ((answer: unknown) => void)[] = [];
  const scripts: string[] = [];
  const connection = clientConnection({
    eval: (script) => {
      scripts.push(script);
      return new Promise((resolve) => answers.push(resolve));
    },
    ping: () => Promise.resolve("PONG"),
  }, undefined);
  return { connection, scripts, answers };
}

const SCRIPT: Script = {
  name: "one",
  keys: [],
  repeatable: false,
  publishes: false,
  sha: "",
  source: "return 1",
};

test("clientConnection sends nothing after an abort during the first probe", async () => {
  const { connection, scripts, answers } = slowClient();
  const controller = new AbortController();
  const running = rejected(connection.run(SCRIPT, [], [], controller.signal));
  controller.abort(new Error("enough"));
  assert.equal((await running).code, "timeout");
  answers[0]!("1700000000.123456");
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.deepEqual(scripts, ["return ARGV[1]"]);
});

test("clientConnection sends nothing for an aborted signal and probes once for all", async () => {
  const { connection, scripts, answers } = slowClient();
  assert.equal((await rejected(connection.run(SCRIPT, [], [], AbortSignal.abort()))).code, "timeout");
  const { signal } = new AbortController();
  const both = [connection.run(SCRIPT, [], [], signal), connection.run(SCRIPT, [], [], signal)];
  answers[0]!("1700000000.123456");
  while (answers.length < 3) await new Promise((resolve) => setTimeout(resolve, 0));
  answers[1]!("a");
  answers[2]!("b");
  assert.deepEqual(await Promise.all(both), ["a", "b"]);
  assert.deepEqual(scripts, ["return ARGV[1]", "return 1", "return 1"]);
});
