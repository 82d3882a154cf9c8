/**
 * Message queues for Slack events on Deno, Bun and Cloudflare Workers: at least once, leased, fenced, with dead
 * letters, over whichever backend `QUEUE_BACKEND` names.
 *
 * @example
 * ```ts
 * import { createConsumer, defineRegistry } from "@slack-mcp/queue";
 * import assert from "node:assert/strict";
 *
 * const registry = defineRegistry({ memory: () => import("@slack-mcp/queue/memory") });
 * await using backend = await registry.load({ QUEUE_BACKEND: "memory" });
 * await backend.publish("slack_events", { type: "event_callback", event: { type: "app_mention" } });
 *
 * const seen: unknown[] = [];
 * const consumer = createConsumer({ handler: ({ payload }) => void seen.push(payload.type) });
 * await consumer.drain(backend, "slack_events", { deadlineMs: 1_000 });
 * assert.deepEqual(seen, ["event_callback"]);
 * ```
 *
 * @module
 */
export * from "./core/protocol.ts";
export * from "./core/errors.ts";
export * from "./core/consume/consumer.ts";
export * from "./core/config/registry.ts";
export type { BackoffOptions } from "./core/util/retry.ts";
export type { Clock } from "./core/util/clock.ts";
export type {
  ConnectedEvent,
  DisconnectedEvent,
  FailureEvent,
  QueueMessageEvent,
  QueueObserver,
} from "./core/observer.ts";
export {
  createMetrics,
  type Metrics,
  METRICS_CONTENT_TYPE,
  type MetricsOptions,
  type RequestMetric,
} from "./core/metrics/metrics.ts";
export { ambientEnv } from "./env.ts";
