// A server that is away under an idle consumer is told of once, and once more when it is back.
import { test } from "node:test";
import assert from "node:assert/strict";
import { fromEnv, NatsDriver } from "@acme/nats-queue";
import { PASSWORD, startNats } from "./nats_server.ts";

const message = {
  id: "Ev0PV52K21",
  explicitId: true,
  body: "{}",
  payload: {},
  delayMs: 0,
  orderingKey: undefined,
  ttlMs: undefined,
  headers: undefined,
};

test("nats: a server that was killed is told of once, and once when it is back", async () => {
  await using server = await startNats();
  const lines: string[] = [];
  const waiting: (() => void)[] = [];
  const note = (line: string) => {
    lines.push(line);
    for (const wake of waiting.splice(0)) wake();
  };
  const until = async (count: number) => {
    while (lines.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  const env = { NATS_URL: server.url, NATS_USERNAME: "app", NATS_PASSWORD: PASSWORD, NATS_RETRY_DELAY: "0.02" };
  const observer = {
    disconnected: ({ backend }: { backend: string }) => note(`lost ${backend}`),
    connected: ({ backend }: { backend: string }) => note(`back ${backend}`),
  };
  await using backend = fromEnv(env, { observer });
  await backend.publish("slack_events", { n: 1 });
  const deliveries = backend.receive("slack_events");
  await (await deliveries.next()).value!.ack();
  const next = deliveries.next();
  await server.kill();
  await until(1);
  await server.start();
  await until(2);
  await backend.publish("slack_events", { n: 2 });
  const { value: delivery } = await next;
  assert.deepEqual(delivery?.payload, { n: 2 });
  await delivery!.ack();
  await deliveries.return!();
  assert.deepEqual(lines, ["lost nats", "back nats"]);
});

test("nats: what was confirmed outlives a server that is killed", async () => {
  await using server = await startNats();
  const env = { NATS_URL: server.url, NATS_USERNAME: "app", NATS_PASSWORD: PASSWORD, NATS_RETRY_DELAY: "0.02" };
  await using backend = fromEnv(env);
  const count = 100;
  await backend.publishBatch("slack_events", Array.from({ length: count }, (_, n) => ({ payload: { n } })));
  await server.kill();
  await server.start();
  const seen = new Set<unknown>();
  for await (const delivery of backend.receive("slack_events")) {
    seen.add(delivery.payload.n);
    await delivery.ack();
    if (seen.size === count) break;
  }
});

test("nats: a consumer that waits outlives servers that are shut down", async () => {
  await using server = await startNats();
  const env = { NATS_URL: server.url, NATS_USERNAME: "app", NATS_PASSWORD: PASSWORD, NATS_RETRY_DELAY: "0.02" };
  await using backend = fromEnv(env);
  await backend.publish("slack_events", { n: 0 });
  const deliveries = backend.receive("slack_events");
  await (await deliveries.next()).value!.ack();
  for (let n = 1; n <= 3; n++) {
    const next = deliveries.next();
    // The server answers a pull that waits with a status, and then closes the connection.
    await server.waits();
    await server.stop();
    await server.start();
    await backend.publish("slack_events", { n });
    const { value: delivery } = await next;
    assert.deepEqual(delivery?.payload, { n });
    await delivery!.ack();
  }
  await deliveries.return!();
});

test("nats: what is published while a server is away is sent once, and confirmed", async () => {
  await using server = await startNats();
  const driver = new NatsDriver({ url: server.url, username: "app", password: PASSWORD });
  const lost = Promise.withResolvers<void>();
  driver.observeConnection({ lost: () => lost.resolve(), back: () => {} });
  const { signal } = new AbortController();
  const send = (id: string) =>
    driver.send("slack_events", [{ ...message, id }], signal).then(([result]) => result, (error) => ({ error }));
  await send("before");
  await server.stop();
  await lost.promise;
  // All along, until the client has connected again: at any moment of that a message may be handed to it.
  const sent: ReturnType<typeof send>[] = [];
  const timer = setInterval(() => sent.push(send(`Ev${sent.length}`)), 1);
  await server.start();
  await send("after");
  clearInterval(timer);
  for (const result of await Promise.all(sent)) assert.deepEqual(result, { outcome: "added" });
  await driver.close();
});
