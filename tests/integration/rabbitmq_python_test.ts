// not on workerd: starts a rabbitmq-server
import assert from "node:assert/strict";
import { join } from "node:path";
import { after } from "node:test";
import { RabbitMQBackend } from "../../backends/rabbitmq/mod.ts";
import { run } from "../runner/child.ts";
import { pythonWith, requires } from "../runner/services.ts";
import { ROOT } from "../runner/suites.ts";
import { type RabbitMQServer, startRabbitMQ } from "../servers/rabbitmq_server.ts";

const test = requires("rabbitmq-server", "python3-aio-pika");
const TEXT = 'ünï😀 "\\ \u2028 1700000000.123456';

let starting: Promise<RabbitMQServer> | undefined;
const server = () => starting ??= startRabbitMQ();
after(async () => {
  await (await starting)?.[Symbol.asyncDispose]();
});

interface Seen {
  readonly key: string;
  readonly payload: Record<string, unknown>;
  readonly id: string | null;
}

async function python(args: readonly string[], input = ""): Promise<Seen[]> {
  const script = join(ROOT, "tests/integration/support/rabbitmq_plugin.py");
  const { url } = await server();
  const result = await run(pythonWith("aio_pika")!, [script, `${url}/`, ...args], { input });
  assert.equal(result.code, 0, result.stderr);
  return result.stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

async function take(backend: RabbitMQBackend, key: string, group: string, count: number): Promise<unknown[]> {
  const taken: unknown[] = [];
  for await (const delivery of backend.receive(key, { group, prefetch: 1 })) {
    taken.push(delivery.payload);
    assert.ok(await delivery.ack());
    if (taken.length === count) break;
  }
  return taken;
}

for (const first of ["ours", "python"] as const) {
  test(`RabbitMQBackend consumes what the Python plugin publishes, ${first} declared first`, async () => {
    const exchange = `from_python_${first}`;
    await using backend = new RabbitMQBackend({ url: (await server()).url, exchange, timeoutMs: 120_000 });
    if (first === "python") await python(["declare", exchange, "slack-mcp"]);
    else await backend.publish(exchange, { n: 0 });
    const sent = Array.from({ length: 20 }, (_, n) => ({ n: n + 1, text: TEXT, nested: [{ a: null }] }));
    await python(["publish", exchange, exchange], sent.map((payload) => JSON.stringify(payload)).join("\n"));
    const expected = first === "ours" ? [{ n: 0 }, ...sent] : sent;
    assert.deepEqual(await take(backend, exchange, "slack-mcp", expected.length), expected);
  });

  test(`RabbitMQBackend publishes what the Python plugin consumes, ${first} declared first`, async () => {
    const exchange = `to_python_${first}`;
    await using backend = new RabbitMQBackend({
      url: (await server()).url,
      exchange,
      groups: ["slack-mcp", "bots"],
      timeoutMs: 120_000,
    });
    if (first === "python") await python(["declare", exchange, "bots"]);
    const { id } = await backend.publish(exchange, { text: TEXT }, { id: "Ev1", headers: { a: "b" } });
    const later = await backend.publish(exchange, { later: true }, { delayMs: 50 });
    assert.deepEqual(await python(["consume", exchange, "bots", "2"]), [
      { key: exchange, payload: { text: TEXT }, id },
      { key: exchange, payload: { later: true }, id: later.id },
    ]);
  });
}

test("RabbitMQBackend shares a group with the Python plugin, one message to each", async () => {
  const exchange = "shared";
  await using backend = new RabbitMQBackend({
    url: (await server()).url,
    exchange,
    groups: ["bots"],
    timeoutMs: 120_000,
  });
  await python(["declare", exchange, "bots"]);
  await backend.publishBatch(exchange, Array.from({ length: 60 }, (_, n) => ({ payload: { n } })));
  const ours = await take(backend, exchange, "bots", 20) as { n: number }[];
  const theirs = (await python(["consume", exchange, "bots", "40"])).map(({ payload }) => payload) as { n: number }[];
  assert.deepEqual(
    [...ours, ...theirs].map(({ n }) => n).toSorted((a, b) => a - b),
    Array.from({ length: 60 }, (_, n) => n),
  );
});

test("Delivery.retry counts attempts on a queue that the Python plugin declared", async () => {
  const exchange = "plain";
  await using backend = new RabbitMQBackend({ url: (await server()).url, exchange, timeoutMs: 120_000 });
  await python(["declare", exchange, "slack-mcp"]);
  await python(["publish", exchange, exchange], '{"n":1}');
  const reader = backend.receive(exchange, { prefetch: 1 });
  const first = (await reader.next()).value!;
  assert.ok(await first.retry({ delayMs: 20 }));
  const second = (await reader.next()).value!;
  assert.deepEqual([second.payload, second.attempts, second.id], [{ n: 1 }, 2, first.id]);
  assert.ok(await second.deadLetter(new Error("no")));
  await reader.return!();
  const letters = await Array.fromAsync(backend.deadLetters.list(exchange));
  assert.deepEqual(letters.map(({ payload, attempts }) => [payload, attempts]), [[{ n: 1 }, 2]]);
});
