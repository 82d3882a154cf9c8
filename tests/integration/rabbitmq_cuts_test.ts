// not on workerd: starts a rabbitmq-server
import assert from "node:assert/strict";
import { after } from "node:test";
import { RabbitMQBackend, type RabbitMQOptions } from "../../backends/rabbitmq/mod.ts";
import { QueueError } from "../../core/errors.ts";
import { requires } from "../runner/services.ts";
import { METHODS, WriteCounter } from "../servers/amqp_frames.ts";
import { type RabbitMQServer, startRabbitMQ } from "../servers/rabbitmq_server.ts";
import { startProxy, type TcpProxy } from "../servers/tcp_proxy.ts";

// Connections that break between the goodbye of a channel and its answer, which the client waits for without an end.
const test = requires("rabbitmq-server");

let starting: Promise<RabbitMQServer> | undefined;
/** One node for all tests, each of which has an exchange of its own. */
const server = () => starting ??= startRabbitMQ();
after(async () => {
  await (await starting)?.[Symbol.asyncDispose]();
});

/** A backend whose connections go through a proxy. Its timeout is longer than any call takes on a busy machine. */
async function open(exchange: string, options: RabbitMQOptions = {}) {
  const { url, port } = await server();
  const proxy = await startProxy(port, () => new WriteCounter());
  const through = url.replace(String(port), String(proxy.port));
  const backend = new RabbitMQBackend({ url: through, exchange, timeoutMs: 60_000, maxRetries: 20, ...options });
  return { backend, proxy };
}

/** Cuts the connection of each of the next `times` channels that say goodbye, one after the other. */
async function cutGoodbyes(proxy: TcpProxy, times: number): Promise<void> {
  for (let n = 0; n < times; n++) await proxy.loseNextRequest(METHODS.closeChannel);
}

for (const times of [2, 5]) {
  test(`A consumer comes back after ${times} cuts at goodbyes while it subscribes`, async () => {
    const exchange = `subscribing_${times}`;
    const { backend, proxy } = await open(exchange);
    await using _ = proxy;
    await using __ = backend;
    const { backend: publisher, proxy: other } = await open(exchange);
    await using ___ = other;
    await using ____ = publisher;
    await publisher.publish(exchange, { n: 1 });
    const cutting = cutGoodbyes(proxy, times);
    const reader = backend.receive(exchange);
    const pending = reader.next();
    await cutting;
    const { value } = await pending;
    assert.deepEqual(value!.payload, { n: 1 });
    assert.ok(await value!.ack());
    await reader.return!();
  });
}

test("Publishes that declare first go through after cuts at a channel's goodbye", async () => {
  const { backend, proxy } = await open("declaring");
  await using _ = proxy;
  await using __ = backend;
  const cutting = cutGoodbyes(proxy, 3);
  await Promise.all([1, 2, 3].map((n) => backend.publish("declaring", { n })));
  await cutting;
  await backend.publish("declaring", { n: 4 }, { delayMs: 100 });
  await backend.publish("other", { n: 5 });
});

test("Calls that look at a queue end where a channel's goodbye is cut", async () => {
  const { backend, proxy } = await open("looks");
  await using _ = proxy;
  await using __ = backend;
  await backend.publish("looks", { n: 1 });
  const reader = backend.receive("looks");
  assert.ok(await (await reader.next()).value!.deadLetter("no"));
  await reader.return!();
  const calls: Record<string, () => Promise<unknown>> = {
    list: async () => assert.equal((await Array.fromAsync(backend.deadLetters.list("looks"))).length, 1),
    depth: async () => assert.equal((await backend.depth("looks")).dead, 1),
    health: async () => assert.equal((await backend.health()).ok, true),
    replay: async () => assert.equal(await backend.deadLetters.replay("looks", { ids: ["none"] }), 0),
    purge: async () => assert.equal(await backend.deadLetters.purge("looks"), 1),
  };
  for (const [name, call] of Object.entries(calls)) {
    const cutting = cutGoodbyes(proxy, 1);
    const calling = call().catch((error: unknown) => error);
    await cutting;
    const error = await calling;
    assert.ok(!(error instanceof QueueError) || error.code !== "timeout", `${name}: ${error}`);
    if (name !== "purge") await call();
  }
  assert.equal((await backend.depth("looks")).dead, 0, "what was asked for was done");
});
