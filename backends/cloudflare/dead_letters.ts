/**
 * The dead letters: a queue like any other, read by peeking, so that it needs no consumer and nothing is taken.
 *
 * @module
 */
import type { DriverDeadLetterQuery, DriverDeadLetters } from "../../core/driver.ts";
import type { Opened } from "../../core/envelope.ts";
import { type DeadLetter, DEFAULT_GROUP } from "../../core/protocol.ts";
import type { CloudflareClient } from "./client.ts";
import { type ApiMessage, batchText, bodyText, inBatches, openText, repack } from "./messages.ts";
import type { Queues } from "./queues.ts";

/** Why the platform itself gave a message up: it does not tell more. */
const EXHAUSTED = { name: "MaxRetriesExceeded", message: "the platform delivered it max_retries times more, in vain" };

interface Peeked {
  readonly letter: DeadLetter;
  readonly opened: Opened;
  readonly ref: string;
}

function letterOf(message: ApiMessage, key: string): Peeked {
  const text = bodyText(message);
  const opened = openText(text);
  const { payload, publishedAt = message.timestamp_ms, diedAt, cause = EXHAUSTED, headers = {} } = opened;
  const date = (ms: number | undefined) => ms === undefined ? undefined : new Date(ms);
  const letter = {
    id: message.id,
    messageId: opened.id ?? message.id,
    key: opened.key ?? key,
    group: DEFAULT_GROUP,
    payload,
    body: payload
      ? JSON.stringify(payload)
      : typeof opened.body === "string"
      ? opened.body
      : JSON.stringify(opened.body),
    headers,
    attempts: opened.attempts ?? message.attempts ?? 0,
    cause,
    publishedAt: date(publishedAt),
    diedAt: date(diedAt),
  };
  return { letter, opened, ref: message.ref! };
}

/** The dead letters of a client's queues; `wake` is told of each key that got messages back. */
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
    return messages.map((message) => letterOf(message, key)).filter(({ letter }) =>
      letter.key === key && (!ids || ids.includes(letter.id))
    );
  }

  /** Removes what the query means, page by page, each page after `before` has done with it. */
  async function remove(
    key: string,
    query: DriverDeadLetterQuery,
    signal: AbortSignal,
    before?: (page: readonly Peeked[]) => Promise<unknown>,
  ): Promise<number> {
    const path = await queues.deadLetters(key, signal);
    const done = new Set<string>();
    while (path !== undefined && done.size < query.limit) {
      // A peek may still show what was removed just now.
      const page = (await peek(path, key, query, signal)).filter(({ letter }) => !done.has(letter.id))
        .slice(0, query.limit - done.size);
      if (page.length === 0) break;
      await before?.(page);
      const refs = page.map(({ ref }) => ({ ref }));
      await client.ask(`${path}/messages/purge`, signal, JSON.stringify({ refs }));
      for (const { letter } of page) done.add(letter.id);
    }
    return done.size;
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
        const packed = page.map(({ opened }) => repack(opened, { id: opened.id, headers: opened.headers }));
        for (const batch of inBatches(packed)) {
          await client.ask(`${path}/messages/batch`, signal, batchText(batch), { sending: true });
        }
        wake(key);
      });
    },
    purge: (key, query, signal) => remove(key, query, signal),
  };
}
