/** Backends over clients that the application has opened itself. */
import { RedisBackend } from "@slack-mcp/queue/redis";
import { UpstashBackend } from "@slack-mcp/queue/upstash";
import { Redis as UpstashRedis } from "@upstash/redis";
import { Redis } from "ioredis";

export const redis = new RedisBackend({ client: new Redis("redis://localhost") });
export const upstash = new UpstashBackend({ client: new UpstashRedis({ url: "https://example.com", token: "token" }) });
