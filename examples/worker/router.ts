/** What becomes of Slack's events: put your own handlers here. The same router works in a pull consumer elsewhere. */
import { SlackEventRouter } from "@slack-mcp/queue/slack";

export function createRouter(): SlackEventRouter {
  return new SlackEventRouter()
    // .on("app_mention", async ({ event }) => await answer(event.channel, event.text))
    .on("*", function logEvent({ event, envelope, delivery }) {
      const { event_id, team_id } = envelope;
      console.log(
        JSON.stringify({ message: "event handled", event_id, team_id, type: event.type, attempts: delivery.attempts }),
      );
    });
}
