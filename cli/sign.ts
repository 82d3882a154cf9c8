/**
 * Slack's side of the wire: requests that are signed as Slack signs them. For the demo, for tests, and for trying a
 * webhook by hand.
 *
 * @module
 */

/** The request to sign. */
export interface SlackRequestOptions {
  /** The app's Signing Secret. */
  readonly secret: string;
  /** An object is sent as JSON, text as it is. */
  readonly body: unknown;
  /** The timestamp, in epoch seconds. Default: now. */
  readonly timestamp?: number | string | undefined;
  /** Further headers, and others in place of those that are made. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A signed POST to `url`, ready for `fetch`. */
export async function slackRequest(url: string, options: SlackRequestOptions): Promise<Request> {
  const { secret, timestamp = Math.floor(Date.now() / 1000), headers = {} } = options;
  const body = typeof options.body === "string" ? options.body : JSON.stringify(options.body);
  return new Request(url, {
    method: "POST",
    body,
    headers: {
      "content-type": "application/json",
      "x-slack-request-timestamp": `${timestamp}`,
      "x-slack-signature": await slackSignature(secret, `${timestamp}`, body),
      ...headers,
    },
  });
}

/** The `v0` signature of a body. */
export async function slackSignature(secret: string, timestamp: string, body: string): Promise<string> {
  const encoder = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", encoder.encode(secret), algorithm, false, ["sign"]);
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(`v0:${timestamp}:${body}`)));
  return `v0=${Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
