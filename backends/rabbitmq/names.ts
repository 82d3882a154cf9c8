/**
 * The names of exchanges and queues.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { bytesOf } from "../../core/util/json.ts";

/** Bytes of the longest name of a queue; what is appended for queues beside it fits into AMQP's 255. */
const MAX_QUEUE_BYTES = 200;

/** Bytes of the longest routing key. */
const MAX_ROUTING_KEY_BYTES = 255;

/** The ends of the names of queues beside a group's own: a group whose name ends so would share theirs. */
const RESERVED_END = /\.(dead|due|delay\.\d+)$/;

/** The SHA-256 of a text, in hexadecimal digits. */
export function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/**
 * The routing key of a key: the key itself, unless the exchange would read it as a pattern or AMQP does not carry it.
 */
export function routingKeyOf(key: string): string {
  const pattern = key.split(".").some((word) => word === "*" || word === "#");
  return pattern || bytesOf(key) > MAX_ROUTING_KEY_BYTES ? `sha256-${digest(key)}` : key;
}

/** How queues are named. */
export interface Naming {
  /** The exchange. */
  readonly exchange: string;
  /** A template with `{exchange}`, `{key}` and `{group}`; `undefined`: the default names. */
  readonly template: string | undefined;
}

function shortened(name: string, parts: readonly string[]): string {
  if (bytesOf(name) <= MAX_QUEUE_BYTES && !RESERVED_END.test(name)) return name;
  let head = name.slice(0, 80);
  while (bytesOf(head) > 80) head = head.slice(0, -1);
  return `${head.toWellFormed()}~${digest(JSON.stringify(parts))}`;
}

/**
 * The name of the queue of a key and group: `<exchange>_<group>` where the key is the exchange's own name, else
 * `<exchange>_<key>_<group>`. Long names, and those that end as the queues beside them do, are cut and get a hash.
 */
export function queueNameOf({ exchange, template }: Naming, key: string, group: string): string {
  const pattern = template ?? (key === exchange ? "{exchange}_{group}" : "{exchange}_{key}_{group}");
  const values: Readonly<Record<string, string>> = { exchange, key, group };
  const name = pattern.replace(/\{(exchange|key|group)\}/g, (_, part: string) => values[part]!);
  return shortened(name, [pattern, exchange, key, group]);
}

/** Where the delayed publishes of a key wait, which every group gets when they are due. */
export function scheduleNameOf({ exchange }: Naming, key: string): string {
  return shortened(`${exchange}:${key}`, [exchange, key]);
}

/** The dead letters of a queue. */
export function deadNameOf(queue: string): string {
  return `${queue}.dead`;
}

/** Where messages come when they have waited. */
export function dueNameOf(exchange: string): string {
  return `${exchange}.due`;
}

/** The queue in which messages of a queue, or of a schedule, wait for 2^`level` milliseconds. */
export function delayNameOf(name: string, level: number): string {
  return `${name}.delay.${level}`;
}
