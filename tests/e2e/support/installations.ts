/**
 * Installations on each backend, and the parts that wrong ones are made of.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { CloudflareApi } from "../../fakes/cloudflare_api.ts";
import { CloudflareApiServer } from "../../fakes/cloudflare_api_server.ts";
import { startUpstash } from "../../fakes/upstash_server.ts";
import { Folder } from "../../integration/support/sqlite.ts";
import type { Service } from "../../runner/services.ts";
import { type RedisServer, type RedisServerOptions, startRedis } from "../../servers/redis_server.ts";

/** What stands in secrets: no output may hold it. */
export const MARK = "d0not5how";

/** A secret of Slack's form. */
export const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";

/** An installation that is there. */
export interface Ready {
  readonly env: Readonly<Record<string, string>>;
  /** Options of doctor. */
  readonly args?: readonly string[] | undefined;
  /** True where it never answers: doctor is not told to be patient. */
  readonly slow?: boolean;
  /** What the broker holds, to compare before and after. */
  holds?(): Promise<unknown>;
}

/** An installation that is wrong. */
export interface Broken {
  /** What is wrong with it. */
  readonly what: string;
  /** Programs that it takes. Default: none. */
  readonly needs?: readonly Service[];
  /** Setting, problem and repair of each finding, in order. */
  readonly findings: readonly (readonly [setting: string, problem: RegExp, repair: RegExp])[];
  /** Makes it. What is pushed on `stack` is removed at the end. */
  prepare(stack: AsyncDisposableStack): Promise<Ready>;
}

export const SAFE = { appendonly: "everysec" } as const;

/** A redis-server with options, and what is done to it first. */
export function redis(
  options: RedisServerOptions,
  { prepare, env, args, user }: {
    readonly prepare?: (server: RedisServer) => Promise<unknown>;
    readonly env?: Readonly<Record<string, string>>;
    readonly args?: readonly string[];
    readonly user?: string;
  } = {},
): Broken["prepare"] {
  return async (stack) => {
    const server = stack.use(await startRedis(options));
    await prepare?.(server);
    const login = user === undefined ? "" : `${user}@`;
    return {
      env: { QUEUE_BACKEND: "redis", REDIS_URL: `redis://${login}127.0.0.1:${server.port}/0`, ...env },
      args,
      holds: async () => (await server.call("KEYS", "*") as string[]).sort(),
    };
  };
}

/** A port that takes connections and never says a word. */
export async function silentPort(stack: AsyncDisposableStack): Promise<number> {
  const server = createTcpServer((socket) => socket.on("error", () => undefined));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stack.defer(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** A server whose clock is so many seconds off. Returns its URL. */
export async function timeServer(stack: AsyncDisposableStack, offSeconds = 0): Promise<string> {
  const server = createHttpServer((_request, response) => {
    response.writeHead(200, { date: new Date(Date.now() + offSeconds * 1_000).toUTCString() });
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stack.defer(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

export async function cloudflare(
  stack: AsyncDisposableStack,
  make: (api: CloudflareApi) => void,
  env: Readonly<Record<string, string>> = {},
): Promise<Ready> {
  const api = new CloudflareApi({ accountId: "0".repeat(32), token: MARK });
  make(api);
  const server = await new CloudflareApiServer(api).start();
  stack.defer(() => server.stop());
  return {
    env: {
      QUEUE_BACKEND: "cloudflare",
      CLOUDFLARE_ACCOUNT_ID: api.accountId,
      CLOUDFLARE_API_TOKEN: api.token,
      CLOUDFLARE_URL: server.url,
      ...env,
    },
  };
}

export function folder(stack: AsyncDisposableStack): Folder {
  return stack.use(new Folder());
}

/** An installation in which nothing is wrong, for each backend that is here. */
export const WELL: Readonly<Record<string, Pick<Broken, "needs" | "prepare">>> = {
  sqlite: {
    prepare: (stack) => Promise.resolve({ env: { QUEUE_BACKEND: "sqlite", SQLITE_PATH: folder(stack).file() } }),
  },
  redis: { needs: ["redis-server"], prepare: redis(SAFE) },
  upstash: {
    needs: ["redis-server"],
    prepare: async (stack) => {
      const upstash = stack.use(await startUpstash({ token: MARK }));
      return {
        env: { QUEUE_BACKEND: "upstash", UPSTASH_REDIS_REST_URL: upstash.url, UPSTASH_REDIS_REST_TOKEN: MARK },
        holds: async () => (await upstash.redis.call("KEYS", "*") as string[]).sort(),
      };
    },
  },
  cloudflare: {
    prepare: (stack) => cloudflare(stack, (api) => api.queue("slack-events", { deadLetterQueue: "slack-events-dlq" })),
  },
};

/** A full disk, where this process may mount one. */
export function fullDisk(stack: AsyncDisposableStack): Ready {
  const place = folder(stack);
  spawnSync("mount", ["-t", "tmpfs", "-o", "size=1400000", "tmpfs", place.path]);
  stack.defer(() => void spawnSync("umount", [place.path]));
  return { env: { QUEUE_BACKEND: "sqlite", SQLITE_PATH: place.file() } };
}
