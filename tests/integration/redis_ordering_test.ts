// Ordering keys on a cluster, and over the loss of a primary.
// not on workerd: speaks TCP, and starts a redis-server
import assert from "node:assert/strict";
import { Cluster } from "ioredis";
import { RedisBackend } from "../../backends/redis/mod.ts";
import type { Delivery } from "../../core/protocol.ts";
import { requires } from "../runner/services.ts";
import { startCluster } from "../servers/redis_cluster.ts";
import { startRedis } from "../servers/redis_server.ts";

const test = requires("redis-server");
const KEY = "slack_events";
const MESSAGES = [0, 1, 2, 3].flatMap((n) => ["a", "b"].map((orderingKey) => ({ payload: { n }, orderingKey })));

/** Settles what comes until each of the ordering keys has had `count` deliveries, and returns their numbers in order. */
async function inOrder(deliveries: AsyncIterator<Delivery>, count: number): Promise<Record<string, unknown[]>> {
  const seen: Record<string, unknown[]> = { a: [], b: [] };
  while (seen.a!.length < count || seen.b!.length < count) {
    const { value } = await deliveries.next();
    const { orderingKey, payload: { n } } = value as Delivery;
    const first = seen[orderingKey!]!;
    // The first of each fails once: it must come again before its followers.
    await (n === 0 && first.length === 0 ? value.retry({ delayMs: 50 }) : value.ack());
    first.push(n);
  }
  return seen;
}

test("RedisBackend keeps ordering keys on a cluster, whichever node has the queue", async () => {
  await using cluster = await startCluster();
  const client = new Cluster(cluster.nodes.map(({ port }) => ({ host: "127.0.0.1", port })));
  try {
    await using backend = new RedisBackend({ client });
    for (const node of cluster.nodes) {
      const key = await cluster.keyOn(node);
      await backend.publishBatch(key, MESSAGES);
      const deliveries = backend.receive(key, { prefetch: 4 });
      assert.deepEqual(await inOrder(deliveries, 5), { a: [0, 0, 1, 2, 3], b: [0, 0, 1, 2, 3] });
      await deliveries.return!();
      const turn = { maxPerOrderingKey: 4, prefetch: 8 };
      await backend.publishBatch(key, MESSAGES);
      const turns = backend.receive(key, turn);
      const held: Delivery[] = [];
      while (held.length < 8) held.push((await turns.next()).value!);
      assert.ok((await Promise.all(held.map((delivery) => delivery.ack()))).every(Boolean));
      await turns.return!();
      const { ready, inFlight, delayed, blocked } = await backend.depth(key);
      assert.deepEqual({ ready, inFlight, delayed, blocked }, { ready: 0, inFlight: 0, delayed: 0, blocked: 0 });
    }
  } finally {
    client.disconnect();
  }
});

test("RedisBackend keeps ordering keys when a replica takes over", async () => {
  await using primary = await startRedis({ args: ["--repl-diskless-sync-delay", "0"] });
  await using replica = await startRedis({ replicaOf: primary.port });
  while (!String(await replica.call("INFO", "replication")).includes("master_link_status:up")) {
    await new Promise((go) => setTimeout(go, 10));
  }
  const leaseMs = 5_000;
  const options = { leaseMs, replicas: 1, timeoutMs: 30_000, closeDeadlineMs: 0 };
  const first = new RedisBackend({ url: primary.url, ...options });
  await first.publishBatch(KEY, MESSAGES);
  const deliveries = first.receive(KEY, { prefetch: 2 });
  const heads: Delivery[] = [];
  while (heads.length < 2) heads.push((await deliveries.next()).value!);
  const [acked, held] = heads;
  assert.equal(await acked!.ack(), true);
  const { value: next } = await deliveries.next();
  assert.deepEqual([next!.orderingKey, next!.payload.n], [acked!.orderingKey, 1]);
  // What was confirmed for a publish is on the replica; so is all that the primary did before.
  await first.publish(KEY, { n: 4 }, { orderingKey: acked!.orderingKey! });
  await primary.kill();
  await replica.call("REPLICAOF", "NO", "ONE");
  await using second = new RedisBackend({ url: replica.url, leaseMs });
  const { ready, inFlight, blocked } = await second.depth(KEY);
  assert.deepEqual([ready + inFlight, blocked], [2, 6], "the replica knows both heads, and who waits behind them");
  const seen: Record<string, [unknown, number][]> = { a: [], b: [] };
  const rest = second.receive(KEY, { prefetch: 8 });
  for (let left = 8; left > 0; left--) {
    const { value } = await rest.next();
    seen[value!.orderingKey!]!.push([value!.payload.n, value!.attempts]);
    await value!.ack();
  }
  assert.deepEqual(seen[acked!.orderingKey!], [[1, 2], [2, 1], [3, 1], [4, 1]]);
  assert.deepEqual(seen[held!.orderingKey!], [[0, 2], [1, 1], [2, 1], [3, 1]]);
  await first.close();
});
