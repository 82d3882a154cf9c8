/**
 * A service that handles what the platform pushes: `deno task start`.
 *
 * @module
 */
import "@std/dotenv/load";
import { ambientEnv, createConsumer, defineRegistry } from "@slack-mcp/queue";
import { sharedPlatform } from "./mod.ts";

const registry = defineRegistry({
  memory: () => import("@slack-mcp/queue/memory"),
  my_queue: () => import("./mod.ts"), // elsewhere: import("@my-scope/my-queue"), and one line in the import map
});
const env = ambientEnv();
const backend = await registry.load({ QUEUE_BACKEND: "my_queue", ...env });
const key = String(env.SLACK_EVENTS_TOPIC ?? "slack_events");
const consumer = createConsumer({ handler: ({ id, payload }) => console.log("handled", id, payload.type) });
const stopped = Promise.withResolvers<void>();
for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => stopped.resolve());
const disconnect = sharedPlatform().connect(key, consumer); // in production: the platform calls handleBatch
console.log(`waiting for messages of ${key}`);
await stopped.promise;
await disconnect();
await backend.close();
