/**
 * Which scripts of the streams engine each operation of its driver runs.
 *
 * @module
 */
import { EXTEND, SETTLE } from "../../../backends/streams/lease_scripts.ts";
import { DEPTH, LIST, PICK, PURGE, REPLAY } from "../../../backends/streams/inspect_scripts.ts";
import { RECEIVE } from "../../../backends/streams/receive_script.ts";
import type { Script } from "../../../backends/streams/script.ts";
import { SEND, SEND_PLAIN } from "../../../backends/streams/send_scripts.ts";
import type { DriverOperation } from "../../../testing/faults/faulty_driver.ts";

/** The scripts of each operation. */
export const SCRIPTS: Readonly<Record<Exclude<DriverOperation, "ping">, readonly Script[]>> = {
  send: [SEND_PLAIN, SEND],
  receive: [RECEIVE],
  settle: [SETTLE],
  extend: [EXTEND],
  depth: [DEPTH],
  deadLetters: [LIST, PICK, REPLAY, PURGE],
};
