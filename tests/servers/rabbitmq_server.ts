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
import { existsSync, rmSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { atExit } from "../runner/at_exit.ts";
import { killGroup, run } from "../runner/child.ts";
import { memoryFolder } from "./memory_folder.ts";
import { freePort, isFree } from "./ports.ts";

/** How the node is to be. */
export interface RabbitMQServerOptions {
  /** The password of the user `guest`. Default: `"guest"`. */
  readonly password?: string;
  /** Lines of `rabbitmq.conf`. */
  readonly config?: readonly string[];
  /** Erlang terms of `advanced.config`, such as `{rabbit, [{channel_tick_interval, 1000}]}`. */
  readonly advanced?: string;
  /** True: its files are on the disk, as a user's are. Default: in memory, where there is room. */
  readonly onDisk?: boolean;
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
names=$!
until timeout 5 epmd -names >/dev/null 2>&1; do
  kill -0 $names 2>/dev/null || { echo "eaddrinuse: the port of the name server"; exit 1; }
  sleep 0.05
done
"$1" </dev/null &
node=$!
(cat <&3 >/dev/null; kill -9 0) &
wait $node
echo "ended with $?"
kill -9 0`;

/**
 * Loads the modules of RabbitMQ and of what it needs, application by application. A start needs all of them; one after the
 * other, each when it is asked for, they take the processor a quarter longer. It is no harm where this fails.
 */
const LOAD_MODULES = `
catch lists:foldl(fun Load(App, Seen) -> case lists:member(App, Seen) of true -> Seen; false ->
  {ok, [{application, App, Keys}]} = file:consult(code:where_is_file(atom_to_list(App) ++ ".app")),
  code:ensure_modules_loaded(proplists:get_value(modules, Keys)),
  lists:foldl(Load, [App | Seen], proplists:get_value(applications, Keys))
end end, [], [rabbit]).
`;

/** Milliseconds that a start may take on a busy machine, and how often one that took longer is made again. */
const START = { withinMs: 200_000, tries: 3 } as const;
/** Milliseconds that `rabbitmqctl` may take. */
const CTL_MS = 600_000;

/** Milliseconds in which what a killed node has started must have let go of its ports. */
const GONE_MS = 60_000;

/** Where a file of Erlang's `dets` says that it is whole: the number there is 1 when all was written. */
const DETS_WHOLE = { offset: 8, value: 1 } as const;

/** Milliseconds that the broker may take to write its directory of quorum queues, and between two looks for it. */
const REGISTERED = { withinMs: 600_000, lookMs: 50 } as const;

/** A start that took too long. */
class NotReady extends Error {}

/** The nodes that nobody has ended yet. */
const running = new Set<RabbitMQServer>();
atExit(() => {
  for (const server of running) server.abandon();
});

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
  #lost: ReadonlySet<string> = new Set();

  /** Not started yet. */
  constructor(
    [port, distPort, epmdPort]: readonly [number, number, number],
    dir: string,
    options: RabbitMQServerOptions,
  ) {
    this.port = port;
    this.dir = dir;
    this.url = `amqp://guest:${options.password ?? "guest"}@127.0.0.1:${port}`;
    this.#distPort = distPort;
    this.#epmdPort = epmdPort;
    this.#options = options;
  }

  get #nodeName(): string {
    return `queue-${this.port}@localhost`;
  }

  #env(): Record<string, string> {
    return {
      PATH: process.env.PATH ?? "",
      HOME: this.dir, // where the cookie is
      LANG: "C.UTF-8",
      RABBITMQ_NODENAME: this.#nodeName,
      RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
      RABBITMQ_NODE_PORT: String(this.port),
      RABBITMQ_DIST_PORT: String(this.#distPort),
      // One name server for all nodes would be started, and might be ended, with any of them.
      ERL_EPMD_PORT: String(this.#epmdPort),
      ERL_EPMD_ADDRESS: "127.0.0.1",
      // The broker looks once a minute whether there is a name server, by a machine in a session of its own. Where the node
      // is killed in that moment, that would start a name server which nobody ends, and which holds the port.
      ERL_AFLAGS: "-start_epmd false",
      RABBITMQ_MNESIA_BASE: join(this.dir, "data"),
      RABBITMQ_LOG_BASE: join(this.dir, "log"),
      RABBITMQ_SCHEDULER_BIND_TYPE: "u", // else the first threads of all nodes share one core
      RABBITMQ_PID_FILE: join(this.dir, "pid"),
      RABBITMQ_CONFIG_FILE: join(this.dir, "rabbitmq.conf"),
      RABBITMQ_ADVANCED_CONFIG_FILE: join(this.dir, "advanced.config"),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(this.dir, "enabled_plugins"),
    };
  }

  /**
   * The arguments of the Erlang machine, none of which may have a space in it. It has its name from the start: without one,
   * the broker starts a second machine to see that there is a name server. Two threads read files: by default there are ten,
   * which pass one file around, and that takes the processor from the others here.
   */
  #arguments(): string[] {
    return [
      ...["+SDio", "2"],
      ...["-sname", this.#nodeName],
      ...["-kernel", "inet_dist_use_interface", "{127,0,0,1}"],
      ...["-kernel", "inet_dist_listen_min", `${this.#distPort}`, "inet_dist_listen_max", `${this.#distPort}`],
      ...["-eval", `file:eval(${JSON.stringify(join(this.dir, "load_modules"))})`, "-s", "rabbit", "boot"],
    ];
  }

  /** Starts it and waits until it takes connections. */
  async restart(): Promise<void> {
    for (let left: number = START.tries;; left--) {
      if (this.#child) await this.kill();
      try {
        return await this.#start();
      } catch (error) {
        if (left === 1 || !(error instanceof NotReady)) throw error;
        console.error(`${error.message}\nIt is started again`);
      }
    }
  }

  async #start(): Promise<void> {
    this.#lost = new Set((await this.#directory()).missing);
    const { password = "guest", config = [], advanced } = this.#options;
    // A machine's disk is not the test's: only what a test asks for may raise an alarm. What quorum queues write is in memory
    // until there is so much of it: by default half a gigabyte for each node.
    const lines = [
      ...["disk_free_limit.absolute = 1MB", "raft.wal_max_size_bytes = 33554432"],
      ...[`default_pass = ${password}`, ...config],
    ];
    await writeFile(join(this.dir, "rabbitmq.conf"), lines.map((line) => `${line}\n`).join(""));
    await writeFile(join(this.dir, "load_modules"), LOAD_MODULES);
    await writeFile(join(this.dir, "advanced.config"), `[${advanced ?? ""}].\n`);
    const child = spawn("sh", ["-c", GUARDED, "sh", programOf("rabbitmq-server")], {
      env: {
        ...this.#env(),
        RABBITMQ_NODE_ONLY: "true", // the arguments start the broker, after its modules were loaded
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: this.#arguments().join(" "),
      },
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
        timer = setTimeout(() => reject(new NotReady(`rabbitmq-server is not ready: ${log}`)), START.withinMs);
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Runs `rabbitmqctl` against it; answers what it says. */
  async ctl(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await run(programOf("rabbitmqctl"), [...args], {
      env: this.#env(),
      timeoutMs: CTL_MS,
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

  /**
   * Resolves when a kill loses no quorum queue: when the broker's directory on the disk has all of them. It is written when
   * no queue was declared or deleted for a moment. A queue that is missing there has no leader after a kill, and never gets one.
   */
  async registered(): Promise<void> {
    for (const until = performance.now() + REGISTERED.withinMs; performance.now() < until;) {
      const { missing, whole } = await this.#directory();
      if (whole && missing.every((name) => this.#lost.has(name))) return;
      await new Promise((resolve) => setTimeout(resolve, REGISTERED.lookMs));
    }
    throw new Error("rabbitmq-server has not written its directory of quorum queues");
  }

  /** How many quorum queues kills have lost: the broker had not written its directory. Their files stay. */
  get lostQueues(): number {
    return this.#lost.size;
  }

  /**
   * Quorum queues that have files and no place in the directory on the disk, and whether that is whole: what is in a file
   * that is being written may be lost when the next start repairs it.
   */
  async #directory(): Promise<{ readonly missing: string[]; readonly whole: boolean }> {
    const folder = join(this.dir, "data", this.#nodeName, "quorum", this.#nodeName);
    if (!existsSync(folder)) return { missing: [], whole: true };
    const queues = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory());
    const directory = await readFile(join(folder, "names.dets"));
    return {
      missing: queues.map(({ name }) => name).filter((name) => !directory.includes(name)),
      whole: directory.readInt32BE(DETS_WHOLE.offset) === DETS_WHOLE.value,
    };
  }

  /** SIGKILL: what is not on the disk is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    killGroup(child);
    await gone;
    // The others of the group may take a moment longer, and hold what the next start needs.
    const until = performance.now() + GONE_MS;
    for (const port of [this.port, this.#distPort, this.#epmdPort]) {
      while (!await isFree(port)) {
        if (performance.now() > until) throw new Error(`rabbitmq-server was killed, and something listens on ${port}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  /** Ends it and removes its directory at once: for a process that ends. */
  abandon(): void {
    if (this.#child) killGroup(this.#child);
    try {
      rmSync(this.dir, { recursive: true, force: true, maxRetries: 10 });
    } catch {
      // what still writes there leaves something behind
    }
  }

  /** Ends it and removes its directory. */
  async [Symbol.asyncDispose](): Promise<void> {
    running.delete(this);
    await this.kill();
    for (;;) {
      try {
        return await rm(this.dir, { recursive: true, force: true });
      } catch (error) {
        // A process of the node that is still ending has made one more file.
        if ((error as { readonly code?: string }).code !== "ENOTEMPTY") throw error;
      }
    }
  }
}

/** Starts one. */
export async function startRabbitMQ(options: RabbitMQServerOptions = {}): Promise<RabbitMQServer> {
  for (let left = 3;; left--) {
    const dir = await mkdtemp(join(options.onDisk ? tmpdir() : memoryFolder(), "queue-rabbitmq-"));
    const ports = [await freePort(), await freePort(), await freePort()] as const;
    const server = new RabbitMQServer(ports, dir, options);
    running.add(server);
    try {
      await server.restart();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      // Another program may have taken one of the ports between the look and the start.
      if (left === 1 || !String(error).includes("eaddrinuse")) throw error;
    }
  }
}
