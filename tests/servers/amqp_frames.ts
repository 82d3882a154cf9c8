/**
 * Frames of AMQP 0-9-1, as far as tests look into them.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** The type of a heartbeat. */
const HEARTBEAT = 8;

/** Bytes around the payload of a frame: type, channel, size, and the end mark. */
const OVERHEAD = 8;

/** Counts what a client writes: each piece with anything but heartbeats in it is one request. */
export class WriteCounter {
  /** So far. */
  count = 0;
  #rest: Buffer = Buffer.alloc(0);
  #greeted = false;

  /** Takes a piece of what is sent. */
  add(chunk: Uint8Array): void {
    if (!this.#greeted) { // "AMQP" and the version are no frame
      this.#greeted = true;
      this.count += 1;
      chunk = chunk.subarray(8);
    }
    this.#rest = Buffer.concat([this.#rest, chunk]);
    let counts = false;
    while (this.#rest.length >= OVERHEAD - 1) {
      const length = this.#rest.readUInt32BE(3) + OVERHEAD;
      counts ||= this.#rest[0] !== HEARTBEAT;
      if (this.#rest.length < length) break;
      this.#rest = this.#rest.subarray(length);
    }
    if (counts) this.count += 1;
  }
}

/** Text that stands in a request of this method: its class and its own number. */
export const METHODS = {
  publish: "\u0000<\u0000(",
  ack: "\u0000<\u0000P",
  closeChannel: "\u0000\u0014\u0000(",
} as const;
