/**
 * A plain Redis client for tests: RESP2 over a socket, nothing clever, so that what a test sees on the
 * wire does not depend on the client that is under test.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** An error that the server answered. */
export class RespError extends Error {
  override readonly name = "RespError";
}

/** What the server answers; an error inside an array stays a value. */
export type RespValue = Buffer | number | null | RespError | RespValue[];

/** The same, as text. */
export type RespText = string | number | null | RespError | RespText[];

/** Where to connect. */
export interface RespOptions {
  readonly port: number;
  readonly host?: string;
  readonly password?: string;
  readonly tls?: boolean;
}

const CRLF = Buffer.from("\r\n");

function encode(args: readonly (string | Uint8Array | number)[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = typeof arg === "string" || typeof arg === "number" ? Buffer.from(String(arg)) : arg;
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, CRLF);
  }
  return Buffer.concat(parts);
}

/** Reads one value at `at`; `undefined` where the bytes do not reach. */
function parse(bytes: Buffer, at: number): { value: RespValue; next: number } | undefined {
  const end = bytes.indexOf(CRLF, at);
  if (end < 0) return undefined;
  const line = bytes.toString("utf8", at + 1, end);
  const next = end + 2;
  switch (bytes[at]) {
    case 0x2b: // +
      return { value: Buffer.from(line), next };
    case 0x2d: // -
      return { value: new RespError(line), next };
    case 0x3a: // :
      return { value: Number(line), next };
    case 0x24: { // $
      const length = Number(line);
      if (length < 0) return { value: null, next };
      if (bytes.length < next + length + 2) return undefined;
      return { value: bytes.subarray(next, next + length), next: next + length + 2 };
    }
    case 0x2a: { // *
      const length = Number(line);
      if (length < 0) return { value: null, next };
      const values: RespValue[] = [];
      let from = next;
      for (let i = 0; i < length; i++) {
        const item = parse(bytes, from);
        if (!item) return undefined;
        values.push(item.value);
        from = item.next;
      }
      return { value: values, next: from };
    }
    default:
      throw new Error(`Cannot read RESP: unexpected byte ${bytes[at]}`);
  }
}

/** Buffers to UTF-8 text, deep. */
export function toText(value: RespValue): RespText {
  if (Array.isArray(value)) return value.map(toText);
  return Buffer.isBuffer(value) ? value.toString("utf8") : value;
}

/** One connection. */
export class RespClient {
  readonly #socket: Socket;
  readonly #waiting: { resolve(value: RespValue): void; reject(error: unknown): void }[] = [];
  #received: Buffer = Buffer.alloc(0);
  #broken: Error | undefined;
  /** Gets what the server pushes, once there is a subscription. */
  onMessage: ((message: RespValue[]) => void) | undefined;
  /** Called once, when the connection is gone. */
  onClose: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Uint8Array) => this.#onData(chunk));
    socket.on("error", (error: Error) => this.#onEnd(error));
    socket.on("close", () => this.#onEnd(new Error("The connection is closed")));
  }

  /** Opens one, and authenticates where there is a password. */
  static async connect(options: RespOptions): Promise<RespClient> {
    const { port, host = "127.0.0.1", password, tls = false } = options;
    const socket = await new Promise<Socket>((resolve, reject) => {
      const made: Socket = tls
        ? connectTls({ port, host, rejectUnauthorized: false }, () => opened())
        : connectTcp({ port, host }, () => opened());
      const opened = () => {
        made.off("error", reject);
        resolve(made);
      };
      made.once("error", reject);
    });
    const client = new RespClient(socket);
    if (password !== undefined) await client.call("AUTH", password);
    return client;
  }

  #onData(chunk: Uint8Array): void {
    this.#received = this.#received.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#received, chunk]);
    let at = 0;
    while (at < this.#received.length) {
      const item = parse(this.#received, at);
      if (!item) break;
      at = item.next;
      this.#deliver(item.value);
    }
    if (at > 0) this.#received = this.#received.subarray(at);
  }

  #deliver(value: RespValue): void {
    if (this.onMessage && Array.isArray(value) && String(value[0]) === "message") return this.onMessage(value);
    this.#waiting.shift()?.resolve(value);
  }

  #onEnd(error: Error): void {
    if (this.#broken) return;
    this.#broken = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    this.onClose?.();
  }

  /** One command; what comes back as it is, an error as a value. */
  raw(...args: readonly (string | Uint8Array | number)[]): Promise<RespValue> {
    return new Promise((resolve, reject) => {
      if (this.#broken) return reject(this.#broken);
      this.#waiting.push({ resolve, reject });
      this.#socket.write(encode(args));
    });
  }

  /** One command as text; rejects with what the server refused. */
  async call(...args: readonly (string | Uint8Array | number)[]): Promise<RespText> {
    const value = await this.raw(...args);
    if (value instanceof RespError) throw value;
    return toText(value);
  }

  /** Drops the connection. */
  close(): void {
    this.onMessage = undefined;
    this.#socket.destroy();
  }

  /** The same as `close`. */
  [Symbol.dispose](): void {
    this.close();
  }
}
