// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import type { Delivery } from "../../core/protocol.ts";
import { UpstashBackend } from "../../backends/upstash/mod.ts";
import { HandClock, turn } from "../doubles/hand_clock.ts";
import { requires } from "../runner/services.ts";
import { startUpstash, type UpstashServer } from "../fakes/upstash_server.ts";

const test = requires("redis-server");

const HOUR_MS = 3_600_000;

/** A `fetch` that counts its requests without a response, except subscriptions. */
function counting(): { readonly fetch: typeof fetch; readonly active: () => number } {
  let active = 0;
  const counted = async (url: string, init: RequestInit): Promise<Response> => {
    if (String(url).includes("/subscribe/")) return await fetch(url, init);
    active += 1;
    try {
      const response = await fetch(url, init);
      return new Response(await response.text(), response);
    } finally {
      active -= 1;
    }
  };
  return { fetch: counted as typeof fetch, active: () => active };
}

/** Starts a consumer that waits. Returns a function that lets time pass until no request is without a response. */
async function idleConsumer(server: UpstashServer) {
  const clock = new HandClock(Date.now());
  const { fetch, active } = counting();
  const backend = new UpstashBackend({ url: server.url, token: server.token, clock, fetch });
  const quiet = async () => {
    do await turn(); while (active() > 0 || clock.timers.size === 0);
    await turn();
  };
  const deliveries = backend.receive("slack_events");
  const next = deliveries.next();
  await quiet();
  const pass = async (ms: number) => {
    const until = clock.now() + ms;
    while (clock.now() < until) {
      await clock.advance(Math.min(clock.waits()[0] ?? Infinity, until - clock.now()));
      await quiet();
    }
  };
  return { backend, clock, deliveries, next, quiet, pass };
}

async function stop({ backend, next }: { backend: UpstashBackend; next: Promise<unknown> }): Promise<void> {
  await backend.close();
  await next;
}

test("upstash: an idle hour costs no more than declared and budgeted", async () => {
  await using server = await startUpstash();
  const consumer = await idleConsumer(server);
  await server.until(() => server.requests === 3); // a look, the subscription, and the look after it
  await consumer.quiet();
  await consumer.pass(HOUR_MS);
  const { idleCostPerHour } = consumer.backend.capabilities;
  assert.ok(server.commands > 60, `${server.commands} commands: it sleeps too soundly for publishers who do not tell`);
  assert.ok(server.commands <= idleCostPerHour, `${server.commands} commands`);
  assert.ok(idleCostPerHour <= 130);
  await stop(consumer);
});

test("upstash: an idle hour with a broken subscription stays within the budget", async () => {
  for (const fault of ["refused", "breaks"] as const) {
    await using server = await startUpstash();
    if (fault === "refused") server.refuseSubscriptions();
    const consumer = await idleConsumer(server);
    for (let minutes = 0; minutes < 60; minutes += 5) {
      if (fault === "breaks") {
        await server.until(() => server.subscriptions === 1);
        const { requests } = server;
        server.dropSubscriptions();
        await server.until(() => server.requests > requests); // the look at what may have come meanwhile
        await consumer.quiet();
      }
      await consumer.pass(HOUR_MS / 12);
    }
    const { idleCostPerHour } = consumer.backend.capabilities;
    assert.ok(server.commands <= idleCostPerHour, `${fault}: ${server.commands} commands`);
    await stop(consumer);
  }
});

test("upstash: a publisher who tells nobody is heard within the time between two looks", async () => {
  await using server = await startUpstash();
  const consumer = await idleConsumer(server);
  await server.until(() => server.requests === 3);
  await consumer.quiet();
  await consumer.pass(HOUR_MS);
  await server.redis.call("XADD", "slack_events", "*", "data", '{"from":"python"}');
  await consumer.pass(45_000);
  const { value } = await consumer.next;
  assert.deepEqual(value!.payload, { from: "python" });
  await value!.ack();
  await consumer.backend.close();
});

test("upstash: after an idle hour a message wakes the consumer by subscription", async () => {
  await using server = await startUpstash();
  const consumer = await idleConsumer(server);
  await server.until(() => server.requests === 3);
  await consumer.quiet();
  await consumer.pass(HOUR_MS);
  await using publisher = new UpstashBackend({ url: server.url, token: server.token });
  await publisher.publish("slack_events", { n: 1 });
  const { value } = await consumer.next; // the clock stands still: no timer of the consumer's can have run
  assert.deepEqual(value!.payload, { n: 1 });
  await value!.ack();
  await consumer.backend.close();
});

test("upstash: a consumer that soon returns keeps its subscription", async () => {
  await using server = await startUpstash();
  const { backend, clock, deliveries } = await idleConsumer(server);
  await server.until(() => server.subscriptions === 1);
  await deliveries.return!();
  await clock.advance(10_000);
  const again = backend.receive("slack_events");
  const next = again.next();
  await using publisher = new UpstashBackend({ url: server.url, token: server.token });
  await publisher.publish("slack_events", { n: 1 });
  await (await next).value!.ack();
  assert.equal(server.seen.filter(({ path }) => path.startsWith("/subscribe/")).length, 1);
  await again.return!();
  await clock.advance(20_000);
  await server.until(() => server.subscriptions === 0);
  await backend.close();
});

test("upstash: messages of two ordering keys cost one look for each two", async () => {
  await using server = await startUpstash();
  const { backend, deliveries, next, quiet } = await idleConsumer(server);
  await server.until(() => server.requests === 3);
  await quiet();
  server.reset();
  const ROUNDS = 10;
  const messages = Array.from({ length: 2 * ROUNDS }, (_, n) => ({ payload: { n }, orderingKey: "ab"[n % 2]! }));
  await backend.publishBatch("slack_events", messages);
  const seen: unknown[] = [];
  let first: Promise<IteratorResult<Delivery>> = next;
  while (seen.length < messages.length) {
    const pair: Delivery[] = [(await first).value, (await deliveries.next()).value!];
    seen.push(...pair.map(({ payload }) => payload.n));
    const acks = pair.map((delivery) => delivery.ack());
    if (seen.length < messages.length) first = deliveries.next();
    assert.deepEqual(await Promise.all(acks), [true, true]);
  }
  for (const key of [0, 1]) {
    const own = seen.filter((n) => Number(n) % 2 === key);
    assert.deepEqual(own, own.toSorted((a, b) => Number(a) - Number(b)), "in the order of the ordering key");
  }
  // The publish; and for each pair a receive and a settlement. The time does not pass, so none looks for want of news. A
  // receive that overtakes its settlement on the network, which is rare, is one more.
  assert.ok(server.requests <= 1 + 2.5 * ROUNDS, `${server.requests} requests`);
  await backend.close();
});
