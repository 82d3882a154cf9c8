/**
 * The answers of the scripts that return entries, read.
 *
 * @module
 */
import type { RawDelivery } from "../../core/driver.ts";
import type { DeadLetter, PeekedMessage } from "../../core/protocol.ts";
import { Lease, type LeaseGroup, type Run } from "./lease_groups.ts";

/** Of an entry with more fields and values than this, ours has them all in one field, as JSON. */
const MOST_TEXTS = 2_000;

/** The name of that field. */
const FIELDS = "fields";

function packedFields(text: string): readonly unknown[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) && list.length > MOST_TEXTS ? list : undefined;
  } catch {
    return undefined; // somebody else's field of the same name
  }
}

/** Fields and values of an entry as a map; of two fields of one name the first counts. */
function toMap(flat: readonly unknown[], from: number, ours: boolean): Map<string, string> {
  const fields = new Map<string, string>();
  for (let i = from; i + 1 < flat.length; i += 2) {
    const name = String(flat[i]);
    const packed = ours && name === FIELDS ? packedFields(String(flat[i + 1])) : undefined;
    if (packed) { for (const [key, value] of toMap(packed, 0, false)) fields.set(key, value); }
    else if (!fields.has(name)) fields.set(name, String(flat[i + 1]));
  }
  return fields;
}

/** Milliseconds: the year in which Redis got streams. Nothing was published before. */
const EARLIEST = Date.UTC(2018, 0, 1);

/** How far, in milliseconds, the server's clock may have been set back since. */
const LATEST = 86_400_000;

/**
 * When an entry was published: as it says itself, else the time within its id. Publishers may choose ids that are no
 * times, such as counters or microseconds.
 */
