/**
 * Dead letters: a stream beside the key's own.
 *
 * @module
 */
import type { DeadLetter, FailureCause } from "@slack-mcp/queue";
import type { DriverDeadLetterQuery, DriverDeadLetters } from "@slack-mcp/queue/driver";
import type { StoredMsg } from "@nats-io/jetstream";
import type { Links } from "./connection.ts";
import { repeatable } from "./errors.ts";
import type { Lease } from "./leases.ts";
import { fromHeaders, toHeaders } from "./message.ts";

const DEATH = "Queue-Death";

/** What is kept of a death, beside the message. */
interface Death {
  readonly group: string;
  readonly cause: FailureCause;
  readonly attempts: number;
  readonly publishedAt: number;
  readonly diedAt: number;
}

/** How many letters one page has. */
const PAGE = 100;

/** Puts a message among the dead letters; resolves when the server has confirmed it. */
export async function bury(links: Links, group: string, lease: Lease, cause: FailureCause): Promise<void> {
  const { client } = await links.open();
  const { deadSubject } = await links.prepareDead(lease.key);
  const headers = toHeaders(lease);
  const { attempts, publishedAt } = lease;
  const death: Death = { group, cause, attempts, publishedAt, diedAt: Date.now() };
  headers.set(DEATH, encodeURIComponent(JSON.stringify(death)));
  // The id makes a settlement that is sent again, because its reply was lost, the same dead letter.
  await links.answered(client.publish(deadSubject, lease.body, { headers, msgID: `dead-${lease.sequence}` }));
}

function readDeath(message: StoredMsg): Partial<Death> {
  try {
    return JSON.parse(decodeURIComponent(message.header.get(DEATH)));
  } catch {
    return {}; // somebody else's entry
  }
}

function toLetter(key: string, message: StoredMsg): DeadLetter {
  const { group = "", cause = { name: "unknown", message: "" }, attempts = 0, publishedAt, diedAt } = readDeath(
    message,
  );
  const { id: messageId, headers = {} } = fromHeaders(message.header, String(message.seq));
  return {
    id: String(message.seq),
    messageId,
    key,
    group,
    payload: undefined, // the portable layer parses the body
    body: new TextDecoder().decode(message.data),
    headers,
    attempts,
    cause,
    publishedAt: publishedAt === undefined ? undefined : new Date(publishedAt),
    diedAt: diedAt === undefined ? undefined : new Date(diedAt),
  };
}

/** The dead letters of a driver. */
export function deadLettersOf(links: Links): Required<DriverDeadLetters> {
  /** Yields the messages that a query asks for, from a sequence on. */
  async function* chosen(key: string, { ids, limit }: DriverDeadLetterQuery, from: number): AsyncGenerator<StoredMsg> {
    const { streams } = await links.open();
    const { dead } = await links.prepareDead(key);
    const { state } = await streams.streams.info(dead);
    let count = 0;
    for (let seq = Math.max(from, state.first_seq); seq <= state.last_seq && count < limit; seq++) {
      if (ids && !ids.includes(String(seq))) continue;
      const message = await streams.streams.getMessage(dead, { seq }).catch(() => null); // removed meanwhile
      if (!message) continue;
      count++;
      yield message;
    }
  }

  async function remove(key: string, seq: number): Promise<boolean> {
    const { streams } = await links.open();
    const { dead } = await links.prepareDead(key);
    return await streams.streams.deleteMessage(dead, seq, false);
  }

  async function replay(key: string, query: DriverDeadLetterQuery): Promise<number> {
    const { client } = await links.open();
    const { subject } = await links.prepare(key);
    let count = 0;
    for await (const message of chosen(key, query, 0)) {
      const headers = toHeaders(toReplay(message));
      // Another id than the publisher's, which the server still knows; the same one if this is done twice.
      const msgID = `replay-${message.seq}-${message.time.getTime()}`;
      await client.publish(subject, message.data, { headers, msgID });
      if (await remove(key, message.seq)) count++;
    }
    return count;
  }

  async function purge(key: string, query: DriverDeadLetterQuery): Promise<number> {
    let count = 0;
    for await (const { seq } of chosen(key, query, 0)) if (await remove(key, seq)) count++;
    return count;
  }

  return {
    async list(key, query, cursor) {
      const letters: DeadLetter[] = [];
      let last = 0;
      for await (const message of chosen(key, { ...query, limit: Math.min(query.limit, PAGE) }, Number(cursor ?? 0))) {
        letters.push(toLetter(key, message));
        last = message.seq;
      }
      return { letters, cursor: letters.length === PAGE ? String(last + 1) : undefined };
    },
    replay: (key, query) => repeatable(replay(key, query)),
    purge: (key, query) => repeatable(purge(key, query)),
  };
}

function toReplay(message: StoredMsg): { id: string; headers: Record<string, string> | undefined } {
  const { id, headers } = fromHeaders(message.header, String(message.seq));
  return { id, headers };
}
