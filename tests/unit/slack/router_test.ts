import assert from "node:assert/strict";
import { test } from "node:test";
import { PermanentError } from "../../../core/errors.ts";
import type { Delivery, JsonObject } from "../../../core/protocol.ts";
import { envelopeOf, SAMPLES } from "../../../examples/server/samples.ts";
import type { SlackEvent } from "../../../slack/events.ts";
import { SlackEventRouter, SlackHandlerError } from "../../../slack/router.ts";

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

/** A router that writes down which of `names` were called. */
function recording(names: readonly string[]): { router: SlackEventRouter; called: string[] } {
  const called: string[] = [];
  const router = new SlackEventRouter();
  for (const name of names) router.on(name, () => void called.push(name));
  return { router: router.otherwise(() => void called.push("otherwise")), called };
}

for (const { route, event } of SAMPLES) {
  test(`${route} reaches the handler that asks for it, and no other`, async () => {
    const { router, called } = recording(SAMPLES.map((sample) => sample.route));
    await router.handle(deliver(event));
    // A message with a subtype came in a channel as well.
    const kinds = event.subtype !== undefined && event.type === "message" ? ["message.channels", route] : [route];
    assert.deepEqual(called, kinds);
  });
}

test("a message goes by its type, its kind of channel and its subtype, and to everything", async () => {
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

test("channel types that are none of Slack's make no name", async () => {
  const { router, called } = recording(["message.constructor", "message.undefined", "message.toString"]);
  for (const channel_type of ["constructor", "toString", "unknown"]) {
    await router.handle(deliver({ type: "message", channel_type }));
  }
  assert.deepEqual(called, ["otherwise", "otherwise", "otherwise"]);
});

test("an event that is no message has no kind of channel", async () => {
  const { router, called } = recording(["message.im"]);
  await router.handle(deliver({ type: "user_typing", channel_type: "im" }));
  assert.deepEqual(called, ["otherwise"]);
});

test("otherwise gets what no name fits, beside *", async () => {
  const { router, called } = recording(["app_mention", "*"]);
  await router.handle(deliver({ type: "brand_new_event" }));
  assert.deepEqual(called.sort(), ["*", "otherwise"]);
});

test("an event that nobody asked for is done", async () => {
  await new SlackEventRouter().on("app_mention", unexpected).handle(deliver({ type: "team_join" }));
});

test("a handler gets the event, the envelope and the delivery", async () => {
  const sent = deliver(SAMPLES[0]!.event);
  let seen: unknown;
  await new SlackEventRouter().on("app_mention", (context) => void (seen = context)).handle(sent);
  assert.deepEqual(seen, { event: sent.payload.event, envelope: sent.payload, delivery: sent });
});

test("several handlers of one name all run, and all are waited for", async () => {
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

test("one failing handler fails the delivery, by name, and the others have run", async () => {
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

test("several failing handlers are all named, in the order of registration", async () => {
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

test("a permanent failure stays permanent", async () => {
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

test("a permanent failure beside one that may pass is tried again", async () => {
  const router = new SlackEventRouter()
    .on("app_mention", () => Promise.reject(new PermanentError("never")))
    .on("app_mention", () => Promise.reject(new Error("not now")));
  await assert.rejects(router.handle(deliver({ type: "app_mention" })), (error) => {
    assert.ok(error instanceof SlackHandlerError);
    return true;
  });
});

test("a payload that is no Slack event is a permanent failure, whole, never dropped", async () => {
  const router = new SlackEventRouter().otherwise(unexpected).on("*", unexpected);
  const payloads: JsonObject[] = [{}, { event: null }, { event: "x" }, { event: [] }, { event: {} }, {
    event: { type: 1 },
  }];
  for (const payload of payloads) {
    await assert.rejects(router.handle(delivery(payload)), PermanentError, JSON.stringify(payload));
  }
});

test("handle needs no this", async () => {
  const { router, called } = recording(["app_mention"]);
  const { handle } = router;
  await handle(deliver({ type: "app_mention" }));
  assert.deepEqual(called, ["app_mention"]);
});

test("a name or a handler of another kind is a TypeError", () => {
  const router = new SlackEventRouter();
  assert.throws(() => router.on("", () => undefined), /name must be a non-empty string, found an empty string/);
  assert.throws(() => router.on(7 as unknown as string, () => undefined), TypeError);
  assert.throws(
    () => router.on("app_mention", undefined as never),
    /the handler of "app_mention" must be a function, found undefined/,
  );
  assert.throws(() => router.otherwise(null as never), /the handler of otherwise must be a function, found null/);
});

test("the types fit the names", () => {
  new SlackEventRouter()
    .on("app_mention", ({ event }) => void event.text.length)
    .on("message.channels", ({ event }) => void event.channel.length)
    .on("reaction_added", ({ event }) => void event.item.ts?.length)
    .on("message.message_changed", ({ event }) => void event.message.text)
    .on("team_join", ({ event, envelope }) => void [event.user.id, envelope.event.user.id])
    // @ts-expect-error: a mention has no reaction
    .on("app_mention", ({ event }) => void event.reaction.length);
});
