/**
 * Looks into the tables for queues that nobody reads.
 *
 * @module
 */
import type { Finding } from "../../core/protocol.ts";
import { bind, type SqlPort, textOf } from "./port.ts";
import { DIAGNOSE } from "./statements.ts";

/** Milliseconds for which a message may wait before a group counts as one that nobody reads. */
const UNREAD_MS = 120_000;

/** Looks at the groups of a key. */
export async function diagnoseTables(
  port: SqlPort,
  key: string,
  now: number,
  signal: AbortSignal,
): Promise<Finding[]> {
  const [rows] = await port.run(bind(DIAGNOSE, { key, now }), { mode: "read", signal });
  const found: Finding[] = [];
  for (const { name, since, leased } of rows!) {
    if (typeof since !== "number" || now - since <= UNREAD_MS || leased === 1) continue;
    const group = textOf(name);
    const waited = `its oldest message has waited for ${Math.floor((now - since) / 60_000)} minutes`;
    found.push({
      severity: "warning",
      setting: group === undefined ? `key ${key}` : `group ${group}`,
      problem: group === undefined
        ? `nobody has ever read ${key}: ${waited}`
        : `nobody reads the group ${JSON.stringify(group)} of ${key}: ${waited}`,
      repair: "start a consumer of that group, with the same SLACK_EVENTS_TOPIC, on this computer",
    });
  }
  return found;
}
