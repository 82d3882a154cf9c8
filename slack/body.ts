/**
 * Reads a request's body into one buffer of a bounded size.
 *
 * @module
 */

/** The size of one read in bytes. Runtimes allocate as much for a reader that brings no buffer. */
const READ_BYTES = 65_536;

/**
 * The reads after which other requests and timers get their turn. A read of bytes that have arrived already resolves
 * without a turn of the event loop, so that a body in small chunks could otherwise hold up everything else.
 */
const READS_PER_TURN = 32;

/** The size in bytes that the buffer of a body starts with. Most events are smaller. */
const FIRST_BYTES = 8_192;

/**
 * Reads the whole body, or stops as soon as it is known to be over `maxBytes`.
 *
 * The memory held is proportional to the bytes that have arrived: chunks are copied into one growing buffer and not
 * kept, because a runtime may back a chunk of one byte by a buffer of 64 KiB.
 *
 * @param request The request. Its body is cancelled when it is over the limit or `signal` aborts.
 * @param maxBytes The limit in bytes.
 * @param signal Stops reading.
 * @returns The bytes, or `undefined` where there are more than the limit.
 * @throws The signal's reason when it aborts; the stream's error when the body breaks off.
 */
export async function readBody(
  request: Request,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (!request.body) return new Uint8Array(0);
  const [read, reader] = openReader(request.body);
  const cancel = () => discard(reader);
  signal.addEventListener("abort", cancel);
  try {
    let body: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_BYTES);
    let length = 0;
    let reads = 0;
    for (let chunk = await read(); chunk; chunk = await read()) {
      signal.throwIfAborted();
      const end = length + chunk.length;
      if (end > maxBytes) {
        cancel();
        return undefined;
      }
      if (end > body.length) {
        const grown = new Uint8Array(Math.min(Math.max(end, body.length * 2), maxBytes));
        grown.set(body.subarray(0, length));
        body = grown;
      }
      body.set(chunk, length);
      length = end;
      if (++reads % READS_PER_TURN === 0) await nextTurn();
    }
    signal.throwIfAborted();
    return body.subarray(0, length);
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

/** Resolves in the next turn of the event loop. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/**
 * Cancels a body that is not read any further, in the next turn of the event loop: Deno holds back the response of a
 * request whose body was cancelled before, for as long as the sender goes on.
 */
export function discard(source: { cancel(reason?: unknown): Promise<void> } | null): void {
  if (!source) return;
  // A stream that has failed rejects its cancellation: there is nothing left to cancel.
  void nextTurn().then(() => source.cancel()).catch(() => undefined);
}

/** Resolves with the next bytes, which are valid until the next call; `undefined` at the end. */
type Read = () => Promise<Uint8Array | undefined>;

/** Reads into one buffer that is handed back and forth where the stream allows that, else takes the stream's own chunks. */
function openReader(
  stream: ReadableStream<Uint8Array>,
): readonly [Read, { cancel(reason?: unknown): Promise<void> }] {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = stream.getReader({ mode: "byob" });
  } catch {
    // Not a byte stream: Bun's request bodies, and streams made by `new ReadableStream({ pull })`.
    const plain = stream.getReader();
    return [async () => (await plain.read()).value, plain];
  }
  let buffer = new ArrayBuffer(READ_BYTES);
  const read: Read = async () => {
    const { value } = await reader.read(new Uint8Array(buffer));
    if (!value?.length) return undefined; // the end
    buffer = value.buffer as ArrayBuffer; // the same memory, under a new object: the old one is detached
    return value;
  };
  return [read, reader];
}
