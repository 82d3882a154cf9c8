/** What the author of a Worker writes, with the types that `wrangler types` has generated. */
import { createBatchHandler, createConsumer } from "@slack-mcp/queue";
import { deadLetterTo, fromBindings, fromEnv } from "@slack-mcp/queue/cloudflare";
import { createSlackReceiver, readSlackConfig, SlackEventRouter } from "@slack-mcp/queue/slack";

const router = new SlackEventRouter().on("app_mention", ({ event }) => console.log(event.channel));
const consumer = createConsumer({ handler: router.handle });

export default {
  async fetch(request, env, ctx): Promise<Response> {
    const { key, signingSecret } = readSlackConfig(env);
    const receiver = createSlackReceiver({ backend: fromBindings(env, { [key]: "SLACK_EVENTS" }), key, signingSecret });
    ctx.waitUntil(fromEnv(env).publish(key, { at: Date.now() }));
    return await receiver.fetch(request);
  },

  async queue(batch, env): Promise<void> {
    const handle = createBatchHandler({ handler: router.handle, deadLetter: deadLetterTo(env.SLACK_EVENTS_DLQ) });
    console.log((await handle(batch, { key: env.SLACK_EVENTS_TOPIC })).acked);
    await consumer.handleBatch(batch);
  },
} satisfies ExportedHandler<Env>;
