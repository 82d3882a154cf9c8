/**
 * The world around a command, for tests: what it writes is kept, and what it reads is given.
 *
 * @module
 */
import type { Io, Output } from "../../cli/io.ts";
import { systemClock } from "../../core/util/clock.ts";
import type { Clock } from "../../core/util/clock.ts";

/** What a command finds. */
export interface CliIoOptions {
  /** The environment. Default: empty. */
  readonly env?: Readonly<Record<string, unknown>>;
  /** What its standard input holds. Default: nothing. */
  readonly input?: string;
  /** True where a person looks and can be asked. Default: false. */
  readonly isTTY?: boolean;
  /** The width of the terminal. Default: 80. */
  readonly columns?: number;
  /** What a person answers, one for each question. Default: nothing. */
  readonly answers?: readonly string[];
  /** Default: one that never aborts. */
  readonly signal?: AbortSignal;
  /** Default: the platform's. */
  readonly clock?: Clock;
}

/** An {@link Io} and what was written to it. */
export interface CliIo extends Io {
  /** What was written to the standard output. */
  readonly out: string;
  /** What was written to the standard error. */
  readonly err: string;
  /** The questions that were asked. */
  readonly questions: readonly string[];
  /** Resolves when the standard output has a text. */
  shown(text: string): Promise<void>;
}

/** Creates the world of one command. */
export function cliIo(options: CliIoOptions = {}): CliIo {
  const { env = {}, input = "", isTTY = false, columns = 80, answers = [], clock = systemClock } = options;
  const written = { out: "", err: "" };
  const waiting = new Set<() => void>();
  const questions: string[] = [];
  const output = (name: "out" | "err"): Output => ({
    write(text) {
      written[name] += text;
      for (const look of waiting) look();
      return Promise.resolve();
    },
    isTTY,
    columns,
  });
  return {
    stdout: output("out"),
    stderr: output("err"),
    stdin: {
      isTTY,
      text: () => Promise.resolve(input),
      ask(question) {
        questions.push(question);
        return Promise.resolve(answers[questions.length - 1]);
      },
    },
    env,
    signal: options.signal ?? new AbortController().signal,
    clock,
    get out() {
      return written.out;
    },
    get err() {
      return written.err;
    },
    questions,
    shown: (text) =>
      new Promise((resolve) => {
        const look = () => {
          if (!written.out.includes(text)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
  };
}
