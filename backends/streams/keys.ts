/**
 * The names of everything on the server that belongs to a queue.
 *
 * @module
 */

/** The names of a key that all groups share. */
export interface QueueKeys {
  /** The stream: the key as it is, which the Python plugin reads and writes too. */
  readonly stream: string;
  /** A stream of one entry at most, for a change that a blocked reader cannot see in the stream itself. */
  readonly wake: string;
  /** A sorted set of messages that are not due, by due time. */
  readonly delayed: string;
  /** A sorted set of publishers' ids, by the time at which each is forgotten. */
  readonly ids: string;
  /** A sorted set of entries that expire, by time. */
  readonly expiring: string;
  /** A sorted set of entries that every group has settled and that are kept, by age. */
  readonly settled: string;
  /** A key that never exists, for tries that leave nothing behind. */
  readonly probe: string;
  /** The pub/sub channel that says that something is new. */
  readonly channel: string;
}

/** The names of a key and a group. */
export interface GroupKeys extends QueueKeys {
  readonly group: string;
  /** A sorted set of leases, by end. A lease is the name of a consumer of the group. */
  readonly leases: string;
  /** A sorted set of entries that were given back, by the time at which they may be delivered again (0: at once). */
  readonly again: string;
  /** A sorted set of messages that wait behind others of their ordering keys, by key and place. */
  readonly lanes: string;
  /** A hash of ordering keys in hand: which messages are leased, or in `again` or `next`. The others wait behind them. */
  readonly turns: string;
  /** A sorted set of those that came up when the message before them was done, by that time. */
  readonly next: string;
  /** A stream of what was replayed for this group alone. */
  readonly replay: string;
  /** A stream of dead letters. */
  readonly dead: string;
}

/**
 * The prefix of a key's helper keys. It starts with `{`, so that no pattern such as `slack:*` finds them, and hashes
 * to the key's own slot, so that one script can use them all on a cluster. A key with a hash tag of its own keeps it.
 * A key with a `}` and no tag has no such prefix: it works everywhere but on a cluster, which refuses it.
 */
export function helperPrefix(key: string): string {
  const tag = /^[^{]*\{([^}]+)\}/.exec(key)?.[1];
  return tag === undefined ? `{${key}}:` : `{${tag}}:${key}:`;
}

/** The names for a key. */
export function queueKeys(key: string): QueueKeys {
  const prefix = helperPrefix(key);
  return {
    stream: key,
    wake: `${prefix}wake`,
    delayed: `${prefix}delayed`,
    ids: `${prefix}ids`,
    expiring: `${prefix}expiring`,
    settled: `${prefix}settled`,
    probe: `${prefix}probe`,
    channel: `${prefix}news`,
  };
}

/** The names for a key and a group. */
export function groupKeys(key: string, group: string): GroupKeys {
  const prefix = `${helperPrefix(key)}group:${group}:`;
  return {
    ...queueKeys(key),
    group,
    leases: `${prefix}leases`,
    again: `${prefix}again`,
    lanes: `${prefix}lanes`,
    turns: `${prefix}turns`,
    next: `${prefix}next`,
    replay: `${prefix}replay`,
    dead: `${prefix}dead`,
  };
}

/** The hash that remembers a publisher's batches. */
export function sentKey(key: string, publisher: string): string {
  return `${helperPrefix(key)}sent:${publisher}`;
}
