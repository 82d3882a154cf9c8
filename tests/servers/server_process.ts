/**
 * The server as a process of its own, and what it logs.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { bareEnv } from "../runner/child.ts";
import { ROOT } from "../runner/suites.ts";

/** One line of the server's log. */
export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [name: string]: unknown;
}

/** A server that was started and is ended with the test. */
export class ServerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: LogLine[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #ended: Promise<number | string>;
  #over = false;
  /** What it wrote to its standard error. */
  stderr = "";
  /** What it wrote to its standard output. */
  stdout = "";

  /** Starts `cli/mod.ts serve`, or another command line, with a program that runs it, on a free port. */
  constructor(
    command: readonly string[],
    env: Readonly<Record<string, string>>,
    { cwd = ROOT, line = ["cli/mod.ts", "serve"] }: { readonly cwd?: string; readonly line?: readonly string[] } = {},
  ) {
    const [program = "", ...args] = command;
    this.#child = spawn(program, [...args, ...line], {
      cwd,
      env: { ...bareEnv(), HOST: "127.0.0.1", PORT: "0", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stderr!.on("data", (chunk: Uint8Array) => this.stderr += new TextDecoder().decode(chunk));
    createInterface({ input: this.#child.stdout! }).on("line", (line) => {
      this.stdout += `${line}\n`;
      this.#lines.push(JSON.parse(line));
      for (const look of this.#waiting) look();
    });
    this.#ended = new Promise((resolve) =>
      this.#child.once("close", (code, signal) => {
        this.#over = true;
        resolve(code ?? `${signal}`);
      })
    );
  }

  /** The exit code, or the name of the signal that ended it, once it has ended. */
  get ended(): Promise<number | string> {
    return this.#ended;
  }

  /** The process's id. */
  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** All lines so far that say `message`. */
  lines(message: string): LogLine[] {
    return this.#lines.filter((line) => line.message === message);
  }

  /** The first line that fits, when it comes. Rejects where the server ends without it. */
  async line(message: string, fits: (line: LogLine) => boolean = () => true): Promise<LogLine> {
    return await this.#until(() => this.lines(message).find(fits), `"${message}"`);
  }

  async #until<T>(find: () => T | undefined, what: string): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const look = () => {
      const found = find();
      if (found !== undefined) resolve(found);
    };
    this.#waiting.add(look);
    look();
    this.#ended.then((code) =>
      reject(new Error(`The server ended with ${code} and never said ${what}\n${this.stderr}`))
    );
    try {
      return await promise;
    } finally {
      this.#waiting.delete(look);
    }
  }

  /** Resolves when there are more lines. Rejects where the server has ended. */
  async next(): Promise<void> {
    const count = this.#lines.length;
    await this.#until(() => this.#lines.length > count ? true : undefined, "another line");
  }

  /** Where it listens, once it does. */
  async url(): Promise<string> {
    return `${(await this.line("listening")).url}`;
  }

  /** Sends a signal. */
  kill(signal: "SIGTERM" | "SIGINT" | "SIGKILL"): void {
    // Not the child's own kill(): after it Deno reports the signal in place of the exit code that came.
    if (!this.#over && this.#child.pid !== undefined) process.kill(this.#child.pid, signal);
  }

  /** Ends it by force, where it has not ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.#ended;
  }
}
