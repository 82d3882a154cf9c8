import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { ConfigError } from "../../../core/errors.ts";
import { readSlackConfig } from "../../../slack/config.ts";

test("readSlackConfig reads the secret and the default topic", () => {
  const config = readSlackConfig({ SLACK_SIGNING_SECRET: " abc\n" });
  assert.deepEqual(config.signingSecret, ["abc"]);
  assert.equal(config.key, "slack_events");
});

test("readSlackConfig reads two secrets and a topic", () => {
  const config = readSlackConfig({ SLACK_SIGNING_SECRET: "new, old,", SLACK_EVENTS_TOPIC: "events" });
  assert.deepEqual(config.signingSecret, ["new", "old"]);
  assert.equal(config.key, "events");
});

test("readSlackConfig takes a blank topic for none", () => {
  assert.equal(readSlackConfig({ SLACK_SIGNING_SECRET: "abc", SLACK_EVENTS_TOPIC: "  " }).key, "slack_events");
});

test("readSlackConfig names a missing secret and where Slack shows it", () => {
  for (const env of [{}, { SLACK_SIGNING_SECRET: "" }, { SLACK_SIGNING_SECRET: " , " }]) {
    assert.throws(() => readSlackConfig(env), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(
        error.message,
        /^SLACK_SIGNING_SECRET is (not set|blank): .*Basic Information > Signing Secret$/,
      );
      return true;
    });
  }
});

test("readSlackConfig refuses a binding without showing it", () => {
  assert.throws(
    () => readSlackConfig({ SLACK_SIGNING_SECRET: { get: "hidden" } }),
    /SLACK_SIGNING_SECRET must be a string, found [a-z ]+$/,
  );
});

test("readSlackConfig reports all problems at once", () => {
  assert.throws(() => readSlackConfig({ SLACK_EVENTS_TOPIC: 7 }), (error) => {
    assert.equal((error as ConfigError).problems.length, 2);
    return true;
  });
});

test("SlackConfig does not show the secret when printed", () => {
  const config = readSlackConfig({ SLACK_SIGNING_SECRET: "8f742231" });
  for (const shown of [inspect(config), JSON.stringify(config), `${Object.values(config)}`]) {
    assert.ok(!shown.includes("8f742231"), shown);
  }
});

const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";

for (
  const [secret, found] of [
    [`"${SECRET}"`, "quotes in it"],
    [`'${SECRET}'`, "quotes in it"],
    [`${SECRET},"hunter2"`, "quotes in it"],
    ["8f742231 b10e8888", "white space in it"],
    ["xoxb-hunter2", "a token or a URL"],
    [`${SECRET},xoxp-hunter2`, "a token or a URL"],
    ["xapp-hunter2", "a token or a URL"],
  ] as const
) {
  test(`readSlackConfig refuses a secret with ${found}: ${secret.slice(0, 6)}`, () => {
    assert.throws(() => readSlackConfig({ SLACK_SIGNING_SECRET: secret }), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, new RegExp(`^SLACK_SIGNING_SECRET must be .* alone, found ${found}: `));
      assert.ok(!error.message.includes("hunter2") && !error.message.includes("8f742231"));
      return true;
    });
  });
}

test("readSlackConfig names misspelt variables and leaves those of others alone", () => {
  const others = { SLACK_BOT_TOKEN: "xoxb-1", SLACK_CLIENT_SECRET: "x", SLACK_CHANNEL: "C1", SLACK_EVENTS: "x" };
  assert.equal(readSlackConfig({ ...others, SLACK_SIGNING_SECRET: SECRET }).key, "slack_events");
  assert.throws(() => readSlackConfig({ SLACK_SIGNING_SECRET: SECRET, SLACK_EVENT_TOPIC: "bots" }), {
    message: "SLACK_EVENT_TOPIC is not a variable that is read: did you mean SLACK_EVENTS_TOPIC?",
  });
  assert.throws(() => readSlackConfig({ SLACK_SIGNING_SECERT: SECRET }), (error) => {
    assert.match(
      (error as ConfigError).problems[1] ?? "",
      /^SLACK_SIGNING_SECERT .* did you mean SLACK_SIGNING_SECRET\?$/,
    );
    return true;
  });
});
