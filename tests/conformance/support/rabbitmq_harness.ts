/**
 * The RabbitMQ backend as the conformance kit meets it: a real node that the run starts, kills and brings back, and a
 * proxy for each backend, so that what breaks is the network and not a pretence of it.
 *
 * @module
 */
import { RabbitMQDriver } from "../../../backends/rabbitmq/driver.ts";
import { deadNameOf, dueNameOf, queueNameOf } from "../../../backends/rabbitmq/names.ts";
import { DEFAULT_GROUP, type LeasingBackend, type QueueBackend } from "../../../core/protocol.ts";
import { driverHarness } from "../../../testing/driver_harness.ts";
import type { Broker, Harness } from "../../../testing/harness.ts";
import { Buffer } from "node:buffer";
import { connect } from "amqplib";
import { METHODS, WriteCounter } from "../../servers/amqp_frames.ts";
import { type RabbitMQServer, startRabbitMQ } from "../../servers/rabbitmq_server.ts";
import { startProxy, type TcpProxy } from "../../servers/tcp_proxy.ts";

const PASSWORD = "correct-horse-battery-staple";

/** Milliseconds that a call may take, and an event: a thousand queues take long on a busy machine. */
const TIMEOUT_MS = 240_000;

/** Keys of a case: each is two quorum queues, which the broker takes long to make. */
const MAX_KEYS = 100;

/** Milliseconds of a lease. */
const LEASE_MS = 1_000;

/** Milliseconds after which the broker notices that a client's machine has vanished. */
const NOTICED_MS = 3.25 * LEASE_MS;

/** Groups that come after the messages that they are to get: an operator names them to the publishers. */
const LATE_GROUPS = [
  ...["bots", "Bots", "audit", "first", "second", "fast", "slow", "acks", "retries", "buries", "last", "new"],
  ...Array.from({ length: 10 }, (_, n) => `group-${n}`),
  ...["a b", "ä/世界", "a:b:*", "{x}", "0", "__proto__", "g".repeat(200)],
];

/** Only the key of cases about groups has late ones: a queue for each group is not free. */
function groupsOf(key: string): readonly string[] {
  return /:groups(-\d+)?$/.test(key) ? [DEFAULT_GROUP, ...LATE_GROUPS] : [DEFAULT_GROUP];
}

/** Deletes the queues of keys: thousands of them would slow the broker down. */
async function forget(url: string, exchange: string, keys: Iterable<string>): Promise<void> {
  const connection = await connect(url);
  const channel = await connection.createChannel();
  const queues = [...keys].flatMap((key) =>
    groupsOf(key).map((group) => queueNameOf({ exchange, template: undefined }, key, group))
  );
  const all = [...queues, ...queues.map(deadNameOf), dueNameOf(exchange)];
  await Promise.all(all.map((queue) => channel.deleteQueue(queue)));
  await channel.deleteExchange(exchange);
  await connection.close();
}

/** A broker, and how clients reach it. */
interface Node {
  readonly port: number;
  /** For the kit's backends, without a host. */
  readonly userInfo: string;
  /** For foreign clients. */
  readonly url: string;
  /** The node, where it is ours to be killed. */
  readonly server?: RabbitMQServer;
}

