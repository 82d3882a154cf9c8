import assert from "node:assert/strict";
import { test } from "node:test";
import { PermanentError } from "../../../core/errors.ts";
import type { Delivery, JsonObject } from "../../../core/protocol.ts";
import { envelopeOf, SAMPLES } from "../../../cli/samples.ts";
import type { SlackEvent } from "../../../slack/events.ts";
import { type SlackEventContext, SlackEventRouter, SlackHandlerError } from "../../../slack/router.ts";

function deliver(event: SlackEvent): Delivery {
  return delivery(envelopeOf(event, "Ev1"));
}

function delivery(payload: JsonObject): Delivery {
  return {
    id: "Ev1",
    key: "slack_events",
    payload,
    orderingKey: undefined,
    attempts: 1,
    headers: {},
    publishedAt: undefined,
    signal: new AbortController().signal,
    ack: () => Promise.resolve(true),
    retry: () => Promise.resolve(true),
    deadLetter: () => Promise.resolve(true),
    extend: () => Promise.resolve(true),
  };
}

function unexpected(): never {
  throw new Error("this handler was not asked for");
}

/** A router that records which of `names` were called. */
function recording(names: readonly string[]): { router: SlackEventRouter; called: string[] } {
  const called: string[] = [];
  const router = new SlackEventRouter();
  for (const name of names) router.on(name, () => void called.push(name), { unknown: true });
  return { router: router.otherwise(() => void called.push("otherwise")), called };
}

for (const { route, event } of SAMPLES) {
  test(`SlackEventRouter routes ${route} to its handler and no other`, async () => {
    const { router, called } = recording(SAMPLES.map((sample) => sample.route));
    await router.handle(deliver(event));
    // A message with a subtype came in a channel as well.
    const kinds = event.subtype !== undefined && event.type === "message" ? ["message.channels", route] : [route];
    assert.deepEqual(called, kinds);
  });
}

test("SlackEventRouter routes a message by type, kind of channel, subtype and *", async () => {
  const { router, called } = recording([
    "*",
    "message",
    "message.channels",
    "message.me_message",
    "message.im",
    "app_mention",
  ]);
  await router.handle(deliver({ type: "message", channel_type: "channel", subtype: "me_message" }));
  assert.deepEqual(called.sort(), ["*", "message", "message.channels", "message.me_message"]);
});

test("SlackEventRouter makes no name of a channel type that Slack does not have", async () => {
  const { router, called } = recording(["message.constructor", "message.undefined", "message.toString"]);
  for (const channel_type of ["constructor", "toString", "unknown"]) {
    await router.handle(deliver({ type: "message", channel_type }));
  }
  assert.deepEqual(called, ["otherwise", "otherwise", "otherwise"]);
});

test("SlackEventRouter gives a kind of channel to messages alone", async () => {
  const { router, called } = recording(["message.im"]);
  await router.handle(deliver({ type: "user_typing", channel_type: "im" }));
  assert.deepEqual(called, ["otherwise"]);
});

test("SlackEventRouter.otherwise gets the events that no name but * matches", async () => {
  const { router, called } = recording(["app_mention", "*"]);
  await router.handle(deliver({ type: "brand_new_event" }));
  assert.deepEqual(called.sort(), ["*", "otherwise"]);
});

test("SlackEventRouter.handle resolves for an event without handlers", async () => {
  await new SlackEventRouter().on("app_mention", unexpected).handle(deliver({ type: "team_join" }));
});

test("SlackEventRouter passes the event, the envelope and the delivery", async () => {
  const sent = deliver(SAMPLES[0]!.event);
  let seen: unknown;
  await new SlackEventRouter().on("app_mention", (context) => void (seen = context)).handle(sent);
  assert.deepEqual(seen, { event: sent.payload.event, envelope: sent.payload, delivery: sent });
});

test("SlackEventRouter.handle runs all handlers of a name and waits for them", async () => {
  const called: number[] = [];
  const router = new SlackEventRouter();
  for (const one of [1, 2, 3]) {
    router.on("app_mention", async () => {
      await Promise.resolve();
      called.push(one);
    });
  }
  await router.handle(deliver({ type: "app_mention" }));
  assert.deepEqual(called, [1, 2, 3]);
});

test("SlackEventRouter.handle rejects with the failing handler's name after all ran", async () => {
  const boom = new Error("boom");
  const called: string[] = [];
  const router = new SlackEventRouter()
    .on("app_mention", function reply() {
      throw boom;
    })
    .on("app_mention", () => void called.push("second"))
    .on("*", () => void called.push("*"));
  await assert.rejects(router.handle(deliver({ type: "app_mention" })), (error) => {
    assert.ok(error instanceof SlackHandlerError);
    assert.equal(error.message, 'Handler failed: "app_mention" (reply): boom');
    assert.deepEqual(error.handlers, ['"app_mention" (reply)']);
    assert.deepEqual(error.errors, [boom]);
    assert.equal(error.cause, boom);
    return true;
  });
  assert.deepEqual(called, ["second", "*"]);
});

test("SlackHandlerError names failing handlers in the order of registration", async () => {
  const later = Promise.withResolvers<void>();
  const router = new SlackEventRouter()
    .on("app_mention", async function slow() {
      await later.promise;
      throw new Error("late");
    })
    .on("app_mention", function quick() {
      later.resolve();
      throw "not an error";
    });
  await assert.rejects(router.handle(deliver({ type: "app_mention" })), (error) => {
    assert.ok(error instanceof SlackHandlerError);
    assert.equal(error.message, '2 handlers failed: "app_mention" (slow): late; "app_mention" (quick): a string');
    assert.equal(error.errors.length, 2);
    return true;
  });
});

