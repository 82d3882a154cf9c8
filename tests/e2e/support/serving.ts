/**
 * What an operator does to a server that runs, and what she sees of it.
 *
 * @module
 */
import type { SlackEvent } from "../../../slack/events.ts";
import { envelopeOf, SAMPLES } from "../../../cli/samples.ts";
import { slackRequest } from "../../../cli/sign.ts";
import { RawConnection } from "./raw_http.ts";

/** The Signing Secret of Slack's own example. */
export const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";
/** A token for the operator's pages. */
export const TOKEN = "token-of-the-operator-0123456789";

let posted = 0;

/** Posts an event of a thread of its own as Slack does. Resolves with the status. */
export async function post(url: string, id: string, text = "hello", secret = SECRET): Promise<number> {
  return await postBody(url, threadEvent(id, text), secret);
}

/** Posts a body as Slack does. Resolves with the status. */
export async function postBody(url: string, body: unknown, secret = SECRET): Promise<number> {
  const response = await fetch(await slackRequest(`${url}/slack/events`, { secret, body }));
  await response.body?.cancel();
  return response.status;
}

/** Posts an event whose body's last byte is sent only by `finish`, which resolves with the status. */
export async function postSlowly(url: string, id: string): Promise<AsyncDisposable & { finish(): Promise<number> }> {
  const request = await slackRequest(`${url}/slack/events`, { secret: SECRET, body: threadEvent(id, "slow") });
  const body = await request.text();
  const connection = await RawConnection.open(url);
  const headers = [...request.headers, ["content-length", `${body.length}`]].map(([name, value]) =>
    `${name}: ${value}`
  );
  connection.write(
    ["POST /slack/events HTTP/1.1", "host: bot.example", ...headers, "", body.slice(0, -1)].join("\r\n"),
  );
  await (await fetch(`${url}/health`)).body?.cancel(); // it has come once what was sent after it is answered
  return {
    async finish() {
      connection.write(body.slice(-1));
      return (await connection.answer()).status;
    },
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  };
}

/** The envelope of an event that begins a thread. */
function threadEvent(id: string, text: string): ReturnType<typeof envelopeOf> {
  const event: SlackEvent = { ...SAMPLES[0]!.event, text, ts: `1761984000.${`${posted++}`.padStart(6, "0")}` };
  return envelopeOf(event, id);
}

/** Gets a page with the operator's token. */
export async function page(url: string, path: string, token = TOKEN): Promise<{ status: number; text: string }> {
  const response = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } });
  return { status: response.status, text: await response.text() };
}

/** The value of a series of a page of metrics, by its name and a part of its labels; the sum where several fit. */
export function metric(text: string, name: string, part = ""): number | undefined {
  const lines = text.split("\n").filter((line) => /^\w+/.exec(line)?.[0] === name && line.includes(part));
  if (lines.length === 0) return undefined;
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}
