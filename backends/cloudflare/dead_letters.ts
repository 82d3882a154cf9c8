/**
 * The dead letters: a queue like any other, read by peeking, so that it needs no consumer and nothing is taken.
 *
 * @module
 */
import type { DriverDeadLetterQuery, DriverDeadLetters } from "../../core/driver.ts";
import type { Opened } from "../../core/envelope.ts";
import { QueueError } from "../../core/errors.ts";
import { bodyOfBytes } from "../../core/util/bytes.ts";
import { type DeadLetter, DEFAULT_GROUP } from "../../core/protocol.ts";
import type { CloudflareClient } from "./client.ts";
import { type ApiMessage, batchText, inBatches, openMessage, type Packed, repack } from "./messages.ts";
import type { Queues } from "./queues.ts";

/** Why the platform itself gave a message up: it does not tell more. */
const EXHAUSTED = { name: "MaxRetriesExceeded", message: "the platform delivered it max_retries times more, in vain" };

interface Peeked {
  readonly letter: DeadLetter;
  readonly opened: Opened;
  readonly ref: string;
}

async function letterOf(message: ApiMessage, key: string): Promise<Peeked> {
  const opened = await openMessage(message);
  const { payload, publishedAt = message.timestamp_ms, diedAt, cause = EXHAUSTED, headers = {} } = opened;
  const date = (ms: number | undefined) => ms === undefined ? undefined : new Date(ms);
  const letter = {
    id: message.id,
    messageId: opened.id ?? message.id,
    key: opened.key ?? key,
    group: DEFAULT_GROUP,
    payload,
    ...bodyFields(payload ?? opened.body),
    headers,
    attempts: opened.attempts ?? message.attempts ?? 0,
    cause,
    publishedAt: date(publishedAt),
    diedAt: date(diedAt),
  };
  return { letter, opened, ref: message.ref! };
}

function bodyFields(body: unknown): Pick<DeadLetter, "body" | "bodyEncoding"> {
  if (body instanceof Uint8Array) return bodyOfBytes(body);
  return { body: typeof body === "string" ? body : JSON.stringify(body) };
}

/** Returns the dead letters of a client's queues. `wake` is called with each key that got messages back. */
export function deadLettersOf(
  client: CloudflareClient,
  queues: Queues,
  wake: (key: string) => void,
): DriverDeadLetters {
  async function peek(
    path: string,
    key: string,
    { ids }: DriverDeadLetterQuery,
    signal: AbortSignal,
  ): Promise<Peeked[]> {
    const { messages = [] } = await client.ask(`${path}/messages/peek`, signal, '{"batch_size":100}') as {
      messages?: ApiMessage[] | undefined;
    };
    const letters = await Promise.all(messages.map((message) => letterOf(message, key)));
    return letters.filter(({ letter }) => letter.key === key && (!ids || ids.includes(letter.id)));
  }

  /** Removes what the query means, page by page: of each page, the letters that `before` resolves with. */
  async function remove(
    key: string,
    query: DriverDeadLetterQuery,
    signal: AbortSignal,
    before: (page: readonly Peeked[]) => Promise<readonly Peeked[]>,
  ): Promise<number> {
    const path = await queues.deadLetters(key, signal);
    const done = new Set<string>();
    const left = new Set<string>();
    if (path === undefined) return 0;
    // No more than there are now: a running consumer gives replayed messages up again, which would go on for ever.
    const { backlog_count = Infinity } = await client.ask(`${path}/metrics`, signal) as { backlog_count?: number };
    while (done.size < query.limit && done.size + left.size < backlog_count) {
      // A peek may still show what was removed just now.
      const page = (await peek(path, key, query, signal))
        .filter(({ letter }) => !done.has(letter.id) && !left.has(letter.id)).slice(
          0,
          Math.min(query.limit - done.size, backlog_count - done.size - left.size),
        );
      if (page.length === 0) break;
      const ready = await before(page);
      for (const { letter } of page) left.add(letter.id);
      for (const { letter } of ready) {
        left.delete(letter.id);
        done.add(letter.id);
      }
      const refs = ready.map(({ ref }) => ({ ref }));
      if (refs.length > 0) await client.ask(`${path}/messages/purge`, signal, JSON.stringify({ refs }));
    }
    if (left.size === 0) return done.size;
    const reason = `${left.size} of ${left.size + done.size} are larger than the API takes, and stay`;
    throw new QueueError("too-large", reason);
  }

  return {
    async list(key, query, _cursor, signal) {
      const path = await queues.deadLetters(key, signal);
      const letters = path === undefined ? [] : await peek(path, key, query, signal);
      return { letters: letters.slice(0, query.limit).map(({ letter }) => letter), cursor: undefined };
    },
    async replay(key, query, signal) {
      const path = await queues.path(key, signal);
      return await remove(key, query, signal, async (page) => {
        const packed: (Packed & { readonly from: Peeked })[] = [];
        for (const from of page) {
          const { opened } = from;
          const message = await repack(opened, { id: opened.id, headers: opened.headers });
          if (message) packed.push({ ...message, from });
        }
        for (const batch of inBatches(packed)) {
          await client.ask(`${path}/messages/batch`, signal, batchText(batch), { sending: true });
        }
        wake(key);
        return packed.map(({ from }) => from);
      });
    },
    purge: (key, query, signal) => remove(key, query, signal, (page) => Promise.resolve(page)),
  };
}
