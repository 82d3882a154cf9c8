/**
 * The lines in which Deno, Bun and Node differ.
 *
 * @module
 */
import { listenOnNode } from "./node_server.ts";

/** Answers a request. */
export type FetchHandler = (request: Request) => Promise<Response>;

/** A socket that listens. */
export interface Listener {
  /** Where. */
  readonly url: string;
  /** Takes no more requests and waits for the answers that are under way, but not for ever. */
  stop(): Promise<void>;
}

/** Where to listen. */
export interface Address {
  /** The port; 0 for a free one. */
  readonly port: number;
  /** The interface's name or address. */
  readonly hostname: string;
}

interface Runtimes {
  readonly Deno?: {
    serve(options: Address & { onListen(): void }, handler: FetchHandler): {
      readonly addr: { readonly port: number };
      shutdown(): Promise<void>;
    };
  };
  readonly Bun?: {
    serve(options: Address & { fetch: FetchHandler }): {
      readonly port: number;
      stop(closeActiveConnections?: boolean): Promise<void>;
    };
  };
}

/** No answer takes longer than this: the receiver's own limit is 2.5 s. */
const STOP_MS = 3_000;

/** Listens on a port. Rejects where it is taken. */
export async function listen(address: Address, handler: FetchHandler): Promise<Listener> {
  const { port, stop } = await start(address, handler);
  return { url: toUrl(address.hostname, port), stop: () => within(STOP_MS, stop()) };
}

async function start(address: Address, handler: FetchHandler) {
  const { Deno, Bun } = globalThis as Runtimes;
  if (Deno) {
    const server = Deno.serve({ ...address, onListen: () => undefined }, handler);
    return { port: server.addr.port, stop: () => server.shutdown() };
  }
  if (Bun) {
    const server = Bun.serve({ ...address, fetch: handler });
    return { port: server.port, stop: () => server.stop() };
  }
  return await listenOnNode(address, handler);
}

function toUrl(hostname: string, port: number): string {
  const host = hostname === "0.0.0.0" || hostname === "::" ? "localhost" : hostname;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** A client that keeps its connection open must not keep the server from stopping. */
async function within(ms: number, stopping: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  await Promise.race([stopping, limit]);
  clearTimeout(timer);
}
