/**
 * Loopback ports for servers of tests.
 *
 * A port that the system gave out by itself and got back may go to any other program at once, also for the near end of a
 * connection: a server that was to start on it cannot, nor can one come back to it. These lie below the ports that Linux
 * gives out, 32,768 and above.
 *
 * @module
 */
import { createServer } from "node:net";

/** The ports to choose from. */
const PORTS = { first: 22_000, count: 10_000 } as const;

/** Ports of cluster nodes. The port of a node's bus is 10,000 above its own: this keeps both apart from the others. */
const CLUSTER_PORTS = { first: 10_000, count: 2_000 } as const;

/** Whether no program listens on a loopback port. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: Error & { readonly code?: string }) => {
      if (error.code === "EADDRINUSE") resolve(false);
      else reject(error);
    });
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Resolves with a loopback port that no program listens on, and that the system gives to none. */
export async function freePort({ first, count }: typeof PORTS | typeof CLUSTER_PORTS = PORTS): Promise<number> {
  for (;;) {
    const port = first + Math.floor(Math.random() * count);
    if (await isFree(port)) return port;
  }
}

/** The same for a node of a Redis cluster. */
export function clusterPort(): Promise<number> {
  return freePort(CLUSTER_PORTS);
}
