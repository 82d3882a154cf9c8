/**
 * A real RabbitMQ node for a test: on a free loopback port, with a directory, a name, a cookie and a name server of its
 * own, to be killed and brought back at will. A start takes some seconds: share one among the tests of a file.
 *
 * ```ts
 * await using rabbitmq = await startRabbitMQ();
 * await rabbitmq.kill(); // SIGKILL
 * await rabbitmq.restart(); // same port, same directory
 * ```
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { run } from "../runner/child.ts";

/** How the node is to be. */
export interface RabbitMQServerOptions {
  /** Lines of `rabbitmq.conf`. */
  readonly config?: readonly string[];
  /** Erlang terms of `advanced.config`, such as `{rabbit, [{channel_tick_interval, 1000}]}`. */
  readonly advanced?: string;
}

/** Where packages put the programs themselves, without the wrapper that changes the user. */
const PROGRAMS = "/usr/lib/rabbitmq/bin";

function programOf(name: string): string {
  const own = join(PROGRAMS, name);
  return existsSync(own) ? own : name;
}

/** Characters of a node's output that are kept for the message of a failure. */
const MAX_LOG = 4_000;

/**
 * Runs the node until it ends, or until the pipe to its standard input is closed: with the process that started it, however
 * that ended. A thousand queues need more files than some systems allow; one that does not give more starts it as it is.
 */
const GUARDED = `
ulimit -n 65536 2>/dev/null
exec 3<&0
epmd -address 127.0.0.1 -port "$ERL_EPMD_PORT" </dev/null >/dev/null 2>&1 &
"$1" </dev/null &
node=$!
(cat <&3 >/dev/null; kill -9 0) &
wait $node
echo "ended with $?"
kill -9 0`;

/** Milliseconds that a start may take on a busy machine. */
const START_MS = 120_000;

/** Ports that no system gives out by itself: a node that is down must find its own free when it comes back. */
const PORTS = { first: 21_000, count: 10_000 } as const;

async function quietPort(): Promise<number> {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

/** A node. */
export class RabbitMQServer implements AsyncDisposable {
  /** Its port, the same over restarts. */
  readonly port: number;
  /** Its directory, the same over restarts. */
  readonly dir: string;
  /** With the user `guest`, without a virtual host. */
  readonly url: string;
  readonly #distPort: number;
  readonly #epmdPort: number;
  readonly #options: RabbitMQServerOptions;
  #child: ChildProcess | undefined;

  /** Not started yet. */
  constructor(
    [port, distPort, epmdPort]: readonly [number, number, number],
    dir: string,
    options: RabbitMQServerOptions,
  ) {
    this.port = port;
    this.dir = dir;
    this.url = `amqp://guest:guest@127.0.0.1:${port}`;
    this.#distPort = distPort;
    this.#epmdPort = epmdPort;
    this.#options = options;
  }

  #env(): Record<string, string> {
    return {
      PATH: process.env.PATH ?? "",
      HOME: this.dir, // where the cookie is
      LANG: "C.UTF-8",
      RABBITMQ_NODENAME: `queue-${this.port}@localhost`,
      RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
      RABBITMQ_NODE_PORT: String(this.port),
      RABBITMQ_DIST_PORT: String(this.#distPort),
      // One name server for all nodes would be started, and might be ended, with any of them.
      ERL_EPMD_PORT: String(this.#epmdPort),
      ERL_EPMD_ADDRESS: "127.0.0.1",
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
      RABBITMQ_MNESIA_BASE: join(this.dir, "data"),
      RABBITMQ_LOG_BASE: join(this.dir, "log"),
      RABBITMQ_PID_FILE: join(this.dir, "pid"),
      RABBITMQ_CONFIG_FILE: join(this.dir, "rabbitmq.conf"),
      RABBITMQ_ADVANCED_CONFIG_FILE: join(this.dir, "advanced.config"),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(this.dir, "enabled_plugins"),
    };
  }

  /** Starts it and waits until it takes connections. */
  async restart(): Promise<void> {
    if (this.#child) await this.kill();
    const { config = [], advanced } = this.#options;
    // A machine's disk is not the test's: only what a test asks for may raise an alarm. What quorum queues write is in memory
    // until there is so much of it: by default half a gigabyte for each node.
    const lines = ["disk_free_limit.absolute = 1MB", "raft.wal_max_size_bytes = 33554432", ...config];
    await writeFile(join(this.dir, "rabbitmq.conf"), lines.map((line) => `${line}\n`).join(""));
    await writeFile(join(this.dir, "advanced.config"), `[${advanced ?? ""}].\n`);
    const child = spawn("sh", ["-c", GUARDED, "sh", programOf("rabbitmq-server")], {
      env: this.#env(),
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    this.#child = child;
    let log = "";
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const onData = (chunk: Uint8Array) => {
          log = (log + new TextDecoder().decode(chunk)).slice(-MAX_LOG);
          if (log.includes("Starting broker... completed")) resolve();
        };
        child.stdout?.on("data", onData);
        child.stderr?.on("data", onData);
        child.once("error", (error: Error) => reject(new Error("Cannot start rabbitmq-server", { cause: error })));
        child.once(
          "exit",
          (code: number | null, signal: string | null) => {
            const ended = `rabbitmq-server ended by itself with ${code ?? signal}: ${log}`;
            reject(new Error(ended));
            if (this.#child === child) console.error(ended);
          },
        );
        timer = setTimeout(() => reject(new Error(`rabbitmq-server is not ready: ${log}`)), START_MS);
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Runs `rabbitmqctl` against it; answers what it says. */
  async ctl(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await run(programOf("rabbitmqctl"), [...args], {
      env: this.#env(),
      timeoutMs: START_MS,
    });
    if (code !== 0) throw new Error(`rabbitmqctl ${args[0]} ended with ${code}: ${(stderr || stdout).slice(-1_000)}`);
    return stdout.trim();
  }

  /** Adds a virtual host in which `guest` may do everything; answers its URL. */
  async addVhost(name: string): Promise<string> {
    await this.ctl("add_vhost", name);
    await this.ctl("set_permissions", "-p", name, "guest", ".*", ".*", ".*");
    return `${this.url}/${encodeURIComponent(name)}`;
  }

  /** SIGKILL: what is not on the disk is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    try {
      process.kill(-child.pid!, "SIGKILL"); // it leads a process group: the node and what it started
    } catch {
      // it has ended meanwhile
    }
    await gone;
  }

  /** Ends it and removes its directory. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** Starts one. */
export async function startRabbitMQ(options: RabbitMQServerOptions = {}): Promise<RabbitMQServer> {
  const dir = await mkdtemp(join(tmpdir(), "queue-rabbitmq-"));
  const ports = [await quietPort(), await quietPort(), await quietPort()] as const;
  const server = new RabbitMQServer(ports, dir, options);
  try {
    await server.restart();
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}
