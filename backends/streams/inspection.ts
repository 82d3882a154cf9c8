/**
 * Looks into streams, by scripts that change nothing.
 *
 * @module
 */
import type { DriverInspection } from "../../core/driver.ts";
import type { PeekedMessage } from "../../core/protocol.ts";
import { withPeekedBytes } from "./bodies.ts";
import { type PeekedEntry, readPeeked } from "./entries.ts";
import { type GroupKeys, groupKeys, helperPrefix } from "./keys.ts";
import { keysFor } from "./script.ts";
import { INSPECT_GROUPS, INSPECT_KEYS, INSPECT_PEEK } from "./scripts.ts";
import type { StreamsTransport } from "./transport.ts";

/** About how many of the server's keys are looked at in one call. */
const KEYS_AT_ONCE = 1_000;

/** Bytes of one peek, but for a message that is larger alone. */
const PEEK_BYTES = 1024 * 1024;

/** Helper keys that are streams. */
const HELPER = /^\{.+\}:(.*:)?(wake|group:.*:(replay|dead))$/s;

/** The set of delayed messages of a key without a tag of its own, and of one with a tag. */
const DELAYED: readonly RegExp[] = [/^\{(.+)\}:delayed$/s, /^\{[^}]+\}:(.+):delayed$/s];

/** Returns the queue that a stream is, or that a set of delayed messages belongs to. */
function queueOf(found: string): string | undefined {
  const name = found.slice(1);
  if (found.startsWith("s")) return HELPER.test(name) ? undefined : name;
  return DELAYED.map((pattern) => pattern.exec(name)?.[1])
    .find((key) => key !== undefined && `${helperPrefix(key)}delayed` === name);
}

/** The looks of the streams driver. */
export class StreamsInspection implements DriverInspection {
  readonly #transport: StreamsTransport;

  /** Looks through a transport. */
  constructor(transport: StreamsTransport) {
    this.#transport = transport;
  }

  /** Names the streams of the database but for those that belong to a queue, and queues that have only delayed messages. */
  async keys(
    cursor: string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly keys: readonly string[]; readonly cursor: string | undefined }> {
    const [server = "0", from = "0"] = cursor?.split(" ") ?? [];
    const place = Number(server);
    const args = [from, String(KEYS_AT_ONCE)];
    const answer = this.#transport.runOn
      ? await this.#transport.runOn(place, INSPECT_KEYS, args, signal)
      : await this.#transport.run(INSPECT_KEYS, [], args, signal);
    if (answer === undefined) return { keys: [], cursor: undefined };
    const [next, ...names] = (answer as unknown[]).map(String);
    const keys = names.map(queueOf).filter((key) => key !== undefined);
    if (next !== "0") return { keys, cursor: `${place} ${next}` };
    return { keys, cursor: this.#transport.runOn ? `${place + 1} 0` : undefined };
  }

  /** Names the groups of a stream, ours or not. */
  async groups(key: string, signal: AbortSignal): Promise<readonly string[]> {
    const keys = keysFor(INSPECT_GROUPS, groupKeys(key, ""));
    return (await this.#transport.run(INSPECT_GROUPS, keys, [], signal) as unknown[]).map(String);
  }

  /** Tells when the oldest message was published. Of those that are delayed, the next one to be due stands for all. */
  async oldest(key: string, group: string, signal: AbortSignal): Promise<number | undefined> {
    const found = await this.#read(groupKeys(key, group), 1, signal);
    const times = found.map(({ publishedAt }) => publishedAt?.getTime() ?? Infinity);
    const oldest = Math.min(...times);
    return oldest === Infinity ? undefined : oldest;
  }

  /**
   * Reads the oldest messages: those of the stream in their order, then what was replayed, then what is delayed. Fewer
   * than `limit` where they are more than a megabyte.
   */
  async peek(
    key: string,
    { group, limit }: { readonly group: string; readonly limit: number },
    signal: AbortSignal,
  ): Promise<readonly PeekedMessage[]> {
    const keys = groupKeys(key, group);
    const found = (await this.#read(keys, limit, signal)).slice(0, limit);
    const headed = new Set<string | undefined>();
    return (await withPeekedBytes(this.#transport, keys, found, signal)).map((entry) => peeked(entry, headed));
  }

  async #read(keys: GroupKeys, limit: number, signal: AbortSignal): Promise<PeekedEntry[]> {
    const args = [keys.group, String(limit), String(PEEK_BYTES)];
    const answer = await this.#transport.run(INSPECT_PEEK, keysFor(INSPECT_PEEK, keys), args, signal) as unknown[];
    return answer.slice(1).map((whole) => readPeeked(whole as unknown[], Number(answer[0])));
  }
}

/** Names the state of an entry; `headed` has the ordering keys of those before it. */
function peeked({ member: _member, state, ...message }: PeekedEntry, headed: Set<string | undefined>): PeekedMessage {
  const { orderingKey } = message;
  const waits = state === "held" || state === "new" && orderingKey !== undefined && headed.has(orderingKey);
  if (orderingKey !== undefined) headed.add(orderingKey);
  return { ...message, state: waits ? "blocked" : state === "new" ? "ready" : state as PeekedMessage["state"] };
}
