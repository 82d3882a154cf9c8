import assert from "node:assert/strict";
import { test } from "node:test";
import { type SlackReceiverOptions, verifySlackSignature } from "../../../slack/mod.ts";
import { ConfigError } from "../../../core/errors.ts";
import { SECRET, setUp } from "./support/webhook.ts";

test("createSlackReceiver refuses a missing secret", () => {
  for (const signingSecret of ["", [], ["a", " "], undefined as unknown as string]) {
    assert.throws(() => setUp({ signingSecret }), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /Basic Information > Signing Secret/);
      return true;
    });
  }
});

test("createSlackReceiver refuses a timeout that Slack would not wait for", () => {
  for (const timeoutMs of [0, -1, NaN, Infinity, 3_001]) assert.throws(() => setUp({ timeoutMs }), RangeError);
});

test("createSlackReceiver refuses options of another type", () => {
  const wrong: Record<string, unknown>[] = [{ key: "" }, { key: 7 }, { path: "" }, { clock: 1 }, { observer: {} }, {
    keys: "x",
  }];
  for (const options of [...wrong, { timeoutMs: "5" }, { backend: undefined }]) {
    assert.throws(() => setUp(options as Partial<SlackReceiverOptions>), TypeError, JSON.stringify(options));
  }
});

/** The problems that the options have. */
function problemsOf(options: Partial<SlackReceiverOptions>): readonly string[] {
  try {
    setUp(options);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

for (
  const path of [
    "slack/events",
    "https://bot.example/slack/events",
    "/slack/events?token=hunter2",
    "/slack/events#x",
    "/slack/events ",
    " /slack/events",
    "/slack /events",
    "*",
  ]
) {
  test(`createSlackReceiver refuses a path that can never match: ${JSON.stringify(path)}`, () => {
    for (const name of ["path", "healthPath"] as const) {
      const [problem = "", ...more] = problemsOf({ [name]: path });
      assert.match(problem, new RegExp(`^${name} must be a path such as "/slack/events", without `));
      assert.ok(!problem.includes("hunter2"));
      assert.deepEqual(more, []);
    }
  });
}

test("createSlackReceiver matches a path in any way of writing it", async () => {
  const { receiver } = setUp({ path: "/slack/h\u00e9", healthPath: "/a/../up" });
  assert.equal(
    (await receiver.fetch(new Request("https://bot.example/slack/h%C3%A9", { method: "POST" }))).status,
    401,
  );
  assert.equal((await receiver.fetch(new Request("https://bot.example/up"))).status, 200);
});

test("createSlackReceiver refuses a health path that Slack's path hides", () => {
  assert.deepEqual(problemsOf({ path: "/x", healthPath: "/x" }), ["healthPath must be another path than path"]);
});

for (
  const [secret, found] of [
    [`"${SECRET}"`, "quotes in it"],
    [`'${SECRET}'`, "quotes in it"],
    [` ${SECRET}`, "white space in it"],
    [`${SECRET}\n`, "white space in it"],
    ["8f742231b10e8888 abcd99yyyzzz85a5", "white space in it"],
    ["xoxb-1234-5678-hunter2", "a token or a URL"],
    ["xoxp-1234-hunter2", "a token or a URL"],
    ["xoxe.xoxb-1-hunter2", "a token or a URL"],
    ["xapp-1-A1-hunter2", "a token or a URL"],
    ["https://hooks.slack.com/services/T1/B1/hunter2", "a token or a URL"],
  ] as const
) {
  test(`createSlackReceiver refuses a secret with ${found}: ${secret.slice(0, 5)}`, async () => {
    const [problem = ""] = problemsOf({ signingSecret: [SECRET, secret] });
    assert.match(
      problem,
      new RegExp(`^signingSecret must be the app's Signing Secret alone, found ${found}: `),
    );
    assert.ok(!problem.includes("hunter2") && !problem.includes("8f742231"), problem);
    const signed = { timestamp: "1531420618", signature: "v0=x", body: "" };
    await assert.rejects(verifySlackSignature({ ...signed, secrets: secret }), ConfigError);
  });
}

test("createSlackReceiver reports the problems of secrets and paths in one error", () => {
  const problems = problemsOf({ signingSecret: ["xoxb-1", ""], path: "events", healthPath: "/a?b" });
  assert.equal(problems.length, 4);
});
