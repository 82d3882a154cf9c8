// `replicas` confirms that replicas have a publish, also one that is sent again and recognized over a new connection.
// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { RedisBackend } from "../../backends/redis/mod.ts";
import type { OutgoingMessage, PublishOptions } from "../../core/protocol.ts";
import { requires } from "../runner/services.ts";
import { REDIS_PROGRAMS } from "../servers/redis_programs.ts";
import { type RedisServer, startRedis } from "../servers/redis_server.ts";
import { startProxy } from "../servers/tcp_proxy.ts";

const KEY = "slack_events";

async function until(server: RedisServer, what: string): Promise<void> {
  while (!String(await server.call("INFO", "replication")).includes(what)) {
    await new Promise((go) => setTimeout(go, 10));
  }
}

const PUBLISHES: Readonly<Record<string, (n: number) => OutgoingMessage>> = {
  "a plain batch": (n) => ({ payload: { n } }),
  "a batch with ids": (n) => ({ payload: { n }, id: `Ev${n}` }),
  "a delayed batch": (n) => ({ payload: { n }, delayMs: 3_600_000 }),
};

const servers = [{ name: "redis-server", program: undefined, test: requires("redis-server") }, ...REDIS_PROGRAMS];

for (const { name, program, test } of servers) {
  const start = (options: Parameters<typeof startRedis>[0]) => startRedis({ ...options, program });

  test(`RedisBackend with replicas confirms a repeated send once a replica has it, on ${name}`, async () => {
    for (const [what, message] of Object.entries(PUBLISHES)) {
      await using primary = await start({ args: ["--repl-diskless-sync-delay", "0"] });
      await using link = await startProxy(primary.port);
      await using replica = await start({ replicaOf: link.port });
      await until(replica, "master_link_status:up");
      await using proxy = await startProxy(primary.port);
      await using backend = new RedisBackend({
        url: `redis://127.0.0.1:${proxy.port}`,
        replicas: 1,
        timeoutMs: 4_000,
        retryDelayMs: 20,
        closeDeadlineMs: 0,
      });
      await backend.publishBatch("warm", [message(-1), message(-2)]);
      link.silence(); // from here on the replica gets nothing, and nobody knows it yet
      const lost = proxy.loseNextReply("evalsha", "EVALSHA");
      const outcome = await backend.publishBatch(KEY, [message(1), message(2)]).then(() => "added", ({ code }) => code);
      await lost;
      assert.equal(outcome, "unknown-outcome", `${what} is not on the replica`);
      await primary.kill();
      await replica.call("REPLICAOF", "NO", "ONE");
      assert.equal(await replica.call("EXISTS", KEY, `{${KEY}}:delayed`), 0, what);
    }
  });

  test(`RedisBackend with replicas recognizes a send that reached the replica, on ${name}`, async () => {
    await using primary = await start({ args: ["--repl-diskless-sync-delay", "0"] });
    await using replica = await start({ replicaOf: primary.port });
    await until(replica, "master_link_status:up");
    await using proxy = await startProxy(primary.port);
    await using backend = new RedisBackend({ url: `redis://127.0.0.1:${proxy.port}`, replicas: 1, retryDelayMs: 20 });
    const options: PublishOptions = { id: "Ev1" };
    await backend.publish(KEY, { n: 0 });
    void proxy.loseNextReply("evalsha", "EVALSHA");
    assert.equal((await backend.publish(KEY, { n: 1 }, options)).outcome, "added");
    assert.equal((await backend.publish(KEY, { n: 1 }, options)).outcome, "duplicate");
    assert.equal(await replica.call("XLEN", KEY), 2);
    assert.deepEqual(await primary.call("KEYS", "*probe*"), [], "the write before WAIT leaves nothing");
  });
}
