import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryBackend } from "../../../backends/memory/mod.ts";
import { slackEventId } from "../../../slack/mod.ts";
import { MENTION, MENTION_ID, setUp } from "./support/webhook.ts";

test("slackEventId joins event_id, api_app_id and team_id", () => {
  assert.equal(slackEventId(MENTION), MENTION_ID);
});

test("slackEventId leaves out what the envelope does not have", () => {
  assert.equal(slackEventId({ event_id: "Ev1", api_app_id: "A1" }), "Ev1:A1");
  assert.equal(slackEventId({ event_id: "Ev1", api_app_id: null, team_id: null }), "Ev1");
  for (const event_id of [undefined, null, "", 7]) {
    assert.equal(slackEventId({ ...event_id === undefined ? {} : { event_id }, api_app_id: "A1" }), undefined);
  }
});

test("createSlackReceiver publishes one event_id of two apps and two workspaces each", async () => {
  await using backend = new MemoryBackend();
  const { receiver, post } = setUp({ backend });
  const bodies = [MENTION, { ...MENTION, api_app_id: "A2" }, { ...MENTION, team_id: "T2" }];
  for (const body of [...bodies, ...bodies]) assert.equal((await post({ body })).status, 200);
  const { accepted, duplicate } = receiver.stats;
  assert.deepEqual({ accepted, duplicate }, { accepted: 3, duplicate: 3 });
  const { ready, blocked } = await backend.depth("slack_events");
  assert.equal(ready + blocked, 3);
});
