/**
 * Further servers that the Redis suites run on, where this machine has them. Where it has none, each test is listed
 * as unproven by its name, and the reason says how to name a server.
 *
 * @module
 */
import { test as nodeTest } from "node:test";
import process from "node:process";
import { findProgram, type TestFunction } from "../runner/services.ts";

/** A server beside the redis-server that is first in the path. */
export interface RedisProgram {
  /** What it is called in the names of tests. */
  readonly name: string;
  /** Its path; `undefined`: this machine has none. */
  readonly program: string | undefined;
  /** `test` where it is there, else one that skips. */
  readonly test: TestFunction;
}

function find(name: string, variable: string, command: string): RedisProgram {
  const program = process.env[variable] || findProgram(command);
  // As the conformance suite names what a machine cannot prove: listed by name in every run, and no failure of it.
  const reason = `not proven: ${command} not found, set ${variable} to the path of a ${name} server`;
  return {
    name,
    program,
    test: program
      ? nodeTest as TestFunction
      : (title, fn) => void nodeTest(`${title} (${reason})`, { skip: reason }, fn),
  };
}

/** The newest protocol of the other branch, and the oldest server that is supported. */
export const REDIS_PROGRAMS: readonly RedisProgram[] = [
  find("Valkey 8", "VALKEY_SERVER", "valkey-server"),
  find("Redis 6.2", "REDIS_62_SERVER", "redis-server-6.2"),
];