function publishedAt(text: string | undefined, id: string, now: number): number | undefined {
  const at = Number(text ?? id.slice(0, id.indexOf("-")));
  return at >= EARLIEST && at <= now + LATEST ? at : undefined;
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

/** Fields that all deliveries of a reply share. */
interface Answered {
  /** The server's time, in epoch milliseconds. */
  readonly now: number;
  /** See `RawDelivery`. */
  readonly leasedForMs: number;
  /** Whether messages of one ordering key may have been leased together. */
  readonly together: boolean;
}

/** Reads `[id, body, ordering key, publisher's id or nothing, milliseconds behind others or nothing]`. */
function readOrdered(
  whole: readonly unknown[],
  group: LeaseGroup,
  { now, leasedForMs, together }: Answered,
): RawDelivery {
  const [member, body, orderingKey, id, blocked] = whole.map(String) as [string, string, string, string, string];
  return {
    id: id || member,
    lease: new Lease(member, group, orderingKey, together),
    body,
    attempts: 1,
    orderingKey,
    blockedMs: blocked === "" ? undefined : Number(blocked),
    publishedAt: publishedAt(undefined, member, now),
    leasedForMs,
  };
}

/** The first item of an array that has many deliveries with ordering keys, and where they are a run. No entry has this id. */
const [MANY, RUN] = ["k", "run"];

/** The fewest messages of a run, as `lua/shared/runs.lua` has it. */
const RUN_LEAST = 32;

/** The ids of entries, of which one word may name several that follow one another: `first*count`. */
function* idsIn(names: string): Generator<string, void> {
  for (const word of names.split(" ")) {
    const [first = "", count] = word.split("*");
    if (count === undefined) {
      yield first;
      continue;
    }
    const dash = first.indexOf("-") + 1;
    const ms = first.slice(0, dash);
    const from = Number(first.slice(dash));
    for (let i = 0; i < Number(count); i++) yield ms + (from + i);
  }
}

/** Reads `["k" or "run", names, ordering keys, body, body, …]`. */
function readMany(
  texts: readonly unknown[],
  group: LeaseGroup,
  { now, leasedForMs, together }: Answered,
  deliveries: RawDelivery[],
): void {
  const names = String(texts[1]);
  const keys = JSON.parse(String(texts[2])) as string[];
  const run: Run | undefined = keys.length >= RUN_LEAST
    ? { names, count: keys.length, kept: texts[0] === RUN }
    : undefined;
  let i = 0;
  for (const id of idsIn(names)) {
    const body = texts[i + 3] as string;
    const orderingKey = keys[i]!;
    const at = publishedAt(undefined, id, now);
    const lease = new Lease(id, group, orderingKey, together, run);
    deliveries.push({ id, lease, body, attempts: 1, orderingKey, publishedAt: at, leasedForMs });
    i += 1;
  }
}

/**
 * Reads one delivery of more than id and body: `[id, publisher's id, body]`, five items with an ordering key, or
 * `[id, attempts, field, value, …]`, where milliseconds behind others may follow the attempts.
 */
function readWhole(whole: readonly unknown[], group: LeaseGroup, answered: Answered): RawDelivery {
  if (whole.length === 5) return readOrdered(whole, group, answered);
  const { now, leasedForMs, together } = answered;
  const member = String(whole[0]);
  if (whole.length === 3) {
    const at = publishedAt(undefined, member, now);
    const body = String(whole[2]);
    return { id: String(whole[1]), lease: new Lease(member, group), body, attempts: 1, publishedAt: at, leasedForMs };
  }
  const replayed = member.startsWith("r");
  const entryId = replayed ? member.slice(1) : member;
  const fields = toMap(whole, 2, replayed);
  const headers = toHeaders(fields.get("headers"));
  const orderingKey = fields.get("orderingKey") || undefined;
  const [attempts, blocked] = String(whole[1]).split(" ");
  return {
    id: fields.get("id") ?? entryId,
    lease: new Lease(member, group, orderingKey, together),
    body: fields.get("data"),
    attempts: Number(attempts),
    ...orderingKey !== undefined && { orderingKey },
    ...blocked !== undefined && { blockedMs: Number(blocked) },
    publishedAt: publishedAt(fields.get("at"), entryId, now),
    leasedForMs,
    ...headers && { headers },
  };
}

/**
 * Reads the deliveries of the receive script's answer: the server's time, then an item or two for each.
 *
 * @param group The lease that they are under.
 * @param about What the answer itself does not say.
 */
export function readDeliveries(
  answer: readonly unknown[],
  group: LeaseGroup,
  about: Omit<Answered, "now">,
): RawDelivery[] {
  const now = Number(answer[0]);
  const { leasedForMs } = about;
  const answered: Answered = { ...about, now };
  const deliveries: RawDelivery[] = [];
  for (let i = 1; i < answer.length; i++) {
    const item = answer[i];
    if (typeof item === "number") break; // see the script
    if (typeof item === "string") {
      const body = answer[++i] as string;
      const at = publishedAt(undefined, item, now);
      deliveries.push({ id: item, lease: new Lease(item, group), body, attempts: 1, publishedAt: at, leasedForMs });
    } else {
      const whole = item as readonly unknown[];
      if (whole[0] === MANY || whole[0] === RUN) readMany(whole, group, answered, deliveries);
      else deliveries.push(readWhole(whole, group, answered));
    }
  }
  return deliveries;
}

/** How many fields and values of its own a dead letter has before the message's. */
const OWN = 10;

/** Reads a dead letter: `[id, [field, value, …]]`. */
export function readDeadLetter(entry: readonly unknown[], key: string, group: string): DeadLetter {
  const id = String(entry[0]);
  const flat = entry[1] as readonly unknown[];
  const own = toMap(flat.slice(0, OWN), 0, false);
  const fields = toMap(flat, OWN, true);
  const origin = (own.get("entry") ?? id).replace(/^r/, "");
  const died = Number(own.get("died"));
  const at = publishedAt(fields.get("at"), origin, died);
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
    publishedAt: at === undefined ? undefined : new Date(at),
    diedAt: new Date(died),
  };
}

/** A message that was peeked, and where it stands. */
export interface PeekedEntry extends Omit<PeekedMessage, "state"> {
  /** The entry's id, with `r` in front where it was replayed; empty where it has no place yet. */
  readonly member: string;
  /** As `lua/inspect_peek.lua` has it. */
  readonly state: string;
}

/** Reads a peeked message: `[id, state, attempts, field, value, …]`. */
export function readPeeked(whole: readonly unknown[], now: number): PeekedEntry {
  const member = String(whole[0]);
  const replayed = member.startsWith("r");
  const entryId = replayed ? member.slice(1) : member;
  const fields = toMap(whole, 3, replayed);
  const at = publishedAt(fields.get("at") || undefined, entryId, now);
  return {
    member,
    id: fields.get("id") || entryId,
    state: String(whole[1]),
    attempts: Number(whole[2]),
    orderingKey: fields.get("orderingKey") || undefined,
    headers: toHeaders(fields.get("headers")) ?? {},
    publishedAt: at === undefined ? undefined : new Date(at),
    body: fields.get("data") ?? JSON.stringify(Object.fromEntries(fields)),
  };
}
