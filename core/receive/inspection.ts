/**
 * Looks into queues through a driver, with pages, parsing and checks.
 *
 * @module
 */
import { type BackendContext, call, checkGroup } from "../context.ts";
import { DEFAULT_GROUP } from "../defaults.ts";
import type { DriverInspection } from "../driver.ts";
import type { Inspection, InspectOptions, PeekedMessage, PeekOptions } from "../protocol.ts";
import { parsePayload } from "../util/json.ts";
import { abortSignal, checkKey, checkOptions, count, text, type Validators } from "../util/validate.ts";

/** The most messages of a peek that names no other number. */
const DEFAULT_LIMIT = 10;

const CHECKS: Validators<PeekOptions> = { group: text, limit: count, signal: abortSignal };

/** Returns the looks that the driver offers. Each of the others rejects with `"unsupported"`. */
export function inspectionOf(context: BackendContext): Inspection {
  /** Calls one member of the driver's, where it is there and the arguments are right. */
  async function look<Name extends keyof DriverInspection, T>(
    name: Name,
    key: string | undefined,
    { group = DEFAULT_GROUP, signal }: InspectOptions,
    ask: (member: NonNullable<DriverInspection[Name]>, limit: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const inspect = context.driver.inspect!;
    const member = inspect[name];
    if (!member) throw context.unsupported(`inspect.${name}`);
    checkGroup(context, group);
    const what = key === undefined ? "Cannot list the keys" : `Cannot look into "${key}"`;
    return await call(context, what, (limit) => ask(member.bind(inspect) as typeof member, limit), key, signal);
  }

  async function* keys(options: PeekOptions = {}): AsyncGenerator<string, undefined> {
    checkOptions("inspect options", options, CHECKS);
    const seen = new Set<string>();
    let cursor: string | undefined;
    do {
      const page = await look("keys", undefined, options, (member, limit) => member(cursor, limit));
      for (const key of page.keys) {
        if (!seen.has(key)) yield key; // a broker may name one twice while others come and go
        seen.add(key);
      }
      cursor = page.cursor;
    } while (cursor !== undefined);
  }

  return {
    keys,
    groups: async (key, options = {}) => {
      check(key, options);
      return await look("groups", key, options, (member, limit) => member(key, limit));
    },
    oldest: async (key, options = {}) => {
      check(key, options);
      const { group = DEFAULT_GROUP } = options;
      const at = await look("oldest", key, options, (member, limit) => member(key, group, limit));
      return at === undefined ? undefined : new Date(at);
    },
    peek: async (key, options = {}) => {
      check(key, options);
      const { group = DEFAULT_GROUP, limit = DEFAULT_LIMIT } = options;
      const found = await look("peek", key, options, (member, end) => member(key, { group, limit }, end));
      return found.slice(0, limit).map(withPayload);
    },
  };
}

function check(key: string, options: PeekOptions): void {
  checkKey(key);
  checkOptions("inspect options", options, CHECKS);
}

function withPayload(message: PeekedMessage): PeekedMessage {
  if (message.payload !== undefined || message.bodyEncoding) return message;
  const payload = parsePayload(message.body);
  return typeof payload === "string" ? message : { ...message, payload };
}
