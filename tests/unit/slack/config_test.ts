import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { ConfigError } from "../../../core/errors.ts";
import { readSlackConfig } from "../../../slack/config.ts";

test("the secret and the default topic", () => {
  const config = readSlackConfig({ SLACK_SIGNING_SECRET: " abc\n" });
  assert.deepEqual(config.signingSecret, ["abc"]);
  assert.equal(config.key, "slack_events");
});

test("two secrets while one is being rotated, and a topic of one's own", () => {
  const config = readSlackConfig({ SLACK_SIGNING_SECRET: "new, old,", SLACK_EVENTS_TOPIC: "events" });
  assert.deepEqual(config.signingSecret, ["new", "old"]);
  assert.equal(config.key, "events");
});

test("a blank topic is none", () => {
  assert.equal(readSlackConfig({ SLACK_SIGNING_SECRET: "abc", SLACK_EVENTS_TOPIC: "  " }).key, "slack_events");
});

test("a missing secret says which variable, and where Slack shows it", () => {
  for (const env of [{}, { SLACK_SIGNING_SECRET: "" }, { SLACK_SIGNING_SECRET: " , " }]) {
    assert.throws(() => readSlackConfig(env), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(
        error.message,
        /^SLACK_SIGNING_SECRET is (not set|blank): .*Basic Information → App Credentials → Signing Secret$/,
      );
      return true;
    });
  }
});

test("a binding where text belongs is a ConfigError without its value", () => {
  assert.throws(
    () => readSlackConfig({ SLACK_SIGNING_SECRET: { get: "hidden" } }),
    /SLACK_SIGNING_SECRET must be a string, found [a-z ]+$/,
  );
});

test("all problems are told at once", () => {
  assert.throws(() => readSlackConfig({ SLACK_EVENTS_TOPIC: 7 }), (error) => {
    assert.equal((error as ConfigError).problems.length, 2);
    return true;
  });
});

test("a printed config does not show the secret", () => {
  const config = readSlackConfig({ SLACK_SIGNING_SECRET: "8f742231" });
  for (const shown of [inspect(config), JSON.stringify(config), `${Object.values(config)}`]) {
    assert.ok(!shown.includes("8f742231"), shown);
  }
});
