import { test } from "node:test";
import assert from "node:assert/strict";
import type { ErrorCode } from "../../../../core/errors.ts";
import { isTransient } from "../../../../core/errors.ts";
import { classifyReply } from "../../../../backends/streams/transport.ts";

const REPLIES: readonly (readonly [string, ErrorCode])[] = [
  ["NOAUTH Authentication required.", "unauthorized"],
  ["WRONGPASS invalid username-password pair or user is disabled.", "unauthorized"],
  ["WRONGPASS invalid or missing auth token", "unauthorized"],
  ["NOPERM this user has no permissions to run the 'evalsha' command", "unauthorized"],
  ["NOPERM No permissions to access a key", "unauthorized"],
  ["ACL failure in script: User app has no permissions to run the 'xadd' command", "unauthorized"],
  ["ERR ACL failure in script: No permissions to access a key. script: 5f2a, on @user_script:3.", "unauthorized"],
  [
    "The user executing the script can't run this command or subcommand script: 5f2a, on @user_script:1.",
    "unauthorized",
  ],
  ["DENIED Redis is running in protected mode", "unauthorized"],
  ["ERR max daily request limit exceeded. Limit: 10000, Usage: 10000. See https://upstash.com/docs", "rate-limited"],
  ["ERR max requests limit exceeded. Limit: 500000, Usage: 500000.", "rate-limited"],
  ["ERR max concurrent connections exceeded", "rate-limited"],
  ["ERR max daily bandwidth limit exceeded", "rate-limited"],
  ["ERR max number of clients reached", "rate-limited"],
  ["ERR max commands per second exceeded", "rate-limited"],
  ["ERR a limit that nobody has heard of was reached", "rate-limited"],
  ["ERR some quota exceeded", "rate-limited"],
  ["ERR DB capacity quota exceeded", "queue-full"],
  ["ERR max single record size exceeded", "queue-full"],
  ["ERR max database size exceeded", "queue-full"],
  ["OOM command not allowed when used memory > 'maxmemory'. script: 5f2a, on @user_script:1.", "queue-full"],
  ["ERR max request size exceeded. Limit: 10485760 bytes, Actual: 10485761 bytes", "too-large"],
  ["ERR max key size exceeded. Limit: 32768 bytes, Actual: 40000 bytes", "too-large"],
  ["ERR string exceeds maximum allowed size (proto-max-bulk-len)", "too-large"],
  ["ERR XReadGroup is cancelled", "unavailable"],
  ["READONLY You can't write against a read only replica. script: 5f2a, on @user_script:1.", "unavailable"],
  [
    "ERR Error running script (call to f_5f2a): @user_script:1: @user_script: 1: -READONLY You can't write",
    "unavailable",
  ],
  ["LOADING Redis is loading the dataset in memory", "unavailable"],
  ["MISCONF Errors writing to the AOF file: No space left on device", "unavailable"],
  ["CLUSTERDOWN The cluster is down", "unavailable"],
  ["REDIRECT 10.0.0.1:6379", "unavailable"],
  ["WRONGTYPE Operation against a key holding the wrong kind of value", "invalid"],
  ["ERR unknown command 'XAUTOCLAIM', with args beginning with: ", "invalid"],
  ["ERR value is not an integer or out of range", "invalid"],
  ["ERR syntax error", "invalid"],
];

test("classifyReply names the errors of Redis, Valkey and Upstash by what they mean", () => {
  for (const [message, code] of REPLIES) assert.equal(classifyReply(message), code, message);
});

test("classifyReply never takes a limit of a plan for final", () => {
  for (const what of ["monthly egress", "daily command", "region write", "endpoint"]) {
    for (const end of ["limit exceeded", "quota reached", "limit reached. Upgrade your plan"]) {
      assert.ok(isTransient(classifyReply(`ERR max ${what} ${end}`)), `${what} ${end}`);
    }
  }
});
