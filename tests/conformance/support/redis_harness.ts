/**
 * The Redis backend as the conformance kit meets it: a real redis-server that the run starts, kills and brings back,
 * and a proxy for each backend, so that it is the network that breaks, and not a pretence of it.
 *
 * @module
 */
import { createDriver } from "../../../backends/redis/driver.ts";
import type { LeasingBackend, QueueBackend } from "../../../core/protocol.ts";
import { driverHarness } from "../../../testing/driver_harness.ts";
import type { Broker, Harness } from "../../../testing/harness.ts";
import { HEALTH } from "../../../backends/streams/scripts.ts";
import { type RedisServer, startRedis } from "../../servers/redis_server.ts";
import { SCRIPTS } from "./scripts.ts";
import { startProxy, type TcpProxy } from "../../servers/tcp_proxy.ts";

const PASSWORD = "correct-horse-battery-staple";

async function loadScripts(server: RedisServer): Promise<void> {
  for (const script of Object.values(SCRIPTS).flat()) await server.call("SCRIPT", "LOAD", script.source);
}

async function openBroker(server: RedisServer, namespace: string): Promise<Broker> {
  const proxies: TcpProxy[] = [];
  const own = new Map<QueueBackend, TcpProxy>();
  const base = await driverHarness({
    name: "redis",
    open: () => ({
      secrets: [PASSWORD],
      driver: async (options) => {
        const proxy = await startProxy(server.port);
        proxies.push(proxy);
        return createDriver({ ...options, url: `redis://:${PASSWORD}@127.0.0.1:${proxy.port}` });
      },
      unreachable: (options) => createDriver({ ...options, url: `redis://127.0.0.1:1` }),
      restartBroker: async () => {
        await server.kill();
        await server.restart();
        await loadScripts(server);
      },
      inject: async (key, body) => {
        await server.call("XADD", key, "*", "data", body);
      },
      injectBytes: async (key, body) => {
        await server.call("XADD", key, "*", "data", body);
      },
      cost: () => proxies.reduce((sum, proxy) => sum + proxy.commands, 0),
      close: async () => {
        for (const proxy of proxies) await proxy[Symbol.asyncDispose]();
      },
    }),
  }).open();
  const through = (backend: QueueBackend) => own.get(backend)!;
  return {
    ...base,
    key: (name) => `${namespace}:${name}`,
    connect: async (options) => {
      const backend = await base.connect(options);
      own.set(backend, proxies.at(-1)!);
      // Connected at once, so that a fault befalls the call that the case means. A busy machine may need several tries.
      for (let left = 5; left > 0 && !(await (backend as LeasingBackend).health()).ok; left--);
      return backend;
    },
    kill: (backend) => {
      through(backend).refuse();
      return base.kill!(backend);
    },
    dropConnections: () => proxies.forEach((proxy) => proxy.dropConnections()),
    delayResponses: (backend, ms) => {
      through(backend).delayMs = ms;
    },
    holdRequests: (backend) => through(backend).holdRequests(),
    loseNextReply: (backend, operation) => {
      const names = operation === "ping" ? [HEALTH.sha] : SCRIPTS[operation].map(({ sha }) => sha);
      void through(backend).loseNextReply(...names);
    },
  };
}

/** A harness over one redis-server, which `close` ends. Default program: the one that is first in the path. */
export function redisHarness(
  { name = "redis", program }: { readonly name?: string; readonly program?: string } = {},
): Harness & { close(): Promise<void> } {
  let starting: Promise<RedisServer> | undefined;
  let cases = 0;
  return {
    name,
    leaseMs: 600,
    open: async () => {
      starting ??= startRedis({ appendonly: "everysec", requirepass: PASSWORD, program });
      const server = await starting;
      if (cases === 0) await loadScripts(server);
      return await openBroker(server, `case${++cases}`);
    },
    close: async () => {
      await (await starting)?.[Symbol.asyncDispose]();
    },
  };
}
