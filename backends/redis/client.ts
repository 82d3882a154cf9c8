/**
 * What the backend uses of a Redis client, and how it makes one.
 *
 * @module
 */
import { Redis } from "ioredis";

/**
 * The part of ioredis that is used: a `Redis` or a `Cluster` of ioredis 5 or 6 is one. Whoever opens it closes it.
 *
 * @example
 * ```ts
 * import { Redis } from "ioredis";
 * import { RedisBackend } from "@slack-mcp/queue/redis";
 *
 * const client = new Redis({ sentinels: [{ host: "sentinel-1" }], name: "mymaster", lazyConnect: true });
 * const backend = new RedisBackend({ client });
 * await backend.close(); // the client stays open
 * client.disconnect();
 * ```
 */
export interface RedisClient {
  /** `"ready"` when commands can be sent. */
  readonly status: string;
  /** True of a cluster. */
  readonly isCluster?: boolean | undefined;
  /** Sends any command. */
  call(command: string, args: string[]): Promise<unknown>;
  /** Connects, where the client was told to wait. */
  connect(): Promise<unknown>;
  /** A further connection to the same server. */
  duplicate(): RedisClient;
  /** Drops the connection; with `true`, to connect anew. */
  disconnect(reconnect?: boolean): void;
  /** Listens. */
  on(event: "ready" | "end" | "error", listener: (error: unknown) => void): unknown;
  /** Stops listening. */
  off(event: "ready" | "end" | "error", listener: (error: unknown) => void): unknown;
}

/** Where a server is, and who we are there. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Options of `tls.connect`; `undefined`: plain TCP. */
  readonly tls: Readonly<Record<string, unknown>> | undefined;
}

/** Milliseconds of the first and of the longest wait before connecting again. */
const RECONNECT = { first: 50, longest: 2_000 } as const;

/**
 * A client that connects when it is first used, connects again for ever, and neither queues nor repeats a command: what
 * to do with one that was not answered is decided above.
 */
export function createClient(address: RedisAddress, connectTimeoutMs: number): RedisClient {
  const { host, port, db, username, password, tls } = address;
  const client = new Redis({
    host,
    port,
    db,
    ...username !== undefined && { username },
    ...password !== undefined && { password },
    ...tls && { tls: { ...tls } },
    lazyConnect: true,
    connectTimeout: connectTimeoutMs,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0, // null would leave a command whose connection broke without an answer for ever
    connectionName: "slack-mcp-queue",
    retryStrategy: (times: number) => Math.min(RECONNECT.first * 2 ** Math.min(times - 1, 10), RECONNECT.longest),
  });
  return client as unknown as RedisClient;
}
