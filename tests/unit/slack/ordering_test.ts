import { test } from "node:test";
import assert from "node:assert/strict";
import { MemoryBackend } from "../../../backends/memory/mod.ts";
import { ConfigError } from "../../../core/errors.ts";
import type { JsonObject } from "../../../core/protocol.ts";
import {
  createSlackReceiver,
  readSlackConfig,
  type SlackOrdering,
  slackOrderingKey,
  type SlackReceiverOptions,
} from "../../../slack/mod.ts";
import { slackRequest } from "../../../cli/sign.ts";
import { SECRET, URL_OF_EVENTS } from "./support/webhook.ts";

function envelope(event: JsonObject): JsonObject {
  return { type: "event_callback", team_id: "T1", api_app_id: "A1", event_id: "Ev1", event };
}

const CASES: readonly [what: string, event: JsonObject, thread: string | undefined, channel?: string][] = [
  ["a message", { type: "message", channel: "C1", ts: "1.0" }, "T1:C1:1.0"],
  ["a reply", { type: "message", channel: "C1", ts: "2.0", thread_ts: "1.0" }, "T1:C1:1.0"],
  ["a mention", { type: "app_mention", channel: "C1", ts: "2.0", thread_ts: "1.0" }, "T1:C1:1.0"],
  [
    "an edit",
    { type: "message", subtype: "message_changed", channel: "C1", ts: "9.0", message: { ts: "2.0", thread_ts: "1.0" } },
    "T1:C1:1.0",
  ],
  [
    "an edit of a thread's first message",
    { type: "message", subtype: "message_changed", channel: "C1", ts: "9.0", message: { ts: "1.0" } },
    "T1:C1:1.0",
  ],
  [
    "a deletion",
    {
      type: "message",
      subtype: "message_deleted",
      channel: "C1",
      ts: "9.0",
      deleted_ts: "2.0",
      previous_message: {
        ts: "2.0",
        thread_ts: "1.0",
      },
    },
    "T1:C1:1.0",
  ],
  [
    "a deletion without the message",
    { type: "message", subtype: "message_deleted", channel: "C1", deleted_ts: "2.0" },
    "T1:C1:2.0",
  ],
  ["a reaction", { type: "reaction_added", item: { type: "message", channel: "C1", ts: "1.0" } }, "T1:C1:1.0"],
  ["a pin", { type: "pin_added", channel_id: "C1", item: { message: { ts: "2.0", thread_ts: "1.0" } } }, "T1:C1:1.0"],
  ["a link", { type: "link_shared", channel: "C1", message_ts: "2.0", thread_ts: "1.0" }, "T1:C1:1.0"],
  ["a link outside of a thread", { type: "link_shared", channel: "C1", message_ts: "2.0" }, "T1:C1:2.0"],
  [
    "an assistant's thread",
    { type: "assistant_thread_started", assistant_thread: { channel_id: "C1", thread_ts: "1.0" } },
    "T1:C1:1.0",
  ],
  ["a direct message", { type: "message", channel_type: "im", channel: "D1", ts: "1.0" }, "T1:D1", "T1:D1"],
  [
    "a reply in a direct conversation",
    { type: "message", channel: "D1", ts: "2.0", thread_ts: "1.0" },
    "T1:D1",
    "T1:D1",
  ],
  ["a member who joins", { type: "member_joined_channel", channel: "C1", user: "U1" }, "T1:C1"],
  ["a channel that is renamed", { type: "channel_rename", channel: { id: "C1", name: "n" } }, "T1:C1"],
  ["a file", { type: "file_shared", channel_id: "C1", file_id: "F1" }, "T1:C1"],
  ["a user who changes", { type: "user_change", user: { id: "U1" } }, undefined],
  ["a message with nulls", { type: "message", channel: "C1", ts: "1.0", thread_ts: null, message: null }, "T1:C1:1.0"],
];

for (const [what, event, thread, channel = thread && "T1:C1"] of CASES) {
  test(`slackOrderingKey of ${what}`, () => {
    assert.equal(slackOrderingKey(envelope(event), "thread"), thread);
    assert.equal(slackOrderingKey(envelope(event), "channel"), channel);
  });
}

test("slackOrderingKey of a bare inner event takes its own workspace", () => {
  assert.equal(slackOrderingKey({ type: "message", team: "T2", channel: "C1", ts: "1.0" }, "thread"), "T2:C1:1.0");
  assert.equal(slackOrderingKey({ type: "message", channel: "C1", ts: "1.0" }, "thread"), "C1:1.0");
});

async function publishedKey(options: Partial<SlackReceiverOptions>): Promise<string | undefined> {
  await using backend = new MemoryBackend({ closeDeadlineMs: 0 }); // what is in hand goes back at once
  const receiver = createSlackReceiver({ backend, signingSecret: SECRET, ...options });
  const event = { type: "message", channel: "C1", ts: "2.0", thread_ts: "1.0" };
  const response = await receiver.fetch(await slackRequest(URL_OF_EVENTS, { secret: SECRET, body: envelope(event) }));
  assert.equal(response.status, 200);
  for await (const delivery of backend.receive("slack_events", { stopWhenEmpty: true })) return delivery.orderingKey;
  assert.fail("nothing was published");
}

test("createSlackReceiver orders by thread by default where ordering keys are kept", async () => {
  assert.equal(await publishedKey({}), "T1:C1:1.0");
  assert.equal(await publishedKey({ ordering: "channel" }), "T1:C1");
  assert.equal(await publishedKey({ ordering: "none" }), undefined);
  assert.equal(await publishedKey({ ordering: ({ team_id }) => `team ${team_id}` }), "team T1");
  assert.equal(await publishedKey({ ordering: () => undefined }), undefined);
});

test("createSlackReceiver orders by thread where the ordering function fails", async () => {
  const wrong: SlackOrdering[] = [
    () => {
      throw new Error("no");
    },
    () => "",
    () => "k".repeat(1_025),
    (() => Promise.reject(new Error("async"))) as unknown as SlackOrdering,
  ];
  for (const ordering of wrong) {
    const errors: unknown[] = [];
    assert.equal(await publishedKey({ ordering, observer: ({ error }) => errors.push(error) }), "T1:C1:1.0");
    assert.equal(errors.length, 1);
    assert.ok(errors[0] instanceof Error);
  }
});

test("createSlackReceiver refuses an ordering that can never work", async () => {
  await using memory = new MemoryBackend();
  const { publish, consume, close } = memory;
  const plain = { publish, consume, close, [Symbol.asyncDispose]: close };
  createSlackReceiver({ backend: plain, signingSecret: SECRET });
  createSlackReceiver({ backend: plain, signingSecret: SECRET, ordering: "none" });
  assert.throws(
    () => createSlackReceiver({ backend: plain, signingSecret: SECRET, ordering: "thread" }),
    (error) =>
      error instanceof ConfigError && /ordering must be "none" on a backend without ordering keys/.test(error.message),
  );
  assert.throws(
    () => createSlackReceiver({ backend: memory, signingSecret: SECRET, ordering: "team" as "thread" }),
    /ordering must be "thread", "channel", "none" or a function/,
  );
});

test("readSlackConfig reads SLACK_ORDERING", () => {
  const read = (value?: string) => readSlackConfig({ SLACK_SIGNING_SECRET: SECRET, SLACK_ORDERING: value }).ordering;
  assert.deepEqual([read(), read("channel"), read("none")], [undefined, "channel", "none"]);
  assert.throws(() => read("team"), /SLACK_ORDERING must be .*thread/);
});
