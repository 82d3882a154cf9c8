import assert from "node:assert/strict";
import { test } from "node:test";
import { PublishError } from "../../../core/errors.ts";
import type { Health } from "../../../core/protocol.ts";
import { StubBackend } from "../../doubles/stub_backend.ts";
import { HandClock, turn } from "../../doubles/hand_clock.ts";
import { setUp } from "./support/webhook.ts";

class HealthyBackend extends StubBackend {
  constructor(readonly health: () => Promise<Health>) {
    super();
  }
}

test("createSlackReceiver answers the health check by the backend's health", async () => {
  const get = async (backend: StubBackend) => {
    const answer = await setUp({}, backend).receiver.fetch(new Request("https://bot.example/health"));
    return { status: answer.status, ...await answer.json() };
  };
  assert.deepEqual(await get(new HealthyBackend(() => Promise.resolve({ ok: true, latencyMs: 2 }))), {
    status: 200,
    ok: true,
    checked: true,
    latencyMs: 2,
  });
  const error = new PublishError("connection", "cannot reach redis://user:hunter2@host");
  const sick = { status: 503, ok: false, checked: true, error: "connection" };
  assert.deepEqual(await get(new HealthyBackend(() => Promise.resolve({ ok: false, latencyMs: 9, error }))), {
    ...sick,
    latencyMs: 9,
  });
  assert.deepEqual(await get(new HealthyBackend(() => Promise.reject(error))), sick);
  assert.deepEqual(await get(new HealthyBackend(() => Promise.reject(new Error("hunter2")))), {
    ...sick,
    error: "internal",
  });
  assert.deepEqual(await get(new StubBackend()), { status: 200, ok: true, checked: false });
});

test("createSlackReceiver answers 503 when the backend's health hangs", async () => {
  const clock = new HandClock();
  const asked = Promise.withResolvers<void>();
  const backend = new HealthyBackend(() => (asked.resolve(), new Promise(() => undefined)));
  const { receiver } = setUp({ clock }, backend);
  const answer = receiver.fetch(new Request("https://bot.example/health"));
  await asked.promise;
  await clock.advance(2_500);
  assert.equal((await answer).status, 503);
  assert.equal(receiver.stats.unhealthy, 1);
  const posted = await receiver.fetch(new Request("https://bot.example/health", { method: "POST" }));
  assert.equal(posted.status, 405);
  assert.equal(posted.headers.get("allow"), "GET, HEAD");
  assert.equal(backend.published.length, 0);
});

const getHealth = (receiver: { fetch(request: Request): Promise<Response> }) =>
  receiver.fetch(new Request("https://bot.example/health"));

/** A backend that counts how often its health is asked for. */
function counting(health: () => Promise<Health> = () => Promise.resolve({ ok: true, latencyMs: 1 })) {
  let asked = 0;
  const backend = new HealthyBackend(() => {
    asked++;
    return health();
  });
  return { backend, asked: () => asked };
}

test("createSlackReceiver asks the backend once for any number of probes", async () => {
  const clock = new HandClock();
  const { backend, asked } = counting();
  const { receiver } = setUp({ clock }, backend);
  const probes = await Promise.all(Array.from({ length: 1_300 }, () => getHealth(receiver)));
  assert.ok(probes.every(({ status }) => status === 200));
  assert.equal(asked(), 1);
  await clock.advance(4_999);
  assert.equal((await getHealth(receiver)).status, 200);
  assert.equal(asked(), 1);
  await clock.advance(1);
  assert.equal((await getHealth(receiver)).status, 200);
  assert.equal(asked(), 2);
});

test("createSlackReceiver has one probe at a time, also when it takes long", async () => {
  const clock = new HandClock();
  const first = Promise.withResolvers<Health>();
  const { backend, asked } = counting(() => first.promise);
  const { receiver } = setUp({ clock }, backend);
  const probes = [getHealth(receiver), getHealth(receiver)];
  await turn();
  await clock.advance(2_000);
  probes.push(getHealth(receiver));
  await turn();
  assert.equal(asked(), 1);
  first.resolve({ ok: true, latencyMs: 2_000 });
  for (const probe of probes) assert.equal((await probe).status, 200);
});

test("createSlackReceiver asks again when a probe has ended without an answer", async () => {
  const clock = new HandClock();
  let hang = true;
  const { backend, asked } = counting(() =>
    hang ? new Promise(() => undefined) : Promise.resolve({ ok: true, latencyMs: 1 })
  );
  const { receiver } = setUp({ clock }, backend);
  const hanging = getHealth(receiver);
  await turn();
  await clock.advance(2_500);
  assert.equal((await hanging).status, 503);
  hang = false;
  await clock.advance(5_000);
  assert.equal((await getHealth(receiver)).status, 200);
  assert.equal(asked(), 2);
});

