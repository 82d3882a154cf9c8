/**
 * The few lines in which Deno and Bun differ.
 *
 * @module
 */

/** Answers a request. */
export type FetchHandler = (request: Request) => Promise<Response>;

/** A socket that listens. */
export interface Listener {
  /** Where. */
  readonly url: string;
  /** Takes no more requests and waits for the answers that are under way, but not for ever. */
  stop(): Promise<void>;
}

interface Address {
  readonly port: number;
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

/** Listens on `port`, 0 for a free one. Throws where it is taken. */
export function listen({ port, hostname }: Address, handler: FetchHandler): Listener {
  const { Deno, Bun } = globalThis as Runtimes;
  if (Deno) {
    const server = Deno.serve({ port, hostname, onListen: () => undefined }, handler);
    return { url: toUrl(hostname, server.addr.port), stop: () => within(STOP_MS, server.shutdown()) };
  }
  if (Bun) {
    const server = Bun.serve({ port, hostname, fetch: handler });
    return { url: toUrl(hostname, server.port), stop: () => within(STOP_MS, server.stop()) };
  }
  throw new Error("This server runs on Deno and on Bun; for a Worker see examples/worker");
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
