/**
 * `serve`: runs the webhook and the consumer until a signal comes.
 *
 * @module
 */
import { ConfigError } from "../../core/errors.ts";
import { numberOption, UsageError } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { Interruption } from "../io.ts";
import { openAny } from "../open.ts";
import { loadHandler } from "../serve/handlers.ts";
import { createLog } from "../serve/log.ts";
import { startServer } from "../serve/server.ts";

const DETAILS = `
It answers Slack at POST /slack/events and at GET /health, and hands each event to your handlers:

  // handlers.ts: a router, or a function that gets each delivery
  import { SlackEventRouter } from "@slack-mcp/queue/slack";
  export default new SlackEventRouter().on("app_mention", ({ event }) => console.log(event.channel));

Variables:
  SLACK_SIGNING_SECRET  the app's Signing Secret; two while it is rotated: new,old (not for --consume-only)
  QUEUE_BACKEND         the queue, with its own variables such as REDIS_URL (default: sqlite, in queue.db)
  PORT, HOST            where to listen (default: 3000, 0.0.0.0); --consume-only listens only where PORT is set
  METRICS_TOKEN         at least 16 characters: turns on GET /metrics and GET /health?detail for who sends it
                        as a bearer token

Bun reads .env by itself. On Deno and Node put --env-file=.env in front of the file:
  deno run -A --env-file=.env jsr:@slack-mcp/queue/cli serve

The log is one JSON line for each entry. It holds no payload; the message of an error that a handler throws is
logged as it is, so put no payload into one. SIGINT or SIGTERM: it takes no more requests, finishes what it has,
gives the rest back and closes; a second signal ends it at once.
`;

/** The command. */
export const command: Command = defineCommand({
  name: "serve",
  summary: "run the webhook and the consumer",
  usage: "[--handlers <file>] [--webhook-only | --consume-only] [options]",
  details: DETAILS,
  options: {
    handlers: { type: "string", value: "file", help: "the module with your handlers (default: each event is logged)" },
    "webhook-only": { type: "boolean", help: "take events and consume none" },
    "consume-only": { type: "boolean", help: "consume events and take none" },
    port: { type: "string", value: "number", help: "the port, 0 for a free one (default: PORT, else 3000)" },
    host: { type: "string", value: "name", help: "the interface (default: HOST, else 0.0.0.0)" },
    concurrency: { type: "string", value: "number", help: "the most handlers that run at once (default: 8)" },
    "max-attempts": { type: "string", value: "number", help: "deliveries before an event is given up (default: 5)" },
    "handler-timeout": {
      type: "string",
      value: "seconds",
      help: "after which a handler counts as failed (default: no limit)",
    },
  },
  async run({ values, io, group }) {
    const { handlers, "webhook-only": webhookOnly, "consume-only": consumeOnly } = values;
    if (webhookOnly && consumeOnly) throw new UsageError("--webhook-only and --consume-only exclude each other");
    if (webhookOnly && handlers !== undefined) throw new UsageError("--webhook-only runs no handlers: drop --handlers");
    const seconds = numberOption("handler-timeout", values["handler-timeout"], { min: 0.001, whole: false });
    const consumer = {
      concurrency: numberOption("concurrency", values.concurrency, { min: 1 }),
      maxAttempts: numberOption("max-attempts", values["max-attempts"], { min: 1 }),
      timeoutMs: seconds === undefined ? undefined : seconds * 1000,
    };
    const log = createLog((line) => void io.stdout.write(`${line}\n`));
    io.signal.addEventListener("abort", () => {
      const { reason } = io.signal;
      log("info", "stopping", reason instanceof Interruption ? { signal: reason.signalName } : {});
    }, { once: true });
    try {
      const server = await startServer(io.env, {
        log,
        mode: webhookOnly ? "webhook" : consumeOnly ? "consume" : "both",
        ...handlers === undefined ? {} : { handler: () => loadHandler(handlers) },
        open: (observer) =>
          openAny({
            env: io.env,
            backend: values.backend,
            registry: values.registry,
            observer,
            memory: true,
            note: (sentence) => log("warn", sentence),
          }),
        key: values.key,
        group,
        port: numberOption("port", values.port, { max: 65_535 }),
        hostname: values.host,
        signal: io.signal,
        consumer,
        clock: io.clock,
      });
      try {
        await server.finished;
      } catch (error) {
        await server.stop().catch(() => undefined); // it is the same error
        throw error;
      }
      log("info", "stopped", { ...server.receiver?.stats });
      return 0;
    } catch (error) {
      // A wrong variable is for the operator to put right, and a stack would only hide the sentence.
      if (error instanceof ConfigError || error instanceof UsageError) throw error;
      log("error", "the server ended", { error });
      return 1;
    }
  },
});
