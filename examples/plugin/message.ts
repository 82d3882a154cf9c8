/**
 * Messages on the wire: the body is the payload as JSON, everything else stands in headers.
 *
 * @module
 */
import type { DriverMessage } from "@slack-mcp/queue/driver";
import { headers as natsHeaders, type MsgHdrs } from "@nats-io/transport-node";

/** The publisher's id; `Nats-Msg-Id` may differ from it after a replay. */
export const ID = "Queue-Id";
const HEADERS = "Queue-Headers";

/** JSON in ASCII: a header of NATS is one line, and its name takes few characters. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Makes the headers of a message. */
export function toHeaders({ id, headers }: Pick<DriverMessage, "id" | "headers">): MsgHdrs {
  const made = natsHeaders();
  made.set(ID, asciiJson(id));
  if (headers) made.set(HEADERS, asciiJson(headers));
  return made;
}

/** Reads a header that holds JSON; `undefined` where a foreign producer wrote none, or something else. */
export function readJson(headers: MsgHdrs | undefined, name: string): unknown {
  const text = headers?.get(name);
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not one of ours
  }
}

/** Reads the id and the publisher's headers. */
export function fromHeaders(headers: MsgHdrs | undefined, fallbackId: string) {
  const id = readJson(headers, ID);
  const own = readJson(headers, HEADERS);
  return {
    id: typeof id === "string" ? id : fallbackId,
    ...typeof own === "object" && own !== null && { headers: own as Record<string, string> },
  };
}

/** What the reply subject of a delivery says. */
export interface DeliveryInfo {
  /** How often the message was delivered. */
  readonly delivered: number;
  /** Its place in the stream. */
  readonly sequence: number;
  /** Epoch milliseconds. */
  readonly publishedAt: number;
}

/** Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<seq>.<seq>.<ns>.<pending>`, or the newer form with two more tokens. */
export function parseReply(reply: string): DeliveryInfo {
  const tokens = reply.split(".");
  const at = tokens.length > 9 ? 6 : 4;
  return {
    delivered: Number(tokens[at]),
    sequence: Number(tokens[at + 1]),
    publishedAt: Number(BigInt(tokens[at + 3] ?? "0") / 1_000_000n),
  };
}
