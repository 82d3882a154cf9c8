/**
 * A webhook on a stub backend, with what it reported.
 *
 * @module
 */
import { envelopeOf, SAMPLES } from "../../../../cli/samples.ts";
import { slackRequest, type SlackRequestOptions } from "../../../../cli/sign.ts";
import {
  createSlackReceiver,
  type SlackReceiver,
  type SlackReceiverOptions,
  type SlackRequestReport,
} from "../../../../slack/mod.ts";
import { StubBackend } from "../../../doubles/stub_backend.ts";

/** The Signing Secret of Slack's own example. */
export const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";
/** A Signing Secret that the webhook does not know. */
export const ANOTHER_SECRET = "e6b19c573432dcc6b075501d51b51bb8";
/** Where the webhook is. */
export const URL_OF_EVENTS = "https://bot.example/slack/events";
/** Bytes. */
export const MIB = 1024 * 1024;
/** An event. */
export const MENTION = envelopeOf(SAMPLES[0]!.event, "Ev0PV52K25");
/** The id that it is published under. */
export const MENTION_ID = "Ev0PV52K25:A0FFV41KK:T061EG9R6";

/** A webhook under test. */
export interface SetUp {
  readonly backend: StubBackend;
  readonly receiver: SlackReceiver;
  readonly reports: SlackRequestReport[];
  /** Posts an event, by default {@link MENTION}, signed by {@link SECRET}. */
  post(request?: Partial<SlackRequestOptions>): Promise<Response>;
}

/** Creates a webhook. */
export function setUp(options: Partial<SlackReceiverOptions> = {}, backend: StubBackend = new StubBackend()): SetUp {
  const reports: SlackRequestReport[] = [];
  const observer = (report: SlackRequestReport) => void reports.push(report);
  const receiver = createSlackReceiver({ backend, signingSecret: SECRET, observer, ...options });
  const post = async (request: Partial<SlackRequestOptions> = {}) =>
    await receiver.fetch(await slackRequest(URL_OF_EVENTS, { secret: SECRET, body: MENTION, ...request }));
  return { backend, receiver, reports, post };
}

/** A request with a body that is a stream. */
export function postStream(body: ReadableStream<Uint8Array>, headers: Record<string, string> = {}): Request {
  const init: RequestInit & { duplex: "half" } = { method: "POST", body, headers, duplex: "half" };
  return new Request(URL_OF_EVENTS, init);
}

/** Headers that look like Slack's although nobody signed anything. */
export function plausibleHeaders(nowMs: number = Date.now()): Record<string, string> {
  return { "x-slack-request-timestamp": `${Math.floor(nowMs / 1000)}`, "x-slack-signature": `v0=${"a".repeat(64)}` };
}
