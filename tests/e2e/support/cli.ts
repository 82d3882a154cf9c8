/**
 * The operator's command as a process of its own, on each runtime.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import process from "node:process";
import { bareEnv } from "../../runner/child.ts";
import { ROOT } from "../../runner/suites.ts";

/** What a command wrote, and how it ended. */
export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** How a command is started. */
export interface CliOptions {
  /** Its environment: these variables, and nothing of ours but those of `bareEnv()`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Its working folder. Default: the repository's. */
  readonly cwd?: string;
}

/** A command that runs. */
export class CliProcess implements AsyncDisposable {
  /** What it has written to the standard output. */
  out = "";
  /** What it has written to the standard error. */
  err = "";
  /** Whether it has ended. */
  over = false;
  /** Resolves with its exit code; -1 where it was killed. */
  readonly ended: Promise<number>;
  readonly #child: ChildProcess;
  readonly #looks: Set<() => void> = new Set();

  /** Starts a command. */
  constructor(runtime: readonly string[], args: readonly string[], { env = {}, cwd = ROOT }: CliOptions = {}) {
    const [program, ...rest] = runtime;
    const child = spawn(program!, [...rest, join(ROOT, "cli/mod.ts"), ...args], {
      cwd,
      env: { ...bareEnv(), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    const changed = () => this.#looks.forEach((look) => look());
    child.stdout.on("data", (chunk: Uint8Array) => {
      this.out += new TextDecoder().decode(chunk);
      changed();
    });
    child.stderr.on("data", (chunk: Uint8Array) => this.err += new TextDecoder().decode(chunk));
    this.ended = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => {
        this.over = true;
        changed();
        resolve(code ?? -1);
      });
    });
  }

  /** Resolves when the standard output has a text. */
  shown(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.out.includes(text);
        if (!found && !this.over) return;
        this.#looks.delete(look);
        if (found) resolve();
        else reject(new Error(`It ended without ${text}: ${this.err}`));
      };
      this.#looks.add(look);
      look();
    });
  }

  /** Sends a signal. */
  kill(signal: "SIGINT" | "SIGTERM" | "SIGKILL"): void {
    // Not the child's own kill(): after it Deno reports the signal in place of the exit code that came.
    if (!this.over && this.#child.pid !== undefined) process.kill(this.#child.pid, signal);
  }

  /** Kills it, where it runs still. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.ended;
  }
}

/** Runs one command to its end. */
export async function runCli(
  runtime: readonly string[],
  args: readonly string[],
  options?: CliOptions,
): Promise<CliResult> {
  const command = new CliProcess(runtime, args, options);
  const code = await command.ended;
  return { code, out: command.out, err: command.err };
}

/** One process of a runtime that runs commands one after the other: a start costs more than most commands do. */
export class CliHost implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #ended: Promise<unknown>;
  #last: Promise<unknown> = Promise.resolve();

  /** Starts the process, in a working folder. Default: the repository's. */
  constructor(runtime: readonly string[], cwd: string = ROOT) {
    const [program, ...rest] = runtime;
    this.#child = spawn(program!, [...rest, join(ROOT, "tests/e2e/support/cli_host.ts")], {
      cwd,
      env: bareEnv(),
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#ended = new Promise((resolve) => this.#child.once("close", resolve));
    this.#answers = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** Runs one command to its end, with an environment as a process of its own would have it. */
  run(args: readonly string[], env: Readonly<Record<string, string>>): Promise<CliResult> {
    const result = this.#last.then(async () => {
      this.#child.stdin!.write(`${JSON.stringify({ args, env: { ...bareEnv(), ...env } })}\n`);
      const { value, done } = await this.#answers.next();
      if (done) throw new Error(`It ended with ${args.join(" ")}`);
      return JSON.parse(value) as CliResult;
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin!.end();
    await this.#ended;
  }
}
