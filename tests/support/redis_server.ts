/**
 * A real redis-server for a test: on a free loopback port, in a directory of its own, to be killed and
 * brought back at will.
 *
 * ```ts
 * await using redis = await startRedis({ appendonly: "always" });
 * await redis.kill(); // SIGKILL
 * await redis.restart(); // same port, same directory
 * ```
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { RespClient, type RespText } from "./resp.ts";

/** How the server is to be. */
export interface RedisServerOptions {
  /** The append-only file: `"no"` (default) keeps nothing, `"always"` syncs each write, `"everysec"` each second. */
  readonly appendonly?: "no" | "everysec" | "always";
  /** Such as `"2mb"`; the policy is `noeviction`. Default: no limit. */
  readonly maxmemory?: string;
  /** The password of the default user. Default: none. */
  readonly requirepass?: string;
  /** TLS in place of plain TCP, with a certificate of its own making. Default: false. */
  readonly tls?: boolean;
  /** Makes it a read-only replica of the server at this loopback port. */
  readonly replicaOf?: number;
  /** Default: a free one. */
  readonly port?: number;
  /** Starts a cluster node. */
  readonly cluster?: boolean;
  /** Further arguments of redis-server. */
  readonly args?: readonly string[];
}

/** A loopback port that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => typeof address === "object" && address ? resolve(address.port) : reject(new Error("No port")));
    });
  });
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A running server. */
export class RedisServer implements AsyncDisposable {
  /** Its port, the same over restarts. */
  readonly port: number;
  /** Its directory, the same over restarts. */
  readonly dir: string;
  /** `redis://` or `rediss://`, with the password where there is one. */
  readonly url: string;
  readonly #options: RedisServerOptions;
  #child: ChildProcess | undefined;
  #client: RespClient | undefined;

  /** Not started yet. */
  constructor(port: number, dir: string, options: RedisServerOptions) {
    this.port = port;
    this.dir = dir;
    this.#options = options;
    const auth = options.requirepass === undefined ? "" : `:${encodeURIComponent(options.requirepass)}@`;
    this.url = `${options.tls ? "rediss" : "redis"}://${auth}127.0.0.1:${port}`;
  }

  /** The certificate's file, where it speaks TLS. */
  get certificate(): string {
    return join(this.dir, "tls.crt");
  }

  /** The process, while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  #arguments(): string[] {
    const { appendonly = "no", maxmemory, requirepass, tls, replicaOf, cluster, args = [] } = this.#options;
    const key = join(this.dir, "tls.key");
    return [
      ...["--bind", "127.0.0.1", "--dir", this.dir, "--save", "", "--daemonize", "no"],
      ...tls
        ? ["--port", "0", "--tls-port", String(this.port), "--tls-auth-clients", "no"].concat(
          ["--tls-cert-file", this.certificate, "--tls-key-file", key, "--tls-ca-cert-file", this.certificate],
        )
        : ["--port", String(this.port)],
      ...appendonly === "no" ? ["--appendonly", "no"] : ["--appendonly", "yes", "--appendfsync", appendonly],
      ...maxmemory ? ["--maxmemory", maxmemory, "--maxmemory-policy", "noeviction"] : [],
      ...requirepass === undefined ? [] : ["--requirepass", requirepass],
      ...replicaOf === undefined ? [] : ["--replicaof", "127.0.0.1", String(replicaOf)],
      ...cluster ? ["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"] : [],
      ...args,
    ];
  }

  /** Starts it and waits until it has loaded its data and answers PING. */
  async restart(): Promise<void> {
    if (this.#child) await this.stop();
    const child = spawn("redis-server", this.#arguments(), { stdio: ["ignore", "pipe", "pipe"] });
    running.add(child);
    this.#child = child;
    let log = "";
    await new Promise<void>((resolve, reject) => {
      const onData = (chunk: Uint8Array) => {
        log += new TextDecoder().decode(chunk);
        if (log.includes("Ready to accept connections")) resolve();
      };
      child.stdout?.on("data", onData);
      child.stderr?.on("data", onData);
      child.once("error", (error: Error) => reject(new Error("Cannot start redis-server", { cause: error })));
      child.once("exit", (code: number | null) => {
        running.delete(child);
        reject(new Error(`redis-server ended with ${code} before it was ready: ${log.slice(-500)}`));
      });
    });
    this.#client = await RespClient.connect(this.#address());
    await this.call("PING");
  }

  #address(): { port: number; password: string | undefined; tls: boolean } {
    return { port: this.port, password: this.#options.requirepass, tls: this.#options.tls ?? false };
  }

  /** A further plain connection, which is the caller's to close. */
  connect(): Promise<RespClient> {
    return RespClient.connect(this.#address());
  }

  /** Runs one command over a plain connection of the server's own. */
  call(...args: readonly (string | Uint8Array | number)[]): Promise<RespText> {
    if (!this.#client) throw new Error("redis-server is not running");
    return this.#client.call(...args);
  }

  /** Cuts every client's connection but its own: what a broken network looks like. */
  async dropConnections(): Promise<void> {
    await this.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await this.call("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes");
  }

  async #end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    this.#client?.close();
    this.#client = undefined;
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill(signal);
    await gone;
    running.delete(child);
  }

  /** SIGKILL: what is not on the disk is gone. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** An orderly end. */
  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  /** Stops it and removes its directory. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end("SIGKILL");
    await rm(this.dir, { recursive: true, force: true });
  }
}

function makeCertificate(dir: string): void {
  const { status, stderr } = spawnSync("openssl", [
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"],
    ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
    ...["-keyout", join(dir, "tls.key"), "-out", join(dir, "tls.crt")],
  ]);
  if (status !== 0) throw new Error(`Cannot make a certificate: ${stderr}`);
}

/** Starts one. Dispose of it, or `stop()` it and leave the directory for a look. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const dir = await mkdtemp(join(tmpdir(), "queue-redis-"));
  if (options.tls) makeCertificate(dir);
  for (let left = 3;; left--) {
    const server = new RedisServer(options.port ?? await freePort(), dir, options);
    try {
      await server.restart();
      return server;
    } catch (error) {
      // Somebody else may have taken the port between the look and the start.
      if (left > 1 && String(error).includes("Address already in use")) continue;
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }
}
