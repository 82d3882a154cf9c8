/**
 * Child processes, the same way on Deno, Bun and Node.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { atExit } from "./at_exit.ts";

/** How to run it. */
export interface RunOptions {
  /** Default: the working directory of this process. */
  readonly cwd?: string;
  /** On top of this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** What it reads on its standard input. Default: nothing. */
  readonly input?: string;
  /** True: it writes to this process's own output, and nothing is kept. Default: false. */
  readonly inherit?: boolean;
  /** Milliseconds until it is ended by force. Default: 600,000, longer than anything takes on a busy machine. */
  readonly timeoutMs?: number;
}

/** What became of it. */
export interface RunResult {
  /** The exit code; -1 where a signal ended it. */
  readonly code: number;
  /** What it wrote. */
  readonly stdout: string;
  /** What it wrote to its standard error. */
  readonly stderr: string;
  /** True where it had to be ended by force. */
  readonly timedOut: boolean;
}

/**
 * The environment of a program that is to find nothing of ours: what any program needs to start, and the folder of what
 * the runner has downloaded and compiled already.
 */
export function bareEnv(): Record<string, string> {
  const { PATH = "", HOME = "", DENO_DIR } = process.env;
  return { PATH, HOME, NO_COLOR: "1", ...DENO_DIR === undefined ? {} : { DENO_DIR } };
}

const running = new Set<ChildProcess>();
atExit(() => {
  for (const child of running) killGroup(child);
});

/** Ends a child with all that it started, at once: it leads a process group of its own. */
export function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  } catch {
    child.kill("SIGKILL"); // no group of its own, or gone already
  }
}

/** Runs a program to its end. Rejects only where it cannot be started. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { cwd, env = {}, input, inherit = false, timeoutMs = 600_000 } = options;
  return new Promise((resolve, reject) => {
    const output = inherit ? "inherit" : "pipe";
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: [input === undefined ? "ignore" : "pipe", output, output],
      detached: true,
    });
    running.add(child);
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child);
    }, timeoutMs);
    const text = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      const decoder = new TextDecoder();
      child[name]?.on("data", (chunk: Uint8Array) => text[name] += decoder.decode(chunk, { stream: true }));
    }
    child.once("error", (error: Error) => {
      clearTimeout(timer);
      running.delete(child);
      reject(new Error(`Cannot start ${command}`, { cause: error }));
    });
    child.once("close", (code: number | null) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ code: code ?? -1, ...text, timedOut });
    });
    child.stdin?.end(input);
  });
}
