/**
 * The driver of the SQLite backend: the SQL engine on one file.
 *
 * @module
 */
import { ConfigError } from "../../core/errors.ts";
import { checkOptions } from "../../core/util/validate.ts";
import { SqlDriver } from "../sql/driver.ts";
import type { SqlPort } from "../sql/port.ts";
import { pathOf, refusalOf, SQLITE_CHECKS, type SqliteOptions } from "./options.ts";
import { SqliteTransport } from "./transport.ts";

/** The largest payload in bytes. SQLite takes up to a gigabyte, but a payload must fit into memory several times. */
const MAX_PAYLOAD_BYTES = 16_000_000;

/** An idle consumer looks once a second whether others have written, and asks again twice a minute. */
const IDLE_COST_PER_HOUR = 3_600 + 120;

/**
 * Makes a connection, which opens the file when it is first used.
 *
 * @throws {TypeError | RangeError} An option that is not as described.
 * @throws {ConfigError} A path that is not that of a file.
 */
export function createTransport(options: SqliteOptions): SqliteTransport {
  checkOptions("sqlite options", options, SQLITE_CHECKS);
  const { path = "queue.db", sync = "full", clock } = options;
  const refusal = refusalOf(path);
  if (refusal !== undefined) throw new ConfigError(`path ${refusal}`, { backend: "sqlite" });
  return new SqliteTransport({ path: pathOf(path), sync, clock });
}

/** Makes a driver over a connection. */
export function createDriver(port: SqlPort, options: SqliteOptions): SqlDriver {
  const { maxLength, overflow, dedupWindowMs, clock } = options;
  return new SqlDriver(port, {
    name: "sqlite",
    maxPayloadBytes: MAX_PAYLOAD_BYTES,
    idleCostPerHour: IDLE_COST_PER_HOUR,
    maxLength,
    overflow,
    dedupWindowMs,
    clock,
  });
}
