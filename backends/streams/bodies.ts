/**
 * Bodies that are no UTF-8. Clients decode answers as text and put U+FFFD in place of each byte that they cannot read, so
 * a body with U+FFFD in it is compared with the server's own bytes before anybody takes it for the message.
 *
 * @module
 */
import type { RawDelivery } from "../../core/driver.ts";
import type { DeadLetter } from "../../core/protocol.ts";
import { bodyOfBytes } from "../../core/util/bytes.ts";
import type { PeekedEntry } from "./entries.ts";
import type { GroupKeys } from "./keys.ts";
import type { Lease } from "./lease_groups.ts";
import { keysFor } from "./script.ts";
import { BYTES } from "./scripts.ts";
import type { StreamsTransport } from "./transport.ts";

const REPLACEMENT = "\ufffd";

/** The places of the keys in the script. */
const STREAM = "1";
const REPLAY = "2";
const DEAD = "3";

async function ask(
  transport: StreamsTransport,
  keys: GroupKeys,
  form: "sha1" | "hex",
  entries: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const answer = await transport.run(BYTES, keysFor(BYTES, keys), [form, ...entries], signal);
  return (answer as unknown[]).map(String);
}

/** Where an entry is: the place of its stream's key, and its id. */
function placeOf(member: string): string[] {
  return member.startsWith("r") ? [REPLAY, member.slice(1)] : [STREAM, member];
}

async function sha1(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Takes the body out of each delivery that is no UTF-8, so that it goes to the dead letters. Where the server cannot be
 * asked, the deliveries in question are left out: they come again when their lease is over.
 */
export async function withReadableBodies(
  transport: StreamsTransport,
  keys: GroupKeys,
  deliveries: readonly RawDelivery[],
  signal: AbortSignal,
): Promise<readonly RawDelivery[]> {
  const asked = deliveries.filter(({ body }) => typeof body === "string" && body.includes(REPLACEMENT));
  if (asked.length === 0) return deliveries;
  const entries = asked.flatMap(({ lease }) => placeOf((lease as Lease).member));
  let digests: readonly string[];
  try {
    digests = await ask(transport, keys, "sha1", entries, signal);
  } catch {
    return deliveries.filter((delivery) => !asked.includes(delivery));
  }
  const own = await Promise.all(asked.map(({ body }) => sha1(body as string)));
  const broken = new Set(asked.filter((_, i) => digests[i] !== own[i]));
  return deliveries.map((delivery) => broken.has(delivery) ? { ...delivery, body: undefined } : delivery);
}

/** Gives dead letters whose body is no UTF-8 their bytes, in base64. */
export async function withBytes(
  transport: StreamsTransport,
  keys: GroupKeys,
  letters: readonly DeadLetter[],
  signal: AbortSignal,
): Promise<readonly DeadLetter[]> {
  const asked = letters.filter(({ body }) => body.includes(REPLACEMENT));
  if (asked.length === 0) return letters;
  const found = await ask(transport, keys, "hex", asked.flatMap(({ id }) => [DEAD, id]), signal);
  const bodies = new Map(asked.map(({ id }, i) => [id, found[i] ?? ""]));
  return letters.map((letter) => ({ ...letter, ...bodyOfHex(bodies.get(letter.id)) }));
}

/** Gives peeked messages whose body is no UTF-8 their bytes, in base64. One that has no place yet is one of ours: text. */
export async function withPeekedBytes(
  transport: StreamsTransport,
  keys: GroupKeys,
  peeked: readonly PeekedEntry[],
  signal: AbortSignal,
): Promise<readonly PeekedEntry[]> {
  const asked = peeked.filter(({ body, member }) => member !== "" && body.includes(REPLACEMENT));
  if (asked.length === 0) return peeked;
  const entries = asked.flatMap(({ member }) => placeOf(member));
  const found = await ask(transport, keys, "hex", entries, signal);
  const bodies = new Map(asked.map(({ member }, i) => [member, found[i]]));
  return peeked.map((entry) => ({ ...entry, ...bodyOfHex(bodies.get(entry.member)) }));
}

/** The body that bytes in hexadecimal digits are; nothing where there are none. */
function bodyOfHex(hex: string | undefined): Partial<ReturnType<typeof bodyOfBytes>> {
  if (!hex) return {};
  return bodyOfBytes(
    Uint8Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16)),
  );
}
