/**
 * Gives up connections that no longer answer, in place of ioredis, whose own time limit ends with the TCP connection.
 *
 * A connection is given up when commands wait on it and no byte has arrived for the limit: HELLO, AUTH, SELECT and INFO
 * of a new connection count as commands, and every byte of a long reply is a sign of life. Each node of a cluster has a
 * connection of its own, and is judged by it alone.
 *
 * @module
 */
import type { RedisClient } from "./client.ts";

/** Looks at the connections in one limit. */
const LOOKS = 4;

/** Commands of ours, and those of ioredis while it connects. Others may block for as long as their callers like. */
const BOUNDED = /^(evalsha|eval|ping|info|wait|config|hello|auth|select|client|readonly|cluster)$/i;

/** One connection. Most of it is optional: a client need not be of ioredis. */
export interface Connection {
  readonly status?: string;
  readonly stream?: { readonly bytesRead?: number; readonly writable?: boolean; destroy?(error: Error): void } | null;
  readonly commandQueue?: { toArray?(): readonly { readonly command: { readonly name: string } }[] };
  disconnect(reconnect?: boolean): void;
}

/** Drops a connection at once: ending it politely would wait for the other side once more. The client makes a new one. */
export function dropConnection(client: Connection, error: Error): void {
  if (client.stream?.destroy) client.stream.destroy(error);
  else client.disconnect(true);
}

/** The state of a connection when something last moved on it. */
interface Seen {
  readonly stream: unknown;
  readonly bytes: unknown;
  readonly oldest: unknown;
  readonly at: number;
  /** Looks since then. A process that was held up itself has made none, and has read nothing. */
  looks: number;
}

function connectionsOf(client: RedisClient): readonly Connection[] {
  const { nodes } = client as { nodes?(role: "all"): readonly Connection[] };
  return client.isCluster && typeof nodes === "function" ? nodes.call(client, "all") : [client];
}

/** Watches the connections of one client while somebody waits for them. */
export class Watchdog {
  readonly #client: RedisClient;
  readonly #limitMs: number;
  readonly #onGivenUp: () => void;
  #seen: WeakMap<object, Seen> = new WeakMap();
  #waiting = 0;
  /** Replies so far: the only sign of life of a client that shows neither its socket nor its queue. */
  #replies = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * A watchdog over a client.
   *
   * @param limitMs Milliseconds without a byte after which a connection on which commands wait is given up; half as
   *   long while it is being made, so that the next one can still be made within the caller's time.
   * @param onGivenUp Called when a connection was given up.
   */
  constructor(client: RedisClient, limitMs: number, onGivenUp: () => void = () => undefined) {
    this.#client = client;
    this.#limitMs = limitMs;
    this.#onGivenUp = onGivenUp;
  }

  /** Called before something is waited for: a reply, or a connection. */
  add(): void {
    if (this.#waiting++ === 0) this.#timer ??= setTimeout(this.#onLook, this.#limitMs / LOOKS / 2);
  }

  /** Called when the wait is over. */
  remove(): void {
    this.#waiting -= 1;
    this.#replies += 1;
  }

  /** Stops looking. */
  stop(): void {
    this.#waiting = -Infinity;
    clearTimeout(this.#timer);
  }

  readonly #onLook = (): void => {
    this.#timer = undefined;
    if (this.#waiting <= 0) {
      // Nobody was waiting at this look: what waits at the next one began after it.
      if (!this.#known()) this.#seen = new WeakMap();
      return;
    }
    for (const connection of connectionsOf(this.#client)) this.#look(connection);
    this.#timer = setTimeout(this.#onLook, this.#limitMs / LOOKS / 2);
  };

  #known(): boolean {
    return connectionsOf(this.#client).every(({ commandQueue }) => typeof commandQueue?.toArray === "function");
  }

  #look(connection: Connection): void {
    const { status, stream, commandQueue } = connection;
    const queued = commandQueue?.toArray?.();
    const oldest = queued ? queued.find(({ command }) => BOUNDED.test(command.name)) : this;
    const now = performance.now();
    const seen = this.#seen.get(connection);
    const bytes = stream?.bytesRead ?? this.#replies;
    if (oldest === undefined) {
      this.#seen.delete(connection);
    } else if (seen?.stream !== stream || seen?.bytes !== bytes || seen?.oldest !== oldest) {
      this.#seen.set(connection, { stream, bytes, oldest, at: now, looks: 0 });
    } else if (++seen.looks >= LOOKS / 2 && now - seen.at >= (status === "ready" ? this.#limitMs : this.#limitMs / 2)) {
      this.#seen.delete(connection);
      const error = new Error(`no answer within ${Math.round(now - seen.at)} ms`);
      dropConnection(connection, error);
      this.#onGivenUp();
    }
  }
}
