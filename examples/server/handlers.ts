/**
 * The handlers of a bot: the one file to write for `serve`.
 *
 * ```sh
 * deno run -A jsr:@slack-mcp/queue/cli serve --handlers ./handlers.ts
 * ```
 *
 * An event is delivered at least once, so a handler must tolerate a second delivery: `envelope.event_id` stays the same.
 * Returning acknowledges the event, throwing retries it, and a `PermanentError` moves it to the dead letters.
 *
 * @module
 */
import { SlackEventRouter } from "@slack-mcp/queue/slack";

/** Handles mentions and direct messages; what the app itself wrote is left out. */
const router: SlackEventRouter = new SlackEventRouter()
  .on("app_mention", ({ event, envelope }) => {
    console.log(`mention ${envelope.event_id} in ${event.channel}`);
  })
  .on("message.im", ({ event, envelope }) => {
    if (event.subtype || event.bot_id) return; // an edit, a deletion, another bot
    console.log(`direct message ${envelope.event_id} from ${event.user}`);
  });

export default router;
