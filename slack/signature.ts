/**
 * Slack's `v0` request signature, checked with WebCrypto.
 *
 * @module
 */
import { ConfigError } from "../core/errors.ts";
import { concatenate } from "./body.ts";

/** How far a timestamp may be from now, in seconds, in either direction: Slack's own five minutes. */
const MAX_SKEW_SECONDS = 300;

const HMAC = { name: "HMAC", hash: "SHA-256" } as const;

const encoder = new TextEncoder();

/** What Slack's Signing Secret is called and where it is found. */
export const SIGNING_SECRET_PLACE =
  "it is at https://api.slack.com/apps → your app → Settings → Basic Information → App Credentials → Signing Secret";

/** Why a signature was refused. */
export type SlackSignatureProblem =
  /** A header is missing. */
  | "missing"
  /** The timestamp is not a whole number of seconds. */
  | "timestamp"
  /** The timestamp is more than five minutes away from now, before or after. */
  | "stale"
  /** The signature is not one that a known secret makes of this body and timestamp. */
  | "forged";

/** One request, as far as its signature goes. */
export interface SlackSignedRequest {
  /** The `x-slack-request-timestamp` header as it came. */
  readonly timestamp: string | null | undefined;
  /** The `x-slack-signature` header as it came. */
  readonly signature: string | null | undefined;
  /** The raw body: the bytes as they came, before any decoding. */
  readonly body: Uint8Array | string;
  /** Epoch milliseconds. Default: `Date.now()`. */
  readonly now?: number | undefined;
}

/** What {@link verifySlackSignature} takes. */
export interface VerifySlackSignatureOptions extends SlackSignedRequest {
  /** The app's Signing Secret; several while it is being rotated: a signature by any of them is good. */
  readonly secrets: string | readonly string[];
}

/**
 * Whether Slack signed this request.
 *
 * The comparison is WebCrypto's own and takes the same time wherever a wrong signature differs. A timestamp that is
 * missing, is not a number, or is more than five minutes away in either direction is refused.
 *
 * @throws {ConfigError} where there is no secret, or an empty one.
 *
 * @example
 * ```ts
 * import { verifySlackSignature } from "@slack-mcp/queue/slack";
 *
 * const request = new Request("https://bot.example/slack/events", { method: "POST", body: "{}" });
 * const genuine: boolean = await verifySlackSignature({
 *   secrets: ["the new secret", "the old secret"],
 *   timestamp: request.headers.get("x-slack-request-timestamp"),
 *   signature: request.headers.get("x-slack-signature"),
 *   body: new Uint8Array(await request.arrayBuffer()),
 * });
 * if (genuine) throw new Error("nobody signed this");
 * ```
 */
export async function verifySlackSignature(options: VerifySlackSignatureOptions): Promise<boolean> {
  return await new SignatureVerifier(options.secrets).check(options) === undefined;
}

/** Verifies many requests with the same secrets: the keys are imported once. */
export class SignatureVerifier {
  readonly #secrets: readonly string[];
  #keys: readonly CryptoKey[] | undefined;

  /** Takes the secrets; a `ConfigError` where there is none, or an empty one. */
  constructor(secrets: string | readonly string[]) {
    const list: readonly unknown[] = typeof secrets === "string" || !Array.isArray(secrets) ? [secrets] : secrets;
    if (list.length === 0 || !list.every((secret) => typeof secret === "string" && secret.trim() !== "")) {
      throw new ConfigError(
        `Cannot verify Slack's requests: the signing secret is missing or empty; ${SIGNING_SECRET_PLACE}`,
      );
    }
    this.#secrets = list as readonly string[];
  }

  /** Undefined where the signature is good, else what is wrong. */
  async check(request: SlackSignedRequest): Promise<SlackSignatureProblem | undefined> {
    const { timestamp, signature, body, now = Date.now() } = request;
    if (!timestamp || !signature) return "missing";
    if (!/^\d{1,15}$/.test(timestamp)) return "timestamp";
    // Written so that a `now` that is not a number is refused too.
    if (!(Math.abs(now / 1000 - Number(timestamp)) <= MAX_SKEW_SECONDS)) return "stale";
    const claimed = parseSignature(signature);
    if (!claimed) return "forged";
    const signed = signedBytes(timestamp, body);
    // The keys are kept, never a pending promise of them: on Workers a promise belongs to the request that made it.
    const keys = this.#keys ??= await Promise.all(this.#secrets.map(importKey));
    // Every key is tried, whichever fits, so that the time taken says nothing about which one did.
    const fits = await Promise.all(keys.map((key) => crypto.subtle.verify("HMAC", key, claimed, signed)));
    return fits.includes(true) ? undefined : "forged";
  }
}

function importKey(secret: string): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", encoder.encode(secret), HMAC, false, ["verify"]);
}

function signedBytes(timestamp: string, body: Uint8Array | string): Uint8Array<ArrayBuffer> {
  const prefix = encoder.encode(`v0:${timestamp}:`);
  return concatenate([prefix, typeof body === "string" ? encoder.encode(body) : body]);
}

/** The 32 bytes of `v0=` and 64 lower-case hexadecimal digits; undefined for anything else. */
function parseSignature(signature: string): Uint8Array<ArrayBuffer> | undefined {
  const hex = /^v0=([0-9a-f]{64})$/.exec(signature)?.[1];
  return hex ? Uint8Array.from(hex.match(/../g)!, (byte) => parseInt(byte, 16)) : undefined;
}
