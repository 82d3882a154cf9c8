/**
 * The world around a command: its streams, its environment and the signals that end it. A test hands in its own.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline/promises";
import { text } from "node:stream/consumers";
import { type Clock, systemClock } from "../core/util/clock.ts";
import type { Env } from "../core/protocol.ts";
import { ambientEnv } from "../env.ts";

/** A stream that a command writes to. */
export interface Output {
  /** Writes text as it is. Resolves when the reader has taken it, so that a long list does not grow in memory. */
  write(text: string): Promise<void>;
  /** True where a person looks: a terminal. */
  readonly isTTY: boolean;
  /** The width of the terminal in characters; 80 where it is not known. */
  readonly columns: number;
}

/** The stream that a command reads from. */
export interface Input {
  /** True where a person can be asked. */
  readonly isTTY: boolean;
  /** Reads all of it. */
  text(): Promise<string>;
  /** Asks a person and returns the line that comes; `undefined` at the end of the input or when `signal` aborts. */
  ask(question: string, signal: AbortSignal): Promise<string | undefined>;
}

/** The world around a command. */
export interface Io {
  /** Results. */
  readonly stdout: Output;
  /** Takes everything but results: errors, progress, notes. */
  readonly stderr: Output;
  /** The input. */
  readonly stdin: Input;
  /** The environment. */
  readonly env: Env;
  /** Aborts at the first SIGINT or SIGTERM, with an {@link Interruption} as its reason. */
  readonly signal: AbortSignal;
  /** The source of time. */
  readonly clock: Clock;
}

/** The reason with which {@link Io.signal} aborts. */
export class Interruption extends Error {
  /** The name of the class. */
  override readonly name = "Interruption";
  /** The signal that came: `"SIGINT"` or `"SIGTERM"`. */
  readonly signalName: string;

  /** Creates the reason. */
  constructor(signalName: string) {
    super(`interrupted by ${signalName}`);
    this.signalName = signalName;
  }
}

/** Creates the {@link Io} of this process. A second SIGINT or SIGTERM ends the process at once. */
export function processIo(): Io {
  const interrupted = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (interrupted.signal.aborted) process.exit(1);
      interrupted.abort(new Interruption(name));
    });
  }
  const stdout = outputOf(process.stdout, () => interrupted.abort(new Interruption("SIGPIPE")));
  return {
    stdout,
    stderr: outputOf(process.stderr, () => undefined),
    stdin: {
      isTTY: process.stdin.isTTY === true,
      text: () => text(process.stdin),
      ask,
    },
    env: processEnv(),
    signal: interrupted.signal,
    clock: systemClock,
  };
}

/**
 * Returns the environment with all its names, so that a misspelt one is found. Where Deno allows only some variables,
 * their names cannot be listed, and each is read when it is asked for.
 */
function processEnv(): Env {
  const { Deno } = globalThis as {
    Deno?: { permissions: { querySync(what: { name: "env" }): { readonly state: string } } };
  };
  const listed = Deno === undefined || Deno.permissions.querySync({ name: "env" }).state === "granted";
  return listed ? { ...process.env } : ambientEnv();
}

/** @param gone Called when the reader has gone, as `head` does once it has its lines. */
function outputOf(stream: NodeJS.WriteStream, gone: () => void): Output {
  let open = true;
  stream.on("error", () => {
    open = false;
    gone();
  });
  return {
    write: (text) => open ? new Promise((resolve) => void stream.write(text, () => resolve())) : Promise.resolve(),
    isTTY: stream.isTTY === true,
    get columns() {
      return stream.columns || 80;
    },
  };
}

async function ask(question: string, signal: AbortSignal): Promise<string | undefined> {
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await new Promise<string | undefined>((resolve) => {
      reader.once("close", () => resolve(undefined));
      reader.question(question, { signal }).then(resolve, () => resolve(undefined));
    });
  } finally {
    reader.close();
  }
}
