/**
 * Each queue that commands can work on from outside: the variables by which it is reached, with secrets that no output
 * may show.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../core/util/clock.ts";
import { CloudflareApi } from "../../fakes/cloudflare_api.ts";
import { CloudflareApiServer } from "../../fakes/cloudflare_api_server.ts";
import { startUpstash } from "../../fakes/upstash_server.ts";
import type { Service } from "../../runner/services.ts";
import { startRabbitMQ } from "../../servers/rabbitmq_server.ts";
import { startRedis } from "../../servers/redis_server.ts";

/** A text that is part of each secret. */
export const SECRET = "hunter2-of-the-broker";

/** A queue that runs. */
export interface CliQueue extends AsyncDisposable {
  /** The variables, `QUEUE_BACKEND` included. */
  readonly env: Readonly<Record<string, string>>;
}

/** How to start a queue, and the program that it needs. */
export interface CliQueueKind {
  readonly needs: Service | undefined;
  start(): Promise<CliQueue>;
}

/** Every backend but memory, which has no outside. */
export const QUEUES: Readonly<Record<string, CliQueueKind>> = {
  sqlite: {
    needs: undefined,
    start() {
      const folder = mkdtempSync(join(tmpdir(), "queue-cli-"));
      return Promise.resolve({
        env: { QUEUE_BACKEND: "sqlite", SQLITE_PATH: join(folder, "queue.db") },
        [Symbol.asyncDispose]() {
          rmSync(folder, { recursive: true, force: true });
          return Promise.resolve();
        },
      });
    },
  },
  redis: {
    needs: "redis-server",
    async start() {
      const redis = await startRedis({ requirepass: SECRET, appendonly: "always" });
      return {
        env: { QUEUE_BACKEND: "redis", REDIS_URL: redis.url },
        [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
      };
    },
  },
  upstash: {
    needs: "redis-server",
    async start() {
      const server = await startUpstash({ token: SECRET });
      return {
        env: { QUEUE_BACKEND: "upstash", UPSTASH_REDIS_REST_URL: server.url, UPSTASH_REDIS_REST_TOKEN: SECRET },
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      };
    },
  },
  cloudflare: {
    needs: undefined,
    async start() {
      const api = new CloudflareApi({ clock: systemClock, rateLimit: { requests: 1e9, windowMs: 300_000 } });
      for (const name of ["slack-events", "other"]) {
        api.queue(name, { deadLetterQueue: `${name}-dlq` });
        api.queue(`${name}-dlq`);
      }
      const server = await new CloudflareApiServer(api).start();
      return {
        env: {
          ...{ QUEUE_BACKEND: "cloudflare", CLOUDFLARE_URL: server.url },
          ...{ CLOUDFLARE_ACCOUNT_ID: api.accountId, CLOUDFLARE_API_TOKEN: api.token },
        },
        [Symbol.asyncDispose]: () => server.stop(),
      };
    },
  },
  rabbitmq: {
    needs: "rabbitmq-server",
    async start() {
      const rabbitmq = await startRabbitMQ({ password: SECRET });
      return {
        env: { QUEUE_BACKEND: "rabbitmq", RABBITMQ_URL: rabbitmq.url },
        [Symbol.asyncDispose]: () => rabbitmq[Symbol.asyncDispose](),
      };
    },
  },
};
