/**
 * Names of streams: any key becomes one that the server takes.
 *
 * @module
 */

/** The name of a stream, of its subject and of its one consumer. */
export interface StreamNames {
  readonly stream: string;
  readonly subject: string;
  /** The stream of the dead letters. */
  readonly dead: string;
  readonly deadSubject: string;
}

/** The name of the consumer that all processes share. */
export const CONSUMER = "slack-mcp";

const known = new Map<string, Promise<StreamNames>>();

async function make(key: string): Promise<StreamNames> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key)));
  const hash = Array.from(bytes.subarray(0, 12), (byte) => byte.toString(16).padStart(2, "0")).join("");
  // Readable where the key is plain, unique by the hash: a name may hold no dots, spaces or wildcards.
  const stream = `queue_${key.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 60)}_${hash}`;
  return { stream, subject: `queue.${hash}`, dead: `${stream}_dead`, deadSubject: `queue.dead.${hash}` };
}

/** Returns the names for a key. */
export function namesOf(key: string): Promise<StreamNames> {
  let names = known.get(key);
  if (!names) known.set(key, names = make(key));
  return names;
}
