// not on workerd: a command runs where there is a process
import { test } from "node:test";
import assert from "node:assert/strict";
import { ASKING_MS, examine, type Subject } from "../../../../cli/doctor/examine.ts";
import { problemFinding } from "../../../../cli/doctor/variables.ts";
import { failureFinding } from "../../../../cli/doctor/settings.ts";
import { unsafe } from "../../../../cli/doctor/safety.ts";
import { scratchKey, tryMessage } from "../../../../cli/doctor/round_trip.ts";
import { MemoryBackend } from "../../../../backends/memory/mod.ts";
import { helperPrefix } from "../../../../backends/streams/keys.ts";
import { type ErrorCode, QueueError } from "../../../../core/errors.ts";
import type { Env, JsonObject, LeasingBackend } from "../../../../core/protocol.ts";
import { neverAborts } from "../../../../core/util/async.ts";
import { HandClock } from "../../../doubles/hand_clock.ts";

/** Never settles. */
const silence = new Promise<never>(() => undefined);

function subject(clock: HandClock, backend: LeasingBackend, members: Partial<Subject> = {}): Subject {
  return {
    env: { SLACK_SIGNING_SECRET: "8f742231b10e8888abcd99yyyzzz85a5" },
    key: "slack_events",
    group: "slack-mcp",
    backend: "silent",
    webhook: true,
    timeUrl: "http://127.0.0.1:1/",
    handlerSeconds: undefined,
    askingMs: ASKING_MS,
    clock,
    signal: new AbortController().signal,
    handlers: () => Promise.resolve(),
    open: () => Promise.resolve(backend),
    ...members,
  };
}

/** A backend that answers nothing and obeys no signal. */
function silent(): LeasingBackend {
  const capabilities = { ...new MemoryBackend().capabilities, durable: true };
  const members: Record<string | symbol, unknown> = { name: "silent", capabilities, then: undefined };
  return new Proxy({} as LeasingBackend, {
    get: (_target, name) => Object.hasOwn(members, name) ? members[name] : () => silence,
  });
}

test("examine ends within five seconds where nothing answers and no signal is obeyed", async () => {
  const clock = new HandClock();
  const before = clock.monotonic();
  let ended: number | undefined;
  const examining = examine(subject(clock, silent())).finally(() => ended = clock.monotonic() - before);
  while (ended === undefined) {
    // Each turn lets the request for the time fail, which takes real time.
    await new Promise((resolve) => setTimeout(resolve, 5));
    await clock.advance(100);
    assert.ok(clock.monotonic() - before < 60_000, "it never ends");
  }
  const checks = await examining;
  assert.ok(ended <= 5_000, `${ended} ms`);
  assert.deepEqual(checks.map(({ name, state }) => `${name} ${state}`), [
    "variables ok",
    "connection wrong",
    "message skipped",
    "settings skipped",
    "safety ok",
    "clock skipped",
  ]);
  const [finding] = checks[1]!.findings;
  assert.equal(finding!.setting, "SILENT_URL");
  assert.match(finding!.problem, /no answer came within/);
});

test("examine ends within five seconds where the backend cannot even be opened", async () => {
  const clock = new HandClock();
  const before = clock.monotonic();
  let ended: number | undefined;
  const examining = examine(subject(clock, silent(), { open: () => silence }))
    .finally(() => ended = clock.monotonic() - before);
  while (ended === undefined) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    await clock.advance(100);
  }
  const [variables] = await examining;
  assert.ok(ended <= 5_000, `${ended} ms`);
  assert.match(variables!.findings[0]!.problem, /no answer came within/);
});

const sentences: readonly [sentence: string, setting: string, problem: string, repair: string][] = [
  [
    "REDIS_MAXLENGTH is not a variable that is read: did you mean REDIS_MAX_LENGTH?",
    "REDIS_MAXLENGTH",
    "REDIS_MAXLENGTH is not a variable that is read: did you mean REDIS_MAX_LENGTH?",
    "rename it to REDIS_MAX_LENGTH",
  ],
  [
    "REDIS_URL is not set: set it to redis://host:port/database",
    "REDIS_URL",
    "REDIS_URL is not set",
    "set it to redis://host:port/database",
  ],
  [
    'REDIS_TIMEOUT must be a number of seconds of at least 0.001, found "x"',
    "REDIS_TIMEOUT",
    'REDIS_TIMEOUT must be a number of seconds of at least 0.001, found "x"',
    "correct REDIS_TIMEOUT: it must be a number of seconds of at least 0.001",
  ],
  [
    'QUEUE_BACKEND must be one of memory, redis, found "reddis"; did you mean "redis"?\nTo add a backend of that name …',
    "QUEUE_BACKEND",
    'QUEUE_BACKEND must be one of memory, redis, found "reddis"; did you mean "redis"?',
    "set QUEUE_BACKEND=redis",
  ],
  [
    "Cannot open /data/queue.db: no",
    "SQLITE_PATH",
    "Cannot open /data/queue.db: no",
    "correct SQLITE_PATH, and run doctor again",
  ],
];
for (const [sentence, setting, problem, repair] of sentences) {
  test(`problemFinding reads the setting and the repair out of: ${sentence.slice(0, 40)}`, () => {
    assert.deepEqual(problemFinding(sentence, "sqlite"), { severity: "error", setting, problem, repair });
  });
}

