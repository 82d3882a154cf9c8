/**
 * HTTP by hand, over a socket: for requests that no client would send.
 *
 * @module
 */
import { connect, type Socket } from "node:net";

/** The head of a request to the webhook whose signature looks like Slack's although nobody signed it. */
export function plausibleHead(more: string): string {
  const timestamp = Math.floor(Date.now() / 1000);
  return `POST /slack/events HTTP/1.1\r\nHost: bot.example\r\nx-slack-request-timestamp: ${timestamp}\r\n` +
    `x-slack-signature: v0=${"a".repeat(64)}\r\n${more}\r\n\r\n`;
}

/** A response as far as a test looks at it. Status 0: the connection was closed without one. */
export interface RawResponse {
  readonly status: number;
  readonly body: string;
}

/** One connection that bytes are written to as they are. */
export class RawConnection implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #answer: Promise<RawResponse>;
  #text = "";

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("latin1");
    this.#answer = new Promise((resolve) => {
      socket.on("data", (chunk) => {
        this.#text += chunk;
        const response = parse(this.#text, false);
        if (response) resolve(response);
      });
      // A reset is a close too: what arrived before it is the answer.
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(parse(this.#text, true) ?? { status: 0, body: "" }));
    });
  }

  /** Connects to the host and port of a URL. */
  static async open(url: string): Promise<RawConnection> {
    const { port } = new URL(url);
    const socket = connect(Number(port), "127.0.0.1");
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return new RawConnection(socket);
  }

  /** Whether the server has begun to answer, or has closed. */
  get answered(): boolean {
    return this.#text !== "" || this.#socket.destroyed;
  }

  /** Writes text, one byte for each character. */
  write(text: string): void {
    if (!this.#socket.destroyed) this.#socket.write(text, "latin1");
  }

  /** Writes bytes and waits until the socket takes more, or is closed. */
  async drained(bytes: Uint8Array): Promise<void> {
    if (this.#socket.destroyed || this.#socket.write(bytes)) return;
    await new Promise<void>((resolve) => {
      this.#socket.once("drain", resolve);
      this.#socket.once("close", () => resolve());
      void this.#answer.then(() => resolve());
    });
  }

  /** Resolves with the response, or when the connection is closed. */
  answer(): Promise<RawResponse> {
    return this.#answer;
  }

  /** Breaks the connection off. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    return Promise.resolve();
  }
}

/** Sends one request as it is written, and resolves with the response. */
export async function exchange(url: string, request: string): Promise<RawResponse> {
  await using connection = await RawConnection.open(url);
  connection.write(request);
  return await connection.answer();
}

/** Reads a response, when all of it is there. */
function parse(text: string, closed: boolean): RawResponse | undefined {
  const end = text.indexOf("\r\n\r\n");
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1]);
  if (end < 0 || !status) return undefined;
  const length = /^content-length: (\d+)$/im.exec(text.slice(0, end).replaceAll("\r", ""))?.[1];
  const body = text.slice(end + 4);
  if (length === undefined ? !closed && !text.endsWith("0\r\n\r\n") : body.length < Number(length) && !closed) {
    return undefined;
  }
  return { status, body: length === undefined ? body : body.slice(0, Number(length)) };
}
