/**
 * Reads a request's body without ever holding more than a limit of it.
 *
 * @module
 */

/** The body is over the limit. */
export const TOO_LARGE: unique symbol = Symbol("too large");

/**
 * The whole body, or {@link TOO_LARGE} as soon as that is known: by what `Content-Length` declares, else by what came.
 * What it declares is never believed further than that. Reading stops when `signal` aborts.
 */
export async function readBody(
  request: Request,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array | typeof TOO_LARGE> {
  if (Number(request.headers.get("content-length")) > maxBytes) {
    discard(request.body);
    return TOO_LARGE;
  }
  if (!request.body) return new Uint8Array(0);
  const reader = request.body.getReader();
  const stop = () => discard(reader, signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    const chunks: Uint8Array[] = [];
    let size = 0;
    while (true) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return chunks.length === 1 ? chunks[0]! : concatenate(chunks);
      size += value.byteLength;
      if (size > maxBytes) {
        discard(reader);
        return TOO_LARGE;
      }
      chunks.push(value);
    }
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Nobody wants the rest. Not awaited: the answer must not wait for a sender that is still talking. */
function discard(source: { cancel(reason?: unknown): Promise<void> } | null, reason?: unknown): void {
  // A stream that failed already rejects its cancellation, which says nothing new.
  source?.cancel(reason).catch(() => undefined);
}

/** One after the other. */
export function concatenate(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(chunks.reduce((size, { byteLength }) => size + byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}
