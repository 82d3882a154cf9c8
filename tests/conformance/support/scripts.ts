/**
 * Which scripts of the streams engine each operation of its driver runs.
 *
 * @module
 */
import type { Script } from "../../../backends/streams/script.ts";
import {
  BLOCKED,
  DEPTH,
  EXTEND,
  LIST,
  PICK,
  PURGE,
  RECEIVE,
  REPLAY,
  SEND,
  SEND_PLAIN,
  SETTLE,
} from "../../../backends/streams/scripts.ts";
import type { DriverOperation } from "../../../testing/faults/fault_state.ts";

/** The scripts of each operation. */
export const SCRIPTS: Readonly<Record<Exclude<DriverOperation, "ping">, readonly Script[]>> = {
  send: [SEND_PLAIN, SEND],
  receive: [RECEIVE],
  settle: [SETTLE],
  extend: [EXTEND],
  depth: [DEPTH, BLOCKED],
  deadLetters: [LIST, PICK, REPLAY, PURGE],
};
