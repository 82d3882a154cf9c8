/**
 * The driver of the Upstash backend: the streams engine over HTTP.
 *
 * @module
 */
import { DEFAULT_TIMEOUT_MS } from "../../core/defaults.ts";
import { checkOptions } from "../../core/util/validate.ts";
import { systemClock } from "../../core/util/clock.ts";
import { EnvReader } from "../../core/config/env_reader.ts";
import { StreamsDriver } from "../streams/driver.ts";
import { clientConnection, restConnection } from "./client.ts";
import { checkUrl, SCHEMES, UPSTASH_CHECKS, type UpstashOptions } from "./options.ts";
import { UpstashTransport } from "./transport.ts";

/** Bytes of the largest payload and of one batch: as text within JSON it may be twice as long, and a request 10 MB. */
const MAX_PAYLOAD = 4 * 1024 * 1024;

/** Milliseconds of the longest wait for a message, which costs what `listener.ts` says and nothing by itself. */
const MAX_WAIT_MS = 1_800_000;

/**
 * Makes a driver as the options describe it. It sends its first request when it is first used.
 *
 * @throws {TypeError | RangeError} An option that is not as described.
 * @throws {ConfigError} No URL or token, and no client.
 */
export function createDriver(options: UpstashOptions): StreamsDriver {
  checkOptions("upstash options", options, UPSTASH_CHECKS);
  const { url, token, client, clock = systemClock, timeoutMs = DEFAULT_TIMEOUT_MS, fetch: send = fetch } = options;
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

/**
 * Checks the address.
 *
 * @throws {ConfigError} It is missing or wrong, with a sentence for each problem.
 */
function checkAddress(url: string | undefined, token: string | undefined): void {
  const reader = new EnvReader({ url, token });
  reader.required("url", "give the database's REST URL, or a client");
  checkUrl(reader, "url", reader.url("url", SCHEMES));
  reader.required("token", "give the database's REST token, or a client");
  reader.check("upstash");
}
