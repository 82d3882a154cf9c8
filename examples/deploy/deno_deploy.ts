/**
 * A webhook on Deno Deploy, and handlers that run once a minute: nothing there can wait for a message. The queue is
 * Upstash.
 *
 * @module
 */
import { ambientEnv, createConsumer } from "@slack-mcp/queue";
import { createSlackReceiver, readSlackConfig, SlackEventRouter } from "@slack-mcp/queue/slack";
import { fromEnv } from "@slack-mcp/queue/upstash";

const env = ambientEnv(); // SLACK_SIGNING_SECRET, UPSTASH_REDIS_REST_URL, UPSTASH_REDIS_REST_TOKEN
const { key, signingSecret } = readSlackConfig(env);
const backend = fromEnv(env);
const router = new SlackEventRouter().on("app_mention", ({ event }) => console.log(event.channel));
const consumer = createConsumer({ handler: router.handle });

Deno.cron("handle what waits", "* * * * *", async () => {
  await consumer.drain(backend, key, { deadlineMs: 50_000 });
});
Deno.serve({ port: Number(env.PORT ?? 8000) }, createSlackReceiver({ backend, key, signingSecret }).fetch);
