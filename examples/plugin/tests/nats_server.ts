/**
 * A nats-server of a test's own, on free ports, which can be killed and brought back.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** The password of the one user, `app`. */
export const PASSWORD = "correct-horse-battery-staple";

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
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
    const failed = new Promise<never>((_, reject) => this.#child!.once("error", reject));
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
  const server = new NatsServer(await freePort(), await freePort());
  await server.start();
  return server;
}
