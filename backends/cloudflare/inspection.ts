/**
 * Finds the age of the oldest message over the HTTP API, without taking messages. The API peeks, but it does not say which
 * messages are leased or delayed, so there is no peek; it knows no groups.
 *
 * @module
 */
import type { DriverInspection } from "../../core/driver.ts";
import type { CloudflareClient } from "./client.ts";
import type { CloudflareHttpOptions } from "./options.ts";
import type { Queues } from "./queues.ts";

/** The looks of the HTTP driver. Keys are known where `byKey` lists them. */
export function inspectionOf(
  client: CloudflareClient,
  queues: Queues,
  byKey: CloudflareHttpOptions["queues"],
): DriverInspection {
  return {
    ...typeof byKey === "object" && {
      keys: () => Promise.resolve({ keys: Object.keys(byKey), cursor: undefined }),
    },
    oldest: async (key, _group, signal) => {
      const metrics = await client.ask(`${await queues.path(key, signal)}/metrics`, signal);
      const { oldest_message_timestamp_ms: at = 0 } = metrics as { oldest_message_timestamp_ms?: number };
      return at > 0 ? at : undefined;
    },
  };
}