async function openBroker({ port, userInfo, url, server }: Node, namespace: string): Promise<Broker> {
  const proxies: TcpProxy[] = [];
  const own = new Map<QueueBackend, TcpProxy>();
  const killed = new Set<QueueBackend>();
  let driver: RabbitMQDriver;
  const keys = new Set<string>();
  // Nothing of a case may come to another: what waits, for one, is moved by any consumer on the exchange.
  const exchange = namespace;
  const key = (name: string) => {
    const named = `${namespace}:${name}`;
    keys.add(named);
    return named;
  };
  /** As a foreign publisher does, who leaves it to the consumers to declare queues. */
  const inject = async (name: string, body: Buffer) => {
    const connection = await connect(url);
    const channel = await connection.createConfirmChannel();
    await driver.connect(name, new AbortController().signal);
    channel.publish(exchange, name, body, { persistent: true });
    await channel.waitForConfirms();
    await connection.close();
  };
  const base = await driverHarness({
    name: "rabbitmq",
    open: () => ({
      ...server && { secrets: [PASSWORD] },
      leasesEndWithConnection: true,
      copiesDelayed: true,
      countsUnseen: true,
      driver: async ({ clock: _clock, random: _random, observer: _observer, maxLength: _maxLength, ...options }) => {
        const proxy = await startProxy(port, () => new WriteCounter());
        proxies.push(proxy);
        const url = `amqp://${userInfo}@127.0.0.1:${proxy.port}`;
        driver = new RabbitMQDriver(
          { timeoutMs: TIMEOUT_MS, ...options, exchange, groups: groupsOf, url },
          { registeredMs: 0 },
        );
        return driver;
      },
      ...server && {
        restartBroker: async () => {
          // The drivers do not wait for it at each new queue: most cases kill nothing.
          await server.registered();
          await server.kill();
          await server.restart();
        },
      },
      inject: (name, body) => inject(name, Buffer.from(body)),
      injectBytes: (name, body) => inject(name, Buffer.from(body)),
      cost: () => proxies.reduce((sum, proxy) => sum + proxy.commands, 0),
      close: async () => {
        await forget(url, exchange, keys);
        for (const proxy of proxies) await proxy[Symbol.asyncDispose]();
      },
    }),
  }).open();
  const through = (backend: QueueBackend) => own.get(backend)!;
  return {
    ...base,
    key,
    connect: async (options) => {
      const backend = await base.connect({ timeoutMs: TIMEOUT_MS, ...options });
      own.set(backend, proxies.at(-1)!);
      await (backend as LeasingBackend).health();
      // Declared, so that what is late or lost is what the case means.
      await driver.connect(key("orders"), new AbortController().signal);
      return backend;
    },
    kill: async (backend) => {
      killed.add(backend);
      const proxy = through(backend);
      proxy.silence();
      await base.kill!(backend);
      setTimeout(() => proxy.refuse(), NOTICED_MS);
    },
    dropConnections: async () => {
      for (const proxy of proxies) proxy.dropConnections();
      // Noticed: what is sent into a connection that is already gone would be in doubt, and cannot be repeated.
      const alive = [...own.keys()].filter((backend) => !killed.has(backend)) as LeasingBackend[];
      await Promise.allSettled(alive.map((backend) => backend.health())); // one that is closed refuses
    },
    delayResponses: (backend, ms) => {
      through(backend).delayMs = ms;
    },
    loseNextReply: async (backend, operation) => {
      if (operation === "send") void through(backend).loseNextReply(METHODS.publish);
      else await base.loseNextReply!(backend, operation);
    },
  };
}

/** A harness over nodes of its own, one for each case of the moment, which `close` ends. */
export function rabbitmqHarness(): Harness & { close(): Promise<void> } {
  const nodes: Promise<Node>[] = [];
  const idle: Promise<Node>[] = [];
  let cases = 0;
  const start = async (): Promise<Node> => {
    const server = await startRabbitMQ({ password: PASSWORD });
    return { port: server.port, userInfo: `guest:${PASSWORD}`, url: server.url, server };
  };
  return {
    name: "rabbitmq",
    leaseMs: LEASE_MS,
    maxKeys: MAX_KEYS,
    patienceMs: TIMEOUT_MS,
    open: async () => {
      const starting = idle.pop() ?? start();
      if (!nodes.includes(starting)) nodes.push(starting);
      const broker = await openBroker(await starting, `case${++cases}`);
      return {
        ...broker,
        close: async () => {
          await broker.close?.();
          idle.push(starting);
        },
      };
    },
    close: async () => {
      for (const node of nodes) await (await node).server?.[Symbol.asyncDispose]();
    },
  };
}

/** A harness over a broker on this machine that somebody else runs, such as a newer one than there is a package of. */
export function rabbitmqServiceHarness(url: string): Harness {
  const { port, username, password } = new URL(url);
  const node: Node = { port: Number(port || 5_672), userInfo: `${username}:${password}`, url };
  const run = Date.now().toString(36);
  let cases = 0;
  return {
    name: "rabbitmq as a service",
    leaseMs: LEASE_MS,
    maxKeys: MAX_KEYS,
    patienceMs: TIMEOUT_MS,
    open: () => openBroker(node, `${run}-${++cases}`),
  };
}
