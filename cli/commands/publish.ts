/**
 * `publish`: puts an event into a queue, or sends one to a webhook as Slack would.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import type { JsonObject } from "../../core/protocol.ts";
import { parsePayload } from "../../core/util/json.ts";
import { describeError } from "../../core/util/redact.ts";
import { readSlackConfig } from "../../slack/config.ts";
import { didYouMean, numberOption, UsageError } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { closing } from "../open.ts";
import type { Io } from "../io.ts";
import { envelopeOf, SAMPLES } from "../samples.ts";
import { slackRequest } from "../sign.ts";
import { writeJson } from "../render.ts";

const DETAILS =
  `Without --file it is a sample event, an app_mention unless --sample names another. With --url it is signed with
SLACK_SIGNING_SECRET and sent to that webhook; else it goes into the queue as it is.`;

/** Milliseconds to wait for a webhook: Slack itself waits three seconds. */
const WEBHOOK_MS = 10_000;

/** Where a webhook listens, where the URL names no path. */
const EVENTS_PATH = "/slack/events";

/** The command. */
export const command: Command = defineCommand({
  name: "publish",
  summary: "put an event into the queue, or send it to a webhook as Slack would",
  usage: "[--url <url>] [--file <file> | --sample <name>] [options]",
  details: DETAILS,
  options: {
    url: { type: "string", value: "url", help: `the webhook (its path is ${EVENTS_PATH} where the URL has none)` },
    file: { type: "string", value: "file", help: "the payload, a JSON object; - is the standard input" },
    sample: { type: "string", value: "name", help: "the kind of the sample, such as message.im" },
    id: { type: "string", value: "id", help: "the message's id (default: the sample's event id, else a new one)" },
    "ordering-key": { type: "string", value: "text", help: "the conversation that the message belongs to" },
    delay: { type: "string", value: "seconds", help: "how long the message waits" },
  },
  async run({ values, io, key, open }) {
    const { url, file, id, "ordering-key": orderingKey } = values;
    if (file !== undefined && values.sample !== undefined) {
      throw new UsageError("--file and --sample exclude each other");
    }
    const seconds = numberOption("delay", values.delay, { whole: false });
    const given = [id, orderingKey, seconds].some((value) => value !== undefined);
    if (url !== undefined && given) {
      throw new UsageError("--id, --ordering-key and --delay are for the queue, not for --url");
    }
    const eventId = id ?? `Ev${crypto.randomUUID().replaceAll("-", "").slice(0, 12).toUpperCase()}`;
    const payload = file === undefined ? sampleOf(values.sample, eventId) : await payloadOf(file, io);
    if (url !== undefined) return await send(url, payload, { io, json: values.json });
    return await closing(open(), async (backend) => {
      const receipt = await backend.publish(key, payload, {
        ...id !== undefined || file === undefined ? { id: eventId } : {},
        orderingKey,
        delayMs: seconds === undefined ? undefined : seconds * 1_000,
        signal: io.signal,
      });
      if (values.json) await writeJson(io, { key, ...receipt });
      else await io.stdout.write(`${receipt.outcome === "added" ? "Published" : "Already there:"} ${receipt.id}\n`);
      return 0;
    });
  },
});

function sampleOf(name: string = "app_mention", eventId: string): JsonObject {
  const sample = SAMPLES.find(({ route }) => route === name);
  if (sample) return envelopeOf(sample.event, eventId) as unknown as JsonObject;
  const names = SAMPLES.map(({ route }) => String(route));
  throw new UsageError(`Unknown sample ${name}${didYouMean(name, names) || `: one of ${names.join(", ")}`}`);
}

async function payloadOf(file: string, { stdin }: Io): Promise<JsonObject> {
  let text: string;
  try {
    text = file === "-" ? await stdin.text() : await readFile(file, "utf8");
  } catch (error) {
    throw new Error(`Cannot read --file ${file}: ${describeError(error)}`);
  }
  const payload = parsePayload(text);
  if (typeof payload === "string") throw new Error(`Cannot publish --file ${file}: ${payload}`);
  return payload;
}

async function send(
  given: string,
  payload: JsonObject,
  { io, json }: { readonly io: Io; readonly json: boolean },
): Promise<number> {
  if (!URL.canParse(given) || !/^https?:/.test(given)) {
    throw new UsageError(`--url must be an http or https URL, such as http://localhost:3000${EVENTS_PATH}`);
  }
  const url = new URL(given);
  if (url.pathname === "/") url.pathname = EVENTS_PATH;
  const [secret] = readSlackConfig(io.env).signingSecret;
  const request = await slackRequest(url.href, { secret: secret!, body: payload });
  const signal = AbortSignal.any([io.signal, AbortSignal.timeout(WEBHOOK_MS)]);
  let response: Response;
  try {
    response = await fetch(request, { signal });
    await response.body?.cancel();
  } catch (error) {
    io.signal.throwIfAborted();
    throw new Error(`Cannot send the event to ${url.origin}: ${describeError(error)}`);
  }
  const { status, ok } = response;
  if (json) await writeJson(io, { url: url.origin + url.pathname, status, ok });
  else if (ok) await io.stdout.write(`The webhook answered ${status}: the queue has the event\n`);
  else await io.stderr.write(`Cannot publish through the webhook: it answered ${status}\n`);
  return ok ? 0 : 1;
}
