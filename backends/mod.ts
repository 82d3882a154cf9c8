/**
 * The explicit map of all first-party backends, for Deno, Bun and Node.
 *
 * Each is imported only when it is picked. Add your own by one line:
 *
 * @example
 * ```ts
 * import { defineRegistry } from "@slack-mcp/queue";
 * import { backends } from "@slack-mcp/queue/backends";
 *
 * const registry = defineRegistry({
 *   ...backends,
 *   // my_queue: () => import("@acme/my-queue"),
 * });
 * await using backend = await registry.load({ QUEUE_BACKEND: "memory" });
 * ```
 *
 * @module
 */
import type { FromEnvOptions } from "../core/config/registry.ts";
import type { LeasingBackend } from "../core/protocol.ts";

/** A module of this package that makes a backend of an environment. */
export interface LeasingModule {
  /** Makes a backend of an environment: any object with its variables or bindings. */
  readonly fromEnv: (env: object, options?: FromEnvOptions) => LeasingBackend;
}

/** Every first-party backend by the name that `QUEUE_BACKEND` picks it by. */
export const backends: {
  readonly memory: () => Promise<LeasingModule>;
  readonly sqlite: () => Promise<LeasingModule>;
  readonly redis: () => Promise<LeasingModule>;
  readonly upstash: () => Promise<LeasingModule>;
  readonly cloudflare: () => Promise<LeasingModule>;
  readonly rabbitmq: () => Promise<LeasingModule>;
} = {
  memory: () => import("./memory/mod.ts"),
  sqlite: () => import("./sqlite/mod.ts"),
  redis: () => import("./redis/mod.ts"),
  upstash: () => import("./upstash/mod.ts"),
  cloudflare: () => import("./cloudflare/mod.ts"),
  rabbitmq: () => import("./rabbitmq/mod.ts"),
};
