/**
 * Loopback ports for servers of tests.
 *
 * A port that the system gave out by itself and got back may go to any other program at once, also for the near end of a
 * connection: a server that was to start on it cannot, nor can one come back to it. These lie below the ports that Linux
 * gives out, 32,768 and above.
 *
 * @module
 */
import { createServer, type Server } from "node:net";

/** The ports to choose from. */
const PORTS = { first: 22_000, count: 10_000 } as const;

/** Ports of cluster nodes. The port of a node's bus is 10,000 above its own: this keeps both apart from the others. */
const CLUSTER_PORTS = { first: 10_000, count: 2_000 } as const;

/** Where a port is held while its server is not listening: another loopback address, on which no server of a test listens. */
const HELD_AT = "127.0.0.2";

/** Whether no program listens on a port. */
export async function isFree(port: number, address: "127.0.0.1" | typeof HELD_AT = "127.0.0.1"): Promise<boolean> {
  const server = await listen(port, address);
  await new Promise<void>((resolve) => server ? server.close(() => resolve()) : resolve());
  return server !== undefined;
}

/**
 * Resolves with a loopback port that no program listens on, that the system gives to none, and that no test process
 * chooses until this one ends: a server may take a minute to listen, and come back to its port after a kill.
 */
export async function freePort({ first, count }: typeof PORTS | typeof CLUSTER_PORTS = PORTS): Promise<number> {
  for (;;) {
    const port = first + Math.floor(Math.random() * count);
    const holder = await listen(port, HELD_AT);
    if (!holder) continue;
    if (await isFree(port)) {
      holder.unref();
      return port;
    }
    holder.close();
  }
}

/** The same for a node of a Redis cluster. */
export function clusterPort(): Promise<number> {
  return freePort(CLUSTER_PORTS);
}

/** The same for a program that listens on all addresses, so that the port cannot be held until it does. */
export async function portOfAll(): Promise<number> {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    if (await isFree(port) && await isFree(port, HELD_AT)) return port;
  }
}

/** Listens on a port. Resolves with nothing where another program does. */
function listen(port: number, address: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: Error & { readonly code?: string }) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else if (error.code === "EADDRNOTAVAIL") resolve(server); // macOS has one loopback address alone
      else reject(error);
    });
    server.listen(port, address, () => resolve(server));
  });
}
