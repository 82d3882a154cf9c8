/**
 * A nats-server of a test's own, on free ports, which can be killed and brought back.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** The password of the one user, `app`. */
export const PASSWORD = "correct-horse-battery-staple";

/**
 * A free port below those that Linux gives out by itself: a server that was killed must find it free when it comes back.
 * Until this process ends it is held on another loopback address, where other processes that choose a port look too.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 22_000 + Math.floor(Math.random() * 10_000);
    const [holder, server] = [await listen(port, "127.0.0.2"), await listen(port, "127.0.0.1")];
    server?.close();
    holder?.unref();
    if (holder && server) return port;
    holder?.close();
  }
}

/** Listens on a port, where the machine has the address. Resolves with nothing where another program does. */
function listen(port: number, address: string): Promise<Server | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", (error: Error & { readonly code?: string }) => {
      resolve(error.code === "EADDRINUSE" ? undefined : server);
    });
    server.listen(port, address, () => resolve(server));
  });
}

async function listens(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false)).once("close", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** A running server. */
export class NatsServer implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "nats-"));
  readonly #port: number;
  readonly #monitor: number;
  #child: ChildProcess | undefined;

  constructor(port: number, monitor: number) {
    this.#port = port;
    this.#monitor = monitor;
  }

  /** Where clients connect, without user and password. */
  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  /** How many messages clients have sent to the server. */
  async received(): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.#monitor}/varz`);
    const { in_msgs } = await response.json() as { readonly in_msgs: number };
    return in_msgs;
  }

  /** Resolves when a consumer waits for messages. */
  async waits(): Promise<void> {
    for (;;) {
      const response = await fetch(`http://127.0.0.1:${this.#monitor}/jsz?consumers=true`);
      const text = await response.text();
      if (/"num_waiting": [1-9]/.test(text)) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Starts it on its files; resolves when JetStream answers. */
  async start(): Promise<void> {
    const config = join(this.#folder, "server.conf");
    writeFileSync(
      config,
      `listen: 127.0.0.1:${this.#port}
http: 127.0.0.1:${this.#monitor}
jetstream { store_dir: ${JSON.stringify(this.#folder)} }
authorization { user: app, password: ${JSON.stringify(PASSWORD)} }
`,
    );
    const program = process.env.NATS_SERVER ?? "nats-server";
    const PATH = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;
    this.#child = spawn(program, ["-c", config], { stdio: "ignore", env: { ...process.env, PATH } });
    const failed = new Promise<never>((_, reject) => {
      this.#child!.once("error", reject);
      this.#child!.once("exit", (code) => reject(new Error(`nats-server ended with ${code}`)));
    });
    failed.catch(() => undefined); // a later end is no failure to start
    while (!(await Promise.race([this.#healthy(), failed]))) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Ends it at once, as a crash does. The server may forget acknowledgements of the last moments. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Ends it as an operator does: it writes what it has in memory. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async #end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }

  async #healthy(): Promise<boolean> {
    if (!await listens(this.#port)) return false;
    const response = await fetch(`http://127.0.0.1:${this.#monitor}/healthz`).catch(() => undefined);
    await response?.body?.cancel();
    return response?.ok ?? false;
  }

  /** Ends it and removes its files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Starts a server. */
export async function startNats(): Promise<NatsServer> {
  for (let left = 3;; left--) {
    const server = new NatsServer(await freePort(), await freePort());
    try {
      await server.start();
      return server;
    } catch (error) {
      // Another program may have taken a port between the look and the start.
      await server[Symbol.asyncDispose]();
      if (left === 1) throw error;
    }
  }
}
