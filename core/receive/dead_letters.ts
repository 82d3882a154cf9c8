/**
 * The dead letters of a driver, with pages, parsing and checks.
 *
 * @module
 */
import { call, checkGroup } from "../context.ts";
import { abortSignal, checkKey, checkOptions, count, text, texts, type Validators } from "../util/validate.ts";
import type { DriverDeadLetterQuery, DriverDeadLetters } from "../driver.ts";
import type { BackendContext } from "../context.ts";
import { parsePayload } from "../util/json.ts";
import { type DeadLetter, type DeadLetterQuery, type DeadLetters, DEFAULT_GROUP } from "../protocol.ts";

const CHECKS: Validators<DeadLetterQuery> = { group: text, ids: texts, limit: count, signal: abortSignal };

function prepare(
  context: BackendContext,
  key: string,
  query: DeadLetterQuery,
): [DriverDeadLetters, DriverDeadLetterQuery] {
  checkKey(key);
  checkOptions("dead letter query", query, CHECKS);
  const { deadLetters } = context.driver;
  if (deadLetters === undefined) throw context.unsupported("dead letters");
  const { group = DEFAULT_GROUP, ids, limit = Infinity } = query;
  checkGroup(context, group);
  return [deadLetters, { group, ids, limit }];
}

async function* list(
  context: BackendContext,
  key: string,
  query: DeadLetterQuery,
): AsyncGenerator<DeadLetter, undefined> {
  const [letters, asked] = prepare(context, key, query);
  let cursor: string | undefined;
  let left = asked.limit;
  do {
    const from = cursor;
    const page = await call(
      context,
      `Cannot list the dead letters of "${key}"`,
      (signal) => letters.list(key, { ...asked, limit: left }, from, signal),
      key,
      query.signal,
    );
    for (const letter of page.letters.slice(0, left)) yield withPayload(letter);
    left -= page.letters.length;
    cursor = page.cursor;
  } while (cursor !== undefined && left > 0);
}

function withPayload(letter: DeadLetter): DeadLetter {
  if (letter.payload !== undefined) return letter;
  const payload = parsePayload(letter.body);
  return typeof payload === "string" ? letter : { ...letter, payload };
}

/** Returns the dead letters of the driver. Each method rejects with `"unsupported"` where the driver has none. */
export function deadLettersOf(context: BackendContext): DeadLetters {
  return {
    list: (key, query = {}) => list(context, key, query),
    replay: async (key, query = {}) => {
      const [letters, asked] = prepare(context, key, query);
      if (!letters.replay) throw context.unsupported("the replay of dead letters");
      const what = `Cannot replay the dead letters of "${key}"`;
      return await call(context, what, (signal) => letters.replay!(key, asked, signal), key, query.signal);
    },
    purge: async (key, query = {}) => {
      const [letters, asked] = prepare(context, key, query);
      const what = `Cannot purge the dead letters of "${key}"`;
      return await call(context, what, (signal) => letters.purge(key, asked, signal), key, query.signal);
    },
  };
}
