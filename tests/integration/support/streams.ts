/**
 * The streams engine for tests: its driver over a real redis-server, without the portable layer above.
 *
 * @module
 */
import type {
  DriverMessage,
  DriverReceiveOptions,
  RawDelivery,
  Settlement,
  SettleResult,
} from "../../../core/driver.ts";
import { createClient } from "../../../backends/redis/client.ts";
import { RedisTransport } from "../../../backends/redis/transport.ts";
import { StreamsDriver, type StreamsDriverOptions } from "../../../backends/streams/driver.ts";
import { groupKeys } from "../../../backends/streams/keys.ts";
import type { RedisServer } from "../../servers/redis_server.ts";

/** The key and the group of tests that need only one. */
export const KEY = "slack:events";
export const GROUP = "bots";

/** Never aborts. */
export const NEVER = new AbortController().signal;

const PUBLISHER = crypto.randomUUID();
let made = 0;

/** A message; `n` is its payload. */
export function message(n: number, options: Partial<DriverMessage> = {}): DriverMessage {
  const payload = { n };
  const base = {
    explicitId: options.id !== undefined,
    orderingKey: undefined,
    delayMs: 0,
    ttlMs: undefined,
    headers: undefined,
  };
  return { id: `${PUBLISHER}-${(made++).toString(36)}`, body: JSON.stringify(payload), payload, ...base, ...options };
}

/** Messages `from` up to and without `to`. */
export function messages(from: number, to: number, options: Partial<DriverMessage> = {}): DriverMessage[] {
  return Array.from({ length: to - from }, (_, i) => message(from + i, options));
}

/** The payload numbers of deliveries. */
export function numbers(deliveries: readonly RawDelivery[]): unknown[] {
  return deliveries.map(({ body }) => typeof body === "string" ? (JSON.parse(body) as { n: unknown }).n : body);
}

/** A transport to a server, which the caller closes. */
export function transportTo(port: number): RedisTransport {
  const address = { host: "127.0.0.1", port, db: 0, username: undefined, password: undefined };
  return new RedisTransport(createClient({ ...address, tls: undefined }, 60_000), {
    injected: false,
    connectWaitMs: 60_000,
    replyWaitMs: 60_000,
    maxConnections: 10,
    durable: true,
    replicas: 0,
    secrets: [],
  });
}

/** A driver with shorter ways to call it. */
export class TestDriver extends StreamsDriver {
  readonly #redis: RedisServer;

  constructor(redis: RedisServer, options: Partial<StreamsDriverOptions> = {}, port: number = redis.port) {
    const limits = { maxPayloadBytes: 1e6, maxBatchBytes: 1e6, maxWaitMs: 30_000, idleCostPerHour: 240 };
    super(transportTo(port), { name: "streams", ...limits, ...options });
    this.#redis = redis;
  }

  /** Publishes messages with these numbers. */
  put(from: number, to: number): Promise<unknown> {
    return this.send(KEY, messages(from, to), NEVER);
  }

  /** Leases the messages that are ready. */
  take(max: number, options: Partial<DriverReceiveOptions> = {}): Promise<RawDelivery[]> {
    return this.receive(KEY, { group: GROUP, max, leaseMs: 60_000, waitMs: 0, signal: NEVER, ...options });
  }

  /** Settles all alike. */
  all(deliveries: readonly RawDelivery[], how: Omit<Settlement, "lease"> = { kind: "ack" }): Promise<SettleResult[]> {
    const settlements = deliveries.map(({ lease }) => ({ ...how, lease }) as Settlement);
    return this.settle(KEY, GROUP, settlements, NEVER);
  }

  /** Makes leases longer. */
  renew(deliveries: readonly RawDelivery[], leaseMs = 60_000): Promise<boolean[]> {
    return this.extend(KEY, GROUP, deliveries.map(({ lease }) => lease), leaseMs, NEVER);
  }

  /** Ready, in flight, delayed, dead. */
  async counts(group: string = GROUP): Promise<number[]> {
    const { ready, inFlight, delayed, dead } = await this.depth(KEY, group, NEVER);
    return [ready, inFlight, delayed, dead];
  }

  /** Ends every lease of the group now, as if its time had passed. */
  async endLeases(group: string = GROUP): Promise<void> {
    const { leases } = groupKeys(KEY, group);
    const names = await this.#redis.call("ZRANGE", leases, "0", "-1") as string[];
    for (const [i, name] of names.entries()) await this.#redis.call("ZADD", leases, String(i), name);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
