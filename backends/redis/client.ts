/**
 * The Redis client: the part of it that is used, how one is made, and what a client that is handed in must not do.
 *
 * @module
 */
import { Redis } from "ioredis";
import { ConfigError } from "../../core/errors.ts";

/**
 * The part of ioredis that is used: a `Redis` or a `Cluster` of ioredis 5 or 6 is one. The caller closes it.
 *
 * It must be made without `keyPrefix`, `stringNumbers`, `replyMapping: "resp3"` and `monitor`.
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
  /** Makes a further connection to the same server. */
  duplicate(): RedisClient;
  /** Drops the connection; with `true`, to connect anew. */
  disconnect(reconnect?: boolean): void;
  /** Adds a listener. */
  on(event: "ready" | "close" | "end" | "error", listener: (error: unknown) => void): unknown;
  /** Removes a listener. */
  off(event: "ready" | "close" | "end" | "error", listener: (error: unknown) => void): unknown;
}

/** Where a server is, and as which user to connect. */
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

/** Milliseconds between two questions whether a server has loaded its file. By itself ioredis waits up to 10,000. */
const LOADING_MS = 250;

/**
 * Makes a client that connects when it is first used, connects again for ever, and neither queues nor repeats a
 * command: the portable layer decides about a command without an answer.
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
    maxLoadingRetryTime: LOADING_MS,
    connectionName: "slack-mcp-queue",
    retryStrategy: (times: number) => Math.min(RECONNECT.first * 2 ** Math.min(times - 1, 10), RECONNECT.longest),
  });
  return client as unknown as RedisClient;
}

/** Options of ioredis that change keys or replies, and what each would break. */
const REFUSED: readonly { readonly name: string; readonly wrong: (value: unknown) => boolean; readonly why: string }[] =
  [
    { name: "keyPrefix", wrong: Boolean, why: "it changes keys" },
    { name: "stringNumbers", wrong: Boolean, why: "it changes replies" },
    { name: 'replyMapping: "resp3"', wrong: (value) => value === "resp3", why: "it changes replies" },
    { name: "monitor", wrong: Boolean, why: "such a connection takes no commands" },
  ];

type Options = Readonly<Record<string, unknown>>;

/** The options that a client was made with, and those of its nodes where it is a cluster. */
function optionsOf(client: RedisClient): readonly Options[] {
  const { options = {} } = client as { readonly options?: Options };
  return [options, (options.redisOptions ?? {}) as Options];
}

/**
 * Refuses a client that would change keys or replies.
 *
 * @throws {ConfigError} It is made with such an option: one sentence for each.
 */
export function checkClient(client: RedisClient): void {
  const options = optionsOf(client);
  const problems = REFUSED.filter(({ name, wrong }) => options.some((some) => wrong(some[name.split(":")[0]!])));
  if (problems.length === 0) return;
  throw new ConfigError(problems.map(({ name, why }) => `client must be made without ${name}: ${why}`), {
    backend: "redis",
  });
}

/** The database that a client is to work in. */
export function databaseOf(client: RedisClient): number {
  if (client.isCluster) return 0;
  const { condition } = client as { readonly condition?: { readonly select?: number } | null };
  return Number(condition?.select ?? optionsOf(client)[0]!.db ?? 0);
}

/** Options of a connection that waits. They override the client's own: a blocking read outlasts their time limits. */
const WAITING = {
  lazyConnect: true,
  commandTimeout: undefined,
  socketTimeout: undefined,
  blockingTimeout: undefined,
  enableAutoPipelining: false,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  maxLoadingRetryTime: LOADING_MS,
} as const;

/** A connection that waits, and how its wait is ended from another one. */
export interface WaitingConnection {
  readonly client: RedisClient;
  /** Ends the read of the connection with this id; resolves with 1 where there was one. */
  unblock(clientId: string): Promise<unknown>;
}

/** The parts of a cluster client that are used beside commands. */
interface ClusterParts {
  readonly slots: readonly (readonly string[] | undefined)[];
  nodes(
    role: "master",
  ): readonly (RedisClient & { readonly options: { readonly host: string; readonly port: number } })[];
}

function duplicate(client: RedisClient): RedisClient {
  return (client as { duplicate(options: typeof WAITING): RedisClient }).duplicate(WAITING);
}

/** Returns the clients of a cluster's primaries, in the order of their addresses. */
export function primariesOf(client: RedisClient): RedisClient[] {
  return [...(client as unknown as ClusterParts).nodes("master")].sort((a, b) => addressOf(a) < addressOf(b) ? -1 : 1);
}

function addressOf({ options: { host, port } }: ReturnType<ClusterParts["nodes"]>[number]): string {
  return `${host}:${port}`;
}

/**
 * Makes a connection that waits for a stream: on a cluster one connection to the node that has it, in place of a
 * further client with connections to all nodes.
 */
export async function waitingConnection(client: RedisClient, stream: string): Promise<WaitingConnection> {
  const unblockBy = (by: RedisClient) => (clientId: string) => by.call("CLIENT", ["UNBLOCK", clientId]);
  if (!client.isCluster) return { client: duplicate(client), unblock: unblockBy(client) };
  const { slots } = client as unknown as ClusterParts;
  const slot = Number(await client.call("CLUSTER", ["KEYSLOT", stream]));
  const address = slots[slot]?.[0];
  const node = (client as unknown as ClusterParts).nodes("master").find((one) => addressOf(one) === address);
  if (node === undefined) throw new Error(`no node is known for slot ${slot}`);
  return { client: duplicate(node), unblock: unblockBy(node) };
}
