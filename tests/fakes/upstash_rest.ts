/**
 * Upstash's REST conventions: what a request asks for, what may be asked, how an
 * answer is written.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { RespError, type RespValue } from "../servers/resp.ts";

/** A command and its arguments. */
export type RestCommand = readonly string[];

/** What a request asks for. */
export type RestRequest =
  | { readonly kind: "command"; readonly command: RestCommand }
  | { readonly kind: "pipeline" | "multi-exec"; readonly commands: readonly RestCommand[] }
  | { readonly kind: "subscribe"; readonly channel: string };

/** A request that is refused before a command runs. */
export class RestError extends Error {
  override readonly name = "RestError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const BLOCKING = new Set([
  ...["BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP", "WAIT", "WAITAOF"],
  ...[
    "WATCH",
    "UNWATCH",
    "MULTI",
    "EXEC",
    "DISCARD",
    "SUBSCRIBE",
    "PSUBSCRIBE",
    "SSUBSCRIBE",
    "UNSUBSCRIBE",
    "MONITOR",
  ],
  ...["CONFIG", "DEBUG", "SHUTDOWN", "REPLICAOF", "CLUSTER"],
]);

/** Why Upstash does not serve the command over REST; `undefined` where it does. */
export function refusal(command: RestCommand): string | undefined {
  const name = (command[0] ?? "").toUpperCase();
  const blocks = (name === "XREAD" || name === "XREADGROUP") &&
    command.slice(1, command.findIndex((arg) => arg.toUpperCase() === "STREAMS")).some((arg) =>
      arg.toUpperCase() === "BLOCK"
    );
  if (BLOCKING.has(name) || blocks) return `ERR Command is not available: '${name}'`;
  return name === "" ? "ERR empty command" : undefined;
}

function readCommand(value: unknown): RestCommand {
  if (!Array.isArray(value)) throw new RestError(400, "ERR failed to parse command");
  return value.map((arg) => {
    if (typeof arg === "string") return arg;
    if (typeof arg === "number" || typeof arg === "boolean") return String(arg);
    throw new RestError(400, "ERR failed to parse command");
  });
}

function readJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new RestError(400, "ERR failed to parse request");
  }
}

/** Reads a request: its path with the query, and its body. */
export function readRequest(url: URL, body: string): RestRequest {
  const segments = url.pathname.split("/").slice(1).map(decodeURIComponent);
  if (segments.at(-1) === "") segments.pop();
  const [head = "", ...rest] = segments;
  if (head === "") return { kind: "command", command: readCommand(readJson(body)) };
  if (head === "pipeline" || head === "multi-exec") {
    const commands = readJson(body);
    if (!Array.isArray(commands)) throw new RestError(400, "ERR failed to parse pipeline request");
    return { kind: head, commands: commands.map(readCommand) };
  }
  if (head.toLowerCase() === "subscribe") {
    if (rest.length !== 1 || !rest[0]) {
      throw new RestError(400, "ERR wrong number of arguments for 'subscribe' command");
    }
    return { kind: "subscribe", channel: rest[0] };
  }
  const query = [...url.searchParams].filter(([name]) => name !== "_token")
    .flatMap(([name, value]) => value === "" ? [name] : [name, value]);
  return { kind: "command", command: [head, ...rest, ...body === "" ? [] : [body], ...query] };
}

/** A value of Redis as JSON has it. */
function toJson(value: RespValue, base64: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => toJson(item, base64));
  if (value instanceof RespError) return base64 ? Buffer.from(value.message).toString("base64") : value.message;
  if (!Buffer.isBuffer(value)) return value;
  return value.toString(base64 ? "base64" : "utf8");
}

/** `{"result": …}` or `{"error": …}`. With `base64`, every text but an `OK` that is the whole answer is encoded. */
export function envelope(value: RespValue, base64: boolean): { result?: unknown; error?: string } {
  if (value instanceof RespError) return { error: value.message };
  if (Buffer.isBuffer(value) && value.toString("latin1") === "OK") return { result: "OK" };
  return { result: toJson(value, base64) };
}

/**
 * Reads a request's body.
 *
 * @throws {RestError} It is over the limit.
 */
export async function readBody(request: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    chunks.push(chunk);
  }
  if (size > maxBytes) {
    throw new RestError(413, `ERR max request size exceeded. Limit: ${maxBytes} bytes, Actual: ${size} bytes`);
  }
  return Buffer.concat(chunks).toString("utf8");
}
