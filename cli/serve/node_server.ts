/**
 * A `fetch` handler over Node's own server.
 *
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** The bytes of a body that nobody reads which are still taken, so that its sender gets to see the response. */
const MAX_DISCARDED = 8 * 1024 * 1024;

/** Listens on a port of Node. Rejects where it is taken. */
export function listenOnNode(
  { port, hostname }: { readonly port: number; readonly hostname: string },
  handler: (request: Request) => Promise<Response>,
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const server = createServer((incoming, outgoing) => {
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
  if (!request) return void outgoing.writeHead(405).end();
  const response = await handler(request);
  const body = new Uint8Array(await response.arrayBuffer());
  // What of the request was not read would be taken for the next one.
  if (!incoming.complete) outgoing.shouldKeepAlive = false;
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
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
 * Returns the body as a stream. Cancelling it does not close the connection, as Node's own conversion does: the response
 * is still to come.
 */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  let over = false;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      incoming.on("data", (chunk: Uint8Array) => {
        if (over) return;
        controller.enqueue(new Uint8Array(chunk));
        if ((controller.desiredSize ?? 0) <= 0) incoming.pause();
      });
      incoming.once("end", () => {
        if (!over) controller.close();
        over = true;
      });
      incoming.once("close", () => {
        if (!over) controller.error(new Error("the request broke off"));
        over = true;
      });
      incoming.on("error", () => undefined); // "close" follows
    },
    pull: () => void incoming.resume(),
    cancel() {
      over = true;
      let discarded = 0;
      incoming.on("data", (chunk: Uint8Array) => {
        discarded += chunk.byteLength;
        if (discarded > MAX_DISCARDED) incoming.destroy();
      });
      incoming.resume();
    },
  });
}
