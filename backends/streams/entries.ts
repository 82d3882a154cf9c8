/**
 * What the scripts answer, read.
 *
 * @module
 */
import type { RawDelivery } from "../../core/driver.ts";
import type { DeadLetter } from "../../core/protocol.ts";
import { Lease, type LeaseGroup } from "./lease_groups.ts";

/** Fields and values of an entry as a map; of two fields of one name the first counts. */
function toMap(flat: readonly unknown[], from: number): Map<string, string> {
  const fields = new Map<string, string>();
  for (let i = from; i + 1 < flat.length; i += 2) {
    const name = String(flat[i]);
    if (!fields.has(name)) fields.set(name, String(flat[i + 1]));
  }
  return fields;
}

/** The time within an entry's id. */
function timeOf(id: string): number {
  return Number(id.slice(0, id.indexOf("-")));
}

function toTime(text: string | undefined, id: string): number {
  const at = text === undefined ? NaN : Number(text);
  return Number.isSafeInteger(at) ? at : timeOf(id);
}

function toHeaders(text: string | undefined): Record<string, string> | undefined {
  if (text === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return undefined;
    if (!Object.values(parsed).every((value) => typeof value === "string")) return undefined;
    return Object.fromEntries(Object.entries(parsed));
  } catch {
    return undefined; // somebody else's field of the same name
  }
}

/** Reads one delivery of more than id and body: `[id, publisher's id, body]` or `[id, attempts, field, value, …]`. */
function readWhole(whole: readonly unknown[], epoch: LeaseGroup): RawDelivery {
  const member = String(whole[0]);
  if (whole.length === 3) {
    const id = String(whole[1]);
    return { id, lease: new Lease(member, epoch), body: String(whole[2]), attempts: 1, publishedAt: timeOf(member) };
  }
  const entryId = member.startsWith("r") ? member.slice(1) : member;
  const fields = toMap(whole, 2);
  const headers = toHeaders(fields.get("headers"));
  return {
    id: fields.get("id") ?? entryId,
    lease: new Lease(member, epoch),
    body: fields.get("data"),
    attempts: Number(whole[1]),
    publishedAt: toTime(fields.get("at"), entryId),
    ...headers && { headers },
  };
}

/** Reads the deliveries of an answer of the receive script, which begin at its second item. */
export function readDeliveries(answer: readonly unknown[], epoch: LeaseGroup): RawDelivery[] {
  const deliveries: RawDelivery[] = [];
  for (let i = 1; i < answer.length; i++) {
    const item = answer[i];
    if (typeof item === "string") {
      const body = answer[++i] as string;
      deliveries.push({ id: item, lease: new Lease(item, epoch), body, attempts: 1, publishedAt: timeOf(item) });
    } else {
      deliveries.push(readWhole(item as readonly unknown[], epoch));
    }
  }
  return deliveries;
}

/** How many fields of its own a dead letter has before the message's. */
const OWN = 8;

/** Reads a dead letter: `[id, [field, value, …]]`. */
export function readDeadLetter(entry: readonly unknown[], key: string, group: string): DeadLetter {
  const id = String(entry[0]);
  const flat = entry[1] as readonly unknown[];
  const own = toMap(flat.slice(0, OWN), 0);
  const fields = toMap(flat, OWN);
  const origin = (own.get("entry") ?? id).replace(/^r/, "");
  return {
    id,
    messageId: fields.get("id") ?? origin,
    key,
    group,
    payload: undefined,
    body: fields.get("data") ?? JSON.stringify(Object.fromEntries(fields)),
    headers: toHeaders(fields.get("headers")) ?? {},
    attempts: Number(own.get("attempts")),
    cause: { name: own.get("error") ?? "Error", message: own.get("message") ?? "" },
    publishedAt: new Date(toTime(fields.get("at"), origin)),
    diedAt: new Date(timeOf(id)),
  };
}
