// Rule 1 over Redis: where no byte of a message can have left, the error names the cause.
// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { RedisBackend, type RedisOptions } from "../../backends/redis/mod.ts";
import type { ErrorCode, QueueError } from "../../core/errors.ts";
import { createLog } from "../../cli/serve/log.ts";
import { slackRequest } from "../../cli/sign.ts";
import { createSlackReceiver, type SlackRequestReport } from "../../slack/mod.ts";
import { requires } from "../runner/services.ts";
import { startRedis } from "../servers/redis_server.ts";

const test = requires("redis-server", "openssl");

interface Unreachable {
  readonly name: string;
  readonly options: RedisOptions;
  readonly code: ErrorCode;
  readonly cause: RegExp;
}

/** Milliseconds: the backend's own timeout. A call's is shorter, equal or longer. */
const TIMEOUT_MS = 700;

async function rejected(promise: Promise<unknown>): Promise<QueueError> {
  return await promise.then(() => assert.fail("it resolved"), (error) => error);
}

async function check({ name, options, code, cause }: Unreachable): Promise<void> {
  const settings = { timeoutMs: TIMEOUT_MS, closeDeadlineMs: 0, ...options };
  await using backend = new RedisBackend(settings);
  await rejected(backend.publish("k", {}, { timeoutMs: 30_000 })); // a first connection takes as long as its host lookup
  const expect = (call: string, error: Error | undefined) => {
    assert.equal((error as QueueError | undefined)?.code, code, `${name}, ${call}: ${error}`);
    assert.match(error!.message, cause, `${name}, ${call}`);
  };
  const calls: [string, Promise<unknown>][] = [250, settings.timeoutMs, 2 * settings.timeoutMs].flatMap((timeoutMs) => [
    [`publish ${timeoutMs}`, backend.publish("k", { n: 1 }, { timeoutMs })],
    [`publishBatch ${timeoutMs}`, backend.publishBatch("k2", [{ payload: {} }, { payload: {} }], { timeoutMs })],
  ]);
  calls.push(["depth", backend.depth("k")]);
  await Promise.all(calls.map(async ([call, promise]) => expect(call, await rejected(promise))));
  const { ok, error } = await backend.health();
  assert.equal(ok, false);
  expect("health", error);
}

test("RedisBackend names a refused connection, whatever the call's timeout", async () => {
  const port = 1; // nothing listens there, and no other test is given it
  await check({
    name: "an address",
    options: { url: `redis://127.0.0.1:${port}` },
    code: "connection",
    cause: /ECONNREFUSED/,
  });
  await check({
    name: "a name with several addresses",
    options: { url: `redis://localhost:${port}` },
    code: "connection",
    cause: /ECONNREFUSED/,
  });
  await check({
    name: "TLS",
    options: { url: `rediss://127.0.0.1:${port}` },
    code: "connection",
    cause: /ECONNREFUSED/,
  });
});

test("RedisBackend names a host that does not exist", async () => {
  await check({
    name: "an unknown host",
    options: { url: "redis://no-such-host.invalid:6379", timeoutMs: 5_000, maxRetries: 1 }, // a resolver may take its time
    code: "connection",
    cause: /ENOTFOUND|EAI_AGAIN/,
  });
});

test("RedisBackend names credentials that are refused", async () => {
  await using redis = await startRedis({ requirepass: "right" });
  for (const options of [{}, { password: "wrong" }, { username: "nobody", password: "right" }]) {
    await check({
      name: JSON.stringify(options),
      options: { url: `redis://127.0.0.1:${redis.port}`, ...options },
      code: "unauthorized",
      cause: /NOAUTH|WRONGPASS/,
    });
  }
});

test("RedisBackend names a TLS handshake that fails", async () => {
  await using secure = await startRedis({ tls: true });
  await check({
    name: "a certificate that nobody vouches for",
    options: { url: `rediss://127.0.0.1:${secure.port}` },
    code: "connection",
    cause: /self.signed|certificate|UnknownIssuer/i,
  });
  await using plain = await startRedis();
  await check({
    name: "TLS to a plain port",
    options: { url: `rediss://127.0.0.1:${plain.port}` },
    code: "connection",
    cause: /no connection: \S/,
  });
  await check({
    name: "plain text to a TLS port",
    options: { url: `redis://127.0.0.1:${secure.port}` },
    code: "connection",
    cause: /no connection: \S/,
  });
});

test("RedisBackend reports no unknown outcome for many publishes without a server", async () => {
  await using backend = new RedisBackend({ url: `redis://127.0.0.1:1`, closeDeadlineMs: 0 });
  const publishes: Promise<QueueError>[] = [];
  for (let n = 0; n < 80; n++) {
    publishes.push(rejected(backend.publish("k", { n }, { timeoutMs: 2_500 })));
    await new Promise((resolve) => setTimeout(resolve, 10)); // so that their deadlines fall into one another's sends
  }
  for (const error of await Promise.all(publishes)) {
    assert.equal(error.code, "connection", String(error));
    assert.match(error.message, /ECONNREFUSED/);
  }
});

test("createSlackReceiver reports a refused connection, and the server logs it", async () => {
  await using backend = new RedisBackend({ url: `redis://127.0.0.1:1`, closeDeadlineMs: 0 });
  const reports: SlackRequestReport[] = [];
  const signingSecret = "8f742231b10e8888abcd99yyyzzz85a5";
  const receiver = createSlackReceiver({ backend, signingSecret, observer: (report) => void reports.push(report) });
  const post = async (n: number) => {
    const body = {
      type: "event_callback",
      event_id: `Ev${n}`,
      team_id: "T1",
      event: { type: "app_mention", ts: "1.1" },
    };
    const request = await slackRequest("http://127.0.0.1/slack/events", { secret: signingSecret, body });
    assert.equal((await receiver.fetch(request)).status, 503);
  };
  await Promise.all(Array.from({ length: 20 }, (_, n) => post(n)));
  assert.equal(reports.length, 20);
  for (const { outcome, error } of reports) {
    assert.equal(outcome, "unconfirmed");
    assert.equal((error as QueueError).code, "connection", String(error));
    assert.match((error as QueueError).message, /ECONNREFUSED/);
  }
  const lines: string[] = [];
  const log = createLog((line) => void lines.push(line));
  log("error", "event not confirmed", { error: reports[0]!.error });
  assert.match(lines[0]!, /"code":"connection".*ECONNREFUSED/);
});