test("SlackEventRouter.handle keeps a permanent failure permanent", async () => {
  const router = new SlackEventRouter().on("app_mention", function never() {
    throw new PermanentError("no such customer");
  });
  await assert.rejects(router.handle(deliver({ type: "app_mention" })), (error) => {
    assert.ok(error instanceof PermanentError);
    assert.match(error.message, /"app_mention" \(never\): no such customer/);
    assert.ok(error.cause instanceof SlackHandlerError);
    return true;
  });
});

test("SlackEventRouter.handle retries when only some failures are permanent", async () => {
  const router = new SlackEventRouter()
    .on("app_mention", () => Promise.reject(new PermanentError("never")))
    .on("app_mention", () => Promise.reject(new Error("not now")));
  await assert.rejects(router.handle(deliver({ type: "app_mention" })), (error) => {
    assert.ok(error instanceof SlackHandlerError);
    return true;
  });
});

test("SlackEventRouter.handle fails for good on a payload that is no event", async () => {
  const router = new SlackEventRouter().otherwise(unexpected).on("*", unexpected);
  const payloads: JsonObject[] = [{}, { event: null }, { event: "x" }, { event: [] }, { event: {} }, {
    event: { type: 1 },
  }];
  for (const payload of payloads) {
    await assert.rejects(router.handle(delivery(payload)), PermanentError, JSON.stringify(payload));
  }
});

test("SlackEventRouter.handle needs no this", async () => {
  const { router, called } = recording(["app_mention"]);
  const { handle } = router;
  await handle(deliver({ type: "app_mention" }));
  assert.deepEqual(called, ["app_mention"]);
});

test("SlackEventRouter.on refuses a name or a handler of another type", () => {
  const router = new SlackEventRouter();
  assert.throws(
    () => router.on("" as "*", () => undefined),
    /name must be a non-empty, well-formed string, found an empty string/,
  );
  assert.throws(() => router.on(7 as unknown as "*", () => undefined), TypeError);
  assert.throws(
    () => router.on("app_mention", undefined as never),
    /the handler of "app_mention" must be a function, found undefined/,
  );
  assert.throws(() => router.otherwise(null as never), /the handler of otherwise must be a function, found null/);
});

test("SlackEventRouter.on types the event by its name", () => {
  new SlackEventRouter()
    .on("app_mention", ({ event }) => void event.text.length)
    .on("message.channels", ({ event }) => void event.channel.length)
    .on("reaction_added", ({ event }) => void event.item.ts?.length)
    .on("message.message_changed", ({ event }) => void event.message.text)
    .on("team_join", ({ event, envelope }) => void [event.user.id, envelope.event.user.id])
    // @ts-expect-error: a mention has no reaction
    .on("app_mention", ({ event }) => void event.reaction.length)
    // @ts-expect-error: Slack does not always send the author of a mention
    .on("app_mention", ({ event }) => void event.user.length)
    // @ts-expect-error: nor the tab
    .on("app_home_opened", ({ event }) => void event.tab.length)
    // @ts-expect-error: nor the files
    .on("message.file_share", ({ event }) => void event.files.length)
    // @ts-expect-error: a subtype is not a type
    .on("bot_message", () => undefined)
    // @ts-expect-error: Slack documents this one and never sends it
    .on("message.message_replied", () => undefined)
    // @ts-expect-error: a slip
    .on("app_mentions", () => undefined)
    .on("an_event_of_tomorrow", ({ event }) => void event.type, { unknown: true })
    .on("*", ({ event }) => void event.type);
});

test("SlackEventRouter routes a bare inner event by its type", async () => {
  const { router, called } = recording(["message", "message.im", "message.me_message", "app_mention"]);
  const seen: SlackEventContext[] = [];
  router.on("*", (context) => void seen.push(context));
  const event = {
    type: "message",
    channel_type: "im",
    subtype: "me_message",
    team: "T1",
    app_id: "A2",
    event_ts: "17.5",
  };
  await router.handle(delivery(event));
  assert.deepEqual(called.sort(), ["message", "message.im", "message.me_message"]);
  const [{ event: got, envelope }] = seen as [SlackEventContext];
  assert.equal(got, event);
  assert.deepEqual(envelope, {
    type: "event_callback",
    event_id: "Ev1",
    event_time: 17,
    team_id: "T1",
    api_app_id: "",
    event,
  });
  await router.handle(delivery({ type: "app_mention", event: null }));
  assert.equal(called.at(-1), "app_mention");
});

test("SlackEventRouter bears null where Slack would send nothing", async () => {
  const { router, called } = recording(["message", "message.channels"]);
  const event = { type: "message", subtype: null, channel_type: null, bot_id: null, bot_profile: null, app_id: null };
  const nested = { ...event, user: null, message: null, previous_message: null };
  const nothing = { authorizations: null, api_app_id: null, team_id: null, event_id: null, event_time: null };
  await router.handle(delivery({ type: "event_callback", ...nothing, event: nested }));
  await router.handle(delivery({ ...nested, team: null, event_ts: null }));
  await router.handle(delivery({ type: "event_callback", authorizations: [null, {}], event }));
  assert.deepEqual(called, ["message", "message", "message"]);
});

test("SlackEventRouter routes bot_message as a subtype of message", async () => {
  const { router, called } = recording(["bot_message", "message.bot_message"]);
  await router.handle(deliver({ type: "message", subtype: "bot_message", bot_id: "B9" }));
  assert.deepEqual(called, ["message.bot_message"]);
});
