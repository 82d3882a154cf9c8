// not on workerd: loads the AMQP client
import { test } from "node:test";
import assert from "node:assert/strict";
import { fromEnv, RabbitMQBackend } from "../../../../backends/rabbitmq/mod.ts";
import { addressOf, optionsFromEnv } from "../../../../backends/rabbitmq/options.ts";
import { ConfigError } from "../../../../core/errors.ts";
import type { Env } from "../../../../core/protocol.ts";

function problemsOf(env: Env): readonly string[] {
  try {
    optionsFromEnv(env);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
  return [];
}

test("addressOf reads the virtual host of every form of URL", () => {
  const vhosts = Object.entries({
    "amqp://h": "/",
    "amqp://h/": "/",
    "amqp://u:p@h/%2F": "/",
    "amqp://h:1/team": "team",
    "amqp://h/a%2Fb%25": "a/b%",
  });
  for (const [url, vhost] of vhosts) assert.equal(addressOf({ url }).vhost, vhost, url);
  assert.equal(addressOf({ url: "amqp://h", vhost: "team" }).vhost, "team");
});

test("addressOf reads host, port, user, password and TLS", () => {
  const { tls: secure, ...rest } = addressOf({ url: "amqps://u%40x:p%2F%3A@[::1]/v" });
  assert.deepEqual(rest, { hostname: "::1", port: 5_671, username: "u@x", password: "p/:", vhost: "v" });
  assert.deepEqual(secure, {});
  assert.deepEqual(addressOf({ hostname: "rabbit", port: 7, username: "me", password: "x" }), {
    hostname: "rabbit",
    port: 7,
    username: "me",
    password: "x",
    vhost: "/",
    tls: undefined,
  });
});

test("optionsFromEnv reads the variables", () => {
  const options = optionsFromEnv({
    RABBITMQ_HOST: "rabbit",
    RABBITMQ_PORT: "5673",
    RABBITMQ_USERNAME: "me",
    RABBITMQ_PASSWORD: "secret",
    RABBITMQ_VHOST: "team",
    RABBITMQ_EXCHANGE: "events",
    RABBITMQ_QUEUE: "{group}.{key}",
    RABBITMQ_QUEUE_TYPE: "classic",
    RABBITMQ_DECLARE: "passive",
    RABBITMQ_HEARTBEAT: "30",
    RABBITMQ_GROUPS: "bots, audit",
    RABBITMQ_TIMEOUT: "2",
    RABBITMQ_MESSAGE_TTL: "60",
  });
  assert.deepEqual(
    [options.hostname, options.port, options.username, options.password, options.vhost],
    ["rabbit", 5_673, "me", "secret", "team"],
  );
  assert.deepEqual([options.exchange, options.queue, options.queueType], ["events", "{group}.{key}", "classic"]);
  assert.deepEqual([options.declare, options.heartbeatMs, options.groups], ["passive", 30_000, ["bots", "audit"]]);
  assert.deepEqual([options.timeoutMs, options.messageTtlMs], [2_000, 60_000]);
});

test("optionsFromEnv lists every problem at once and shows no secret", () => {
  const problems = problemsOf({
    RABBITMQ_URL: "redis://user:hunter2@host",
    RABBITMQ_PORT: "70000",
    RABBITMQ_EXCHANGE: "amq.topic",
    RABBITMQ_QUEUE: "{queue}",
    RABBITMQ_QUEUE_TYPE: "stream",
    RABBITMQ_DECLARE: "maybe",
    RABBITMQ_HEARTBEAT: "0",
    RABBITMQ_MAX_LENGTH: "100",
  });
  const names = ["URL", "PORT", "EXCHANGE", "QUEUE", "QUEUE_TYPE", "DECLARE", "HEARTBEAT", "MAX_LENGTH"];
  for (const name of names) {
    assert.equal(problems.filter((problem) => problem.startsWith(`RABBITMQ_${name} `)).length, 1, name);
  }
  assert.ok(!problems.join().includes("hunter2"));
});

test("optionsFromEnv names what is missing, and what cannot be", () => {
  assert.match(problemsOf({})[0]!, /^RABBITMQ_URL is not set: .*RABBITMQ_HOST/);
  assert.deepEqual(problemsOf({ RABBITMQ_HOST: "h" }), []);
  assert.match(problemsOf({ RABBITMQ_URL: "amqp://h/%" })[0]!, /percent-encoded/);
  assert.match(problemsOf({ RABBITMQ_URL: "amqps://h", RABBITMQ_SSL: "false" })[0]!, /RABBITMQ_SSL/);
});

test("RabbitMQBackend refuses wrong options without showing the URL", async () => {
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ url: "http://u:hunter2@h" }, /amqp:\/\//],
    [{ url: "amqp://u:hunter2@h/%" }, /virtual host/],
    [{ exchange: "amq.topic" }, /exchange/],
    [{ queue: "{nope}" }, /queue/],
    [{ queueType: "stream" }, /queueType/],
    [{ port: 0 }, /port/],
    [{ groups: "bots" }, /groups/],
    [{ heartbeatMs: 0 }, /heartbeatMs/],
    [{ maxLength: 5 }, /maxLength/],
  ];
  for (const [options, message] of wrong) {
    assert.throws(() => new RabbitMQBackend(options), (error: Error) => {
      assert.match(error.message, message);
      assert.ok(!error.message.includes("hunter2"));
      return true;
    });
  }
  const backend = fromEnv({ RABBITMQ_URL: "amqp://u:hunter2@127.0.0.1:1" });
  assert.equal(backend.name, "rabbitmq");
  await backend.close();
});