test("createSlackReceiver keeps a bad answer no longer than a good one", async () => {
  const clock = new HandClock();
  let ok = false;
  const { backend, asked } = counting(() => Promise.resolve({ ok, latencyMs: 1 }));
  const { receiver } = setUp({ clock }, backend);
  assert.equal((await getHealth(receiver)).status, 503);
  ok = true;
  assert.equal((await getHealth(receiver)).status, 503);
  await clock.advance(5_000);
  assert.equal((await getHealth(receiver)).status, 200);
  assert.equal(asked(), 2);
});

test("createSlackReceiver counts a confirmed publish as health", async () => {
  const clock = new HandClock();
  const { backend, asked } = counting(() => Promise.resolve({ ok: false, latencyMs: 1 }));
  const { receiver, post } = setUp({ clock }, backend);
  await post({ timestamp: Math.floor(clock.now() / 1000) });
  const answer = await getHealth(receiver);
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(), { ok: true, checked: true, latencyMs: 0 });
  assert.equal(asked(), 0);
});

test("createSlackReceiver reports a publish that failed, although a ping succeeds", async () => {
  const clock = new HandClock();
  const readOnly = new PublishError("invalid", "READONLY You cannot write against a read only replica");
  let refuse = true;
  class ReadOnlyBackend extends StubBackend {
    health = () => Promise.resolve({ ok: true, latencyMs: 1 });
    constructor() {
      super(() => refuse ? Promise.reject(readOnly) : { id: "x", outcome: "added" });
    }
  }
  const { receiver, post } = setUp({ clock }, new ReadOnlyBackend());
  assert.equal((await getHealth(receiver)).status, 200, "nothing is known yet but the ping");
  const send = () => post({ timestamp: Math.floor(clock.now() / 1000) });
  assert.equal((await send()).status, 503);
  const answer = await getHealth(receiver);
  assert.equal(answer.status, 503);
  assert.deepEqual(await answer.json(), { ok: false, checked: true, error: "invalid" });
  await clock.advance(29_999);
  assert.equal((await getHealth(receiver)).status, 503);
  await clock.advance(1);
  assert.equal((await getHealth(receiver)).status, 200, "the failure is forgotten: events must come again");
  assert.equal((await send()).status, 503);
  refuse = false;
  assert.equal((await send()).status, 200);
  assert.equal((await getHealth(receiver)).status, 200, "a success ends it at once");
});

test("createSlackReceiver lets a failed publish overrule an earlier probe", async () => {
  const clock = new HandClock();
  const probe = Promise.withResolvers<Health>();
  class SlowPing extends StubBackend {
    health = () => probe.promise;
    constructor() {
      super(() => Promise.reject(new PublishError("invalid", "WRONGTYPE")));
    }
  }
  const { receiver, post } = setUp({ clock }, new SlowPing());
  const asked = getHealth(receiver);
  await turn();
  await post({ timestamp: Math.floor(clock.now() / 1000) });
  probe.resolve({ ok: true, latencyMs: 1 });
  assert.equal((await asked).status, 503);
  assert.equal((await getHealth(receiver)).status, 503);
});

test("createSlackReceiver stays healthy when the budget leaves no room to ask", async () => {
  const error = new PublishError("rate-limited", "the rest is kept for publishing");
  for (const health of [() => Promise.resolve({ ok: false, latencyMs: 0, error }), () => Promise.reject(error)]) {
    const { receiver } = setUp({}, new HealthyBackend(health));
    const answer = await getHealth(receiver);
    assert.equal(answer.status, 200);
    assert.deepEqual(await answer.json(), { ok: true, checked: false });
  }
});

test("SlackReceiverOptions.healthPath null turns the health check off", async () => {
  const { backend, asked } = counting();
  const { receiver } = setUp({ healthPath: null }, backend);
  assert.equal((await getHealth(receiver)).status, 404);
  assert.equal(asked(), 0);
});

test("createSlackReceiver keeps a failure of the payload out of the health", async () => {
  const { backend } = counting();
  const { receiver, post } = setUp(
    {},
    Object.assign(backend, {
      publish: () => Promise.reject(new PublishError("too-large", "over 128 KB")),
    }),
  );
  assert.equal((await post()).status, 422);
  assert.equal((await getHealth(receiver)).status, 200);
});