const failures: readonly [code: ErrorCode, message: string, setting: string][] = [
  ["connection", "connect ECONNREFUSED 127.0.0.1:6379", "REDIS_URL"],
  ["timeout", "no reply came in time", "REDIS_URL"],
  ["unauthorized", "WRONGPASS invalid username-password pair", "REDIS_PASSWORD"],
  ["unauthorized", "ACCESS_REFUSED - Login was refused using PLAIN", "REDIS_PASSWORD"],
  ["unauthorized", "NOPERM User app has no permissions to run the 'xadd' command", "REDIS_USERNAME"],
  ["unavailable", "the server is a read-only replica", "REDIS_URL"],
  ["queue-full", "OOM command not allowed", "maxmemory"],
  ["invalid", "WRONGTYPE the key holds a string", "SLACK_EVENTS_TOPIC"],
  ["config", "REDIS_TOKEN must be another one", "REDIS_TOKEN"],
];
for (const [code, message, setting] of failures) {
  test(`failureFinding names the setting of: ${message.slice(0, 50)}`, () => {
    const finding = failureFinding("redis", "slack_events", new QueueError(code, message));
    assert.equal(finding.setting, setting);
    assert.ok(finding.repair.length > 10);
  });
}

test("tryMessage ends its receive before it removes the queue", async () => {
  for (const changed of [false, true]) {
    const calls: string[] = [];
    let payload: JsonObject = {};
    const delivery = { ack: () => Promise.resolve(calls.push("ack") > 0) };
    const backend = {
      name: "recording",
      capabilities: new MemoryBackend().capabilities,
      publish: (_key: string, sent: JsonObject) => {
        payload = changed ? {} : sent;
        return Promise.resolve(calls.push("publish"));
      },
      receive: () => ({
        next: () => Promise.resolve({ done: false, value: { ...delivery, payload } }),
        return: () => Promise.resolve(calls.push("return")),
      }),
      dropQueue: () => Promise.resolve(calls.push("drop")),
    } as unknown as LeasingBackend;
    const options = { key: "slack_events", group: "slack-mcp", clock: new HandClock(), signal: neverAborts() };
    const { state } = await tryMessage(backend, options);
    assert.equal(state, changed ? "wrong" : "ok");
    assert.deepEqual(calls, ["publish", ...changed ? [] : ["ack"], "return", "drop"]);
  }
});

test("unsafe finds a Python publisher's MAXLEN that is near or passed", () => {
  const look = (ready: number, env: Env, key = "slack_events", name = "redis") => {
    const { capabilities } = new MemoryBackend();
    const backend = { name, capabilities: { ...capabilities, durable: true } } as LeasingBackend;
    const depth = { ready, inFlight: 1, delayed: 1_000_000, blocked: 1, dead: 1_000_000 };
    return [...unsafe({ backend, env, key, depth, handlerSeconds: undefined })].map(({ severity }) => severity);
  };
  assert.deepEqual(look(78, { REDIS_STREAM_MAXLEN: "100" }), []);
  assert.deepEqual(look(79, { REDIS_STREAM_MAXLEN: "100" }), ["warning"]);
  assert.deepEqual(look(98, { REDIS_STREAM_MAXLEN: "100" }), ["warning"]);
  assert.deepEqual(look(99, { REDIS_STREAM_MAXLEN: "100" }), ["error"]);
  assert.deepEqual(look(9_999, {}, "slack:events", "upstash"), ["error"], "a key that Python reads");
  assert.deepEqual(look(9_999, {}), [], "a key that Python never sees");
  assert.deepEqual(look(9_999, { REDIS_STREAM_MAXLEN: "100" }, "slack_events", "sqlite"), []);
});

test("unsafe finds limits that are too tight for what is there", () => {
  const { capabilities } = new MemoryBackend();
  const backend = { name: "sqlite", capabilities: { ...capabilities, durable: true } } as LeasingBackend;
  const look = (env: Env, ready = 0) => {
    const depth = { ready, inFlight: 1, delayed: 1, blocked: 1, dead: 1_000 };
    return [...unsafe({ backend, env, key: "slack_events", depth, handlerSeconds: undefined })]
      .map(({ severity, setting }) => `${severity} ${setting}`);
  };
  assert.deepEqual(look({ SQLITE_TIMEOUT: "29", SQLITE_MESSAGE_TTL: "600", SQLITE_MAX_LENGTH: "5" }), []);
  assert.deepEqual(look({ SQLITE_TIMEOUT: "30" }), ["warning SQLITE_TIMEOUT"]);
  assert.deepEqual(look({ SQLITE_MESSAGE_TTL: "599" }), ["warning SQLITE_MESSAGE_TTL"]);
  assert.deepEqual(look({ SQLITE_MAX_LENGTH: "100" }, 77), []);
  assert.deepEqual(look({ SQLITE_MAX_LENGTH: "100" }, 78), ["warning SQLITE_MAX_LENGTH"]);
  assert.deepEqual(look({ SQLITE_MAX_LENGTH: "100" }, 97), ["error SQLITE_MAX_LENGTH"]);
  assert.deepEqual(look({ REDIS_TIMEOUT: "60", SQLITE_MAX_LENGTH: "" }, 97), [], "another backend's, and none");
});

test("scratchKey has the permissions of its key, and no pattern of Python finds it", () => {
  const key = scratchKey("slack:events");
  assert.ok(key.startsWith(helperPrefix("slack:events")));
  assert.ok(helperPrefix(key).startsWith(helperPrefix("slack:events")));
  assert.ok(!key.startsWith("slack:"));
});
