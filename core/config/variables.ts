/**
 * Variables of an environment: texts and numbers, all problems in one error. A backend that reads no more than these
 * brings no more of the reading into a bundle; `EnvReader` adds the rest.
 *
 * @module
 */
import { DEFAULT_MAX_RETRIES, DEFAULT_RETRY_DELAY_MS, DEFAULT_TIMEOUT_MS } from "../defaults.ts";
import { ConfigError } from "../errors.ts";
import type { Env } from "../protocol.ts";
import { kindOf } from "../util/json.ts";
import { misspelt } from "./misspelt.ts";

/** Bounds of a number. */
export interface NumberBounds {
  /**
   * The smallest number allowed.
   *
   * @default 0
   */
  readonly min?: number | undefined;
  /**
   * The largest number allowed.
   *
   * @default no bound
   */
  readonly max?: number | undefined;
}

/** The settings of publishes that every backend has, in milliseconds. */
export interface RetryConfig {
  /**
   * `<PREFIX>_TIMEOUT`: seconds in the variable, milliseconds here.
   *
   * @default 5_000
   */
  readonly timeoutMs: number;
  /**
   * `<PREFIX>_MAX_RETRIES`.
   *
   * @default 3
   */
  readonly maxRetries: number;
  /**
   * `<PREFIX>_RETRY_DELAY`, the first wait before trying again: seconds in the variable, milliseconds here.
   *
   * @default 100
   */
  readonly retryDelayMs: number;
  /**
   * `<PREFIX>_MESSAGE_TTL`: seconds in the variable, milliseconds here.
   *
   * @default messages live until they are settled
   */
  readonly messageTtlMs: number | undefined;
  /**
   * `<PREFIX>_MAX_LENGTH`: the most messages of a key.
   *
   * @default no limit
   */
  readonly maxLength: number | undefined;
}

/**
 * Reads texts and numbers one by one and collects the problems, so that an operator sees all of them at once. A variable
 * that is unset or empty counts as not given. `EnvReader` reads more kinds.
 *
 * @example
 * ```ts
 * import { VariableReader } from "@slack-mcp/queue/driver";
 * import assert from "node:assert/strict";
 *
 * const reader = new VariableReader({ MY_PORT: "80", MY_WAIT: "2.5" });
 * assert.equal(reader.integer("MY_PORT", { min: 1, max: 65_535 }), 80);
 * assert.equal(reader.seconds("MY_WAIT"), 2_500);
 * reader.check(); // throws a ConfigError where something was wrong
 * ```
 */
export class VariableReader {
  readonly #env: Env;
  readonly #problems: string[] = [];
  readonly #read = new Set<string>();
  readonly #readLater: string[] = [];

  /**
   * Creates a reader of an environment.
   *
   * @throws {TypeError} Not an object.
   */
  constructor(env: object) {
    if (typeof env !== "object" || env === null) throw new TypeError(`env must be an object, found ${kindOf(env)}`);
    this.#env = env as Env;
  }

  /** Adds a problem: one sentence with the variable, the value that was found and the values that are allowed. */
  problem(sentence: string): void {
    this.#problems.push(sentence);
  }

  /** Returns a value as it is: a string, or a platform's binding. */
  raw(name: string): unknown {
    this.#read.add(name);
    const value = this.#env[name];
    return value === "" ? undefined : value;
  }

  /** Reads a text. */
  string(name: string): string | undefined {
    const value = this.raw(name);
    if (value === undefined || value === null) return undefined;
    if (typeof value === "string") return value;
    this.problem(`${name} must be a string, found ${kindOf(value)}`);
    return undefined;
  }

  /** Reads a whole number within bounds. */
  integer(name: string, bounds: NumberBounds = {}): number | undefined {
    return this.#number(name, bounds, "a whole number", Number.isSafeInteger);
  }

  /** Reads seconds, whole or not, and returns milliseconds. */
  seconds(name: string, bounds: NumberBounds = {}): number | undefined {
    const value = this.#number(name, bounds, "a number of seconds", Number.isFinite);
    return value === undefined ? undefined : value * 1_000;
  }

  /** Notes that variables with this prefix, such as `CLOUDFLARE_QUEUE_`, are read later: none of them is misspelt. */
  readLater(prefix: string): void {
    this.#readLater.push(prefix);
  }

  /**
   * Ends the reading. A variable that was not read but is nearly one that was, such as `REDIS_MAXLENGTH`, is a problem
   * too: its setting would be ignored in silence.
   *
   * @param backend The backend that is configured, for the error. Default: none.
   * @throws {ConfigError} Every problem.
   */
  check(backend?: string): void {
    const problems = [...this.#problems, ...misspelt(this.#env, this.#read, this.#readLater)];
    if (problems.length > 0) throw new ConfigError(problems, { backend });
  }

  #number(
    name: string,
    { min = 0, max = Infinity }: NumberBounds,
    what: string,
    accept: (value: number) => boolean,
  ): number | undefined {
    const value = this.string(name)?.trim();
    if (value === undefined) return undefined;
    const number = value === "" ? NaN : Number(value);
    if (accept(number) && number >= min && number <= max) return number;
    const bounds = max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`;
    this.problem(`${name} must be ${what} ${bounds}, found ${shown(value)}`);
    return undefined;
  }
}

/** Returns the value that was found, short enough to read. Only for variables that hold no secret. */
export function shown(value: string): string {
  return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
}

/**
 * Reads `<PREFIX>_TIMEOUT` (s), `_MAX_RETRIES`, `_RETRY_DELAY` (s), `_MESSAGE_TTL` (s) and `_MAX_LENGTH`, gathering problems
 * in the reader.
 *
 * @param reader Where problems go; call its `check()` when all is read.
 * @param prefix The backend's, such as `"MEMORY"`.
 * @returns The settings, with their defaults.
 */
export function readRetryFields(reader: VariableReader, prefix: string): RetryConfig {
  return {
    timeoutMs: reader.seconds(`${prefix}_TIMEOUT`, { min: 0.001 }) ?? DEFAULT_TIMEOUT_MS,
    maxRetries: reader.integer(`${prefix}_MAX_RETRIES`) ?? DEFAULT_MAX_RETRIES,
    retryDelayMs: reader.seconds(`${prefix}_RETRY_DELAY`) ?? DEFAULT_RETRY_DELAY_MS,
    messageTtlMs: reader.seconds(`${prefix}_MESSAGE_TTL`, { min: 0.001 }),
    maxLength: reader.integer(`${prefix}_MAX_LENGTH`, { min: 1 }),
  };
}
