// The server confirms a message before its consumer has heard of it.
import { test } from "node:test";
import assert from "node:assert/strict";
import { NatsDriver } from "@acme/nats-queue";
import { PASSWORD, startNats } from "./nats_server.ts";

const KEY = "slack_events";
const GROUP = "slack-mcp";

/** Without the second look, about one in a thousand was not seen. */
const MESSAGES = 2_000;

test("nats: a message is seen by who does not wait, once it is confirmed", async () => {
  await using server = await startNats();
  const options = { url: server.url, username: "app", password: PASSWORD };
  const [publisher, consumer] = [new NatsDriver(options), new NatsDriver(options)];
  const { signal } = new AbortController();
  await consumer.connect(KEY, signal);
  for (let n = 0; n < MESSAGES; n++) {
    await publisher.inject(KEY, `{"n":${n}}`);
    const found = await consumer.receive(KEY, { group: GROUP, max: 10, leaseMs: 30_000, waitMs: 0, signal });
    assert.deepEqual(found.map(({ body }) => body), [`{"n":${n}}`]);
    await consumer.settle(KEY, GROUP, [{ kind: "ack", lease: found[0]!.lease }]);
  }
  await Promise.all([publisher.close(), consumer.close()]);
});
