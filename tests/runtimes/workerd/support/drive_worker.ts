/** Starts a Worker's file with a queue, sends it a signed event and a batch, and prints what it answered. */
import { envelopeOf, SAMPLES } from "../../../../cli/samples.ts";
import { slackRequest } from "../../../../cli/sign.ts";
import { bundle, fetcher, startWorkers } from "../../../runner/workerd.ts";

const [file = "", secret = ""] = Deno.args;
const body = envelopeOf(SAMPLES[0]!.event, "Ev1");
const miniflare = await startWorkers({
  code: await bundle(file),
  compatibilityFlags: [],
  bindings: { SLACK_SIGNING_SECRET: secret },
  queueProducers: { SLACK_EVENTS: "slack-events", SLACK_EVENTS_DLQ: "slack-events-dlq" },
});
const { headers } = await slackRequest("http://worker/slack/events", { secret, body });
const init = { method: "POST", body: JSON.stringify(body), headers: Object.fromEntries(headers) };
const { status } = await (await fetcher(miniflare, "worker"))("http://worker/slack/events", init);
const worker = await miniflare.getWorker("worker") as unknown as {
  queue(name: string, messages: readonly unknown[]): Promise<{ outcome: string; explicitAcks: string[] }>;
};
const message = { id: "m1", timestamp: new Date(), attempts: 1, body };
const { outcome, explicitAcks } = await worker.queue("slack-events", [message]);
await miniflare.dispose();
console.log(JSON.stringify({ status, outcome, acked: explicitAcks }));
