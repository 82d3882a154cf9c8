/**
 * The driver of the Upstash backend: the streams engine over HTTP.
 *
 * @module
 */
import { checkOptions } from "../../core/util/validate.ts";
import { systemClock } from "../../core/util/clock.ts";
import { ConfigError } from "../../core/errors.ts";
import { StreamsDriver } from "../streams/driver.ts";
import { clientConnection, restConnection } from "./client.ts";
import { UPSTASH_CHECKS, type UpstashOptions } from "./options.ts";
import { UpstashTransport } from "./transport.ts";

/** Bytes of the largest payload and of one batch: as text within JSON it may be twice as long, and a request 10 MB. */
const MAX_PAYLOAD = 4 * 1024 * 1024;

/** Milliseconds of the longest wait for a message, which costs what `listener.ts` says and nothing by itself. */
const MAX_WAIT_MS = 1_800_000;

/**
 * A driver as the options describe it. It sends its first request when it is first used.
 *
 * @throws {TypeError | RangeError} An option that is not as described.
 * @throws {ConfigError} No URL or token, and no client.
 */
export function createDriver(options: UpstashOptions): StreamsDriver {
  checkOptions("upstash options", options, UPSTASH_CHECKS);
  const { url, token, client, clock = systemClock, timeoutMs = 5_000, fetch: send = fetch } = options;
  if (client === undefined || url !== undefined) checkAddress(url, token);
  const rest = url === undefined
    ? undefined
    : { url, token: token!, fetch: send, timeoutMs: Math.max(timeoutMs, 1_000) };
  const connection = client ? clientConnection(client, rest) : restConnection(rest!);
  return new StreamsDriver(new UpstashTransport(connection, clock, token === undefined ? [] : [token]), {
    ...options,
    name: "upstash",
    maxPayloadBytes: MAX_PAYLOAD,
    maxBatchBytes: MAX_PAYLOAD,
    maxWaitMs: MAX_WAIT_MS,
    idleCostPerHour: 120,
  });
}

function checkAddress(url: string | undefined, token: string | undefined): void {
  const problems: string[] = [];
  if (url === undefined) problems.push("url is not set: give the database's REST URL, or a client");
  else if (!/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : "")) {
    problems.push("url must be a URL that starts with https:// or http://");
  }
  if (token === undefined) problems.push("token is not set: give the database's REST token, or a client");
  if (problems.length > 0) throw new ConfigError(problems, { backend: "upstash" });
}
