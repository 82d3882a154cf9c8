/**
 * Slack's `v0` request signature, checked with WebCrypto.
 *
 * @module
 */
import { ConfigError } from "../core/errors.ts";
import { MAX_SKEW_SECONDS } from "./limits.ts";

const encoder = new TextEncoder();

/** Where Slack shows the Signing Secret. */
export const SIGNING_SECRET_PLACE = "see https://api.slack.com/apps > your app > Basic Information > Signing Secret";

/** Why a signature was refused. */
export type SlackSignatureProblem =
  /** A header is missing. */
  | "missing"
  /** The timestamp is not a whole number of seconds. */
  | "timestamp"
  /** The timestamp is more than five minutes away from now, before or after. */
  | "stale"
  /** The signature is not the one that a known secret makes of this body and timestamp, or is not a signature at all. */
  | "forged";

/** The signature headers of a request. */
export interface SlackSignatureHeaders {
  /** The `x-slack-request-timestamp` header as it came. */
  readonly timestamp: string | null | undefined;
  /** The `x-slack-signature` header as it came. */
  readonly signature: string | null | undefined;
  /**
   * The present time in epoch milliseconds.
   *
   * @default {Date.now()}
   */
  readonly now?: number | undefined;
}

/** One request, as far as its signature goes. */
export interface SlackSignedRequest extends SlackSignatureHeaders {
  /** The raw body: the bytes as they came, before any decoding. */
  readonly body: Uint8Array | string;
}

/** Options of {@link verifySlackSignature}. */
export interface VerifySlackSignatureOptions extends SlackSignedRequest {
  /** The app's Signing Secret, or several during a rotation: a signature made with any of them is good. */
  readonly secrets: string | readonly string[];
}

/**
 * Returns whether Slack signed this request.
 *
 * The comparison is WebCrypto's own and takes the same time wherever a wrong signature differs. A timestamp that is
 * missing, is not a number, or is more than five minutes away in either direction is refused.
 *
 * @throws {ConfigError} A secret is missing, empty, quoted, holds white space, or is a token.
 *
 * @example
 * ```ts
 * import { verifySlackSignature } from "@slack-mcp/queue/slack";
 *
 * const request = new Request("https://bot.example/slack/events", { method: "POST", body: "{}" });
 * const genuine: boolean = await verifySlackSignature({
 *   secrets: ["8f742231b10e8888abcd99yyyzzz85a5", "e6b19c573432dcc6b075501d51b51bb8"], // the new one, the old one
 *   timestamp: request.headers.get("x-slack-request-timestamp"),
 *   signature: request.headers.get("x-slack-signature"),
 *   body: new Uint8Array(await request.arrayBuffer()),
 * });
 * if (genuine) throw new Error("nobody signed this");
 * ```
 */
export async function verifySlackSignature(options: VerifySlackSignatureOptions): Promise<boolean> {
  const problems = secretProblems(options.secrets);
  if (problems.length > 0) throw new ConfigError(problems);
  return !checkSignatureHeaders(options) && await createSignatureVerifier(options.secrets)(options);
}

/**
 * Returns the problem of a text that cannot be a Signing Secret, without the text; empty when there is none.
 *
 * @param name The option or variable that holds it.
 * @param secret The text.
 */
export function secretProblem(name: string, secret: unknown): string {
  const found = typeof secret !== "string" || !secret.trim() ? "nothing" : /["'`]/.test(secret)
    ? "quotes in it"
    // A passphrase of several words is left alone: only Slack decides that its secrets are 32 letters and digits.
    : /^\s|\s$|^(?=.*\s)(\s*[\da-z]){32}$/i.test(secret)
    ? "white space in it"
    : /^xox|^xapp-|:\/\//i.test(secret)
    ? "a token or a URL"
    : "";
  return found && `${name} must be the app's Signing Secret alone, found ${found}: ${SIGNING_SECRET_PLACE}`;
}

/** Resolves with whether the signature of a request is good whose headers have no problem: see {@link checkSignatureHeaders}. */
export type SignatureVerifier = (request: SlackSignedRequest) => Promise<boolean>;

/**
 * Returns a function that verifies many requests with the same secrets: the keys are imported once.
 *
 * @param secrets Secrets without a problem: see {@link secretProblems}.
 */
export function createSignatureVerifier(secrets: string | readonly string[]): SignatureVerifier {
  const known = [secrets].flat();
  let keys: readonly CryptoKey[] | undefined;
  return async (request) => {
    const claimed = parseSignature(request.signature!)!;
    const { timestamp, body } = request;
    const start = encoder.encode(`v0:${timestamp}:`);
    const bytes = typeof body === "string" ? encoder.encode(body) : body;
    const signed = new Uint8Array(start.length + bytes.length);
    signed.set(start);
    signed.set(bytes, start.length);
    // The keys are kept, never a pending promise of them: on Workers a promise belongs to the request that made it.
    keys ??= await Promise.all(
      known.map((secret) =>
        crypto.subtle.importKey("raw", encoder.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["verify"])
      ),
    );
    // Every key is tried, whichever fits, so that the time taken says nothing about which one did.
    const fits = await Promise.all(keys.map((key) => crypto.subtle.verify("HMAC", key, claimed, signed)));
    return fits.includes(true);
  };
}

/** Returns the problem of each secret that cannot be one, and one problem when there is no secret. */
export function secretProblems(secrets: unknown): string[] {
  const list: readonly unknown[] = [(secrets as string | readonly string[] | undefined)?.length ? secrets : ""].flat();
  return list.map((secret) => secretProblem("signingSecret", secret)).filter(Boolean);
}

/** Returns what can be told to be wrong with a signature before the body is read. */
export function checkSignatureHeaders(
  { timestamp, signature, now = Date.now() }: SlackSignatureHeaders,
): SlackSignatureProblem | undefined {
  if (!timestamp || !signature) return "missing";
  if (!/^\d{1,15}$/.test(timestamp)) return "timestamp";
  // Written so that a `now` that is not a number is refused too.
  if (!(Math.abs(now / 1000 - Number(timestamp)) <= MAX_SKEW_SECONDS)) return "stale";
  return parseSignature(signature) ? undefined : "forged";
}

/** Returns the 32 bytes of `v0=` and 64 lower-case hexadecimal digits, `undefined` for anything else. */
function parseSignature(signature: string): Uint8Array<ArrayBuffer> | undefined {
  const hex = /^v0=([0-9a-f]{64})$/.exec(signature)?.[1];
  return hex ? Uint8Array.from(hex.match(/../g)!, (byte) => parseInt(byte, 16)) : undefined;
}
