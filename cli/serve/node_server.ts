/**
 * A `fetch` handler over Node's own server.
 *
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** The most bytes of a body, read or not. Up to here its sender gets to see the response before the connection closes. */
const MAX_BYTES = 8 * 1024 * 1024;
/** Milliseconds in which a request must have arrived as a whole, read or not. */
const REQUEST_MS = 10_000;
/** The chunks after which they must have {@link SMALL_BYTES} on average: Node allocates hundreds of bytes for each. */
const MAX_CHUNKS = 4_096;
const SMALL_BYTES = 64;
/** The bytes of a body that are handed on together. */
const PART_BYTES = 16_384;

/** Listens on a port of Node. Rejects where it is taken. */
export function listenOnNode(
  { port, hostname }: { readonly port: number; readonly hostname: string },
  handler: (request: Request) => Promise<Response>,
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const limits = { requestTimeout: REQUEST_MS, connectionsCheckingInterval: REQUEST_MS / 2 };
  const server = createServer(limits, (incoming, outgoing) => {
    void respond(incoming, outgoing, handler).catch(() => outgoing.destroy()); // the sender is gone
  });
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeIdleConnections();
    });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, hostname, () => {
      server.off("error", reject);
      resolve({ port: (server.address() as AddressInfo).port, stop });
    });
  });
}

async function respond(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  handler: (request: Request) => Promise<Response>,
): Promise<void> {
  const request = toRequest(incoming);
  if (!request) return void outgoing.writeHead(405, { "content-length": 0 }).end();
  const response = await handler(request);
  const body = new Uint8Array(await response.arrayBuffer());
  const headers = { ...Object.fromEntries(response.headers), "content-length": body.byteLength };
  outgoing.writeHead(response.status, headers);
  outgoing.end(incoming.method === "HEAD" ? undefined : body);
}

/**
 * Returns the request; `undefined` where its method is one that a `Request` cannot have, such as TRACE. The `Host` header
 * may be anything, and is not needed.
 */
function toRequest(incoming: IncomingMessage): Request | undefined {
  const { method = "GET", url = "/" } = incoming;
  if (/^(TRACE|TRACK|CONNECT)$/i.test(method)) return undefined;
  const headers = new Headers();
  for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
    const [name = "", value = ""] = incoming.rawHeaders.slice(at, at + 2);
    headers.append(name, value);
  }
  const hasBody = method !== "GET" && method !== "HEAD";
  const path = url.replace(/^https?:\/\/[^/?#]*/i, "");
  return new Request(`http://localhost${path.startsWith("/") ? path : `/${path}`}`, {
    method,
    headers,
    ...hasBody ? { body: bodyOf(incoming), duplex: "half" } : {},
  } as RequestInit);
}

/**
 * Returns the body as a stream, without backpressure: its reader stops at a limit of its own, and what the reader
 * has not taken by then is bounded here. Cancelling it does not close the connection, as Node's own conversion does: the
 * response is still to come.
 *
 * Bytes are copied together as they arrive: a body may come in chunks of one byte, each with a buffer of its own, and a
 * paused request would keep thousands of them.
 */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  const part = new Uint8Array(PART_BYTES);
  let length = 0;
  let chunks = 0;
  let bytes = 0;
  let over = false;

  /** Returns the bytes that have arrived since the last call. */
  function take(): Uint8Array {
    const taken = part.slice(0, length);
    length = 0;
    return taken;
  }

  return new ReadableStream<Uint8Array>({
    start(controller) {
      const end = (settle: () => void) => {
        if (over) return;
        over = true;
        settle();
      };
      const fail = (problem: string) => end(() => controller.error(new Error(problem)));
      incoming.on("data", (chunk: Uint8Array) => {
        bytes += chunk.byteLength;
        if (bytes > MAX_BYTES) incoming.destroy();
        if (++chunks > MAX_CHUNKS && bytes < chunks * SMALL_BYTES) fail("the body came in too many small chunks");
        if (over) return;
        if (length + chunk.byteLength > PART_BYTES) controller.enqueue(take());
        if (chunk.byteLength > PART_BYTES) return controller.enqueue(new Uint8Array(chunk));
        part.set(chunk, length);
        length += chunk.byteLength;
      });
      incoming.once("end", () =>
        end(() => {
          if (length > 0) controller.enqueue(take());
          controller.close();
        }));
      incoming.once("close", () => fail("the request broke off"));
      incoming.on("error", () => undefined); // "close" follows
    },
    cancel() {
      over = true;
    },
  });
}
