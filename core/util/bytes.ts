/**
 * Bytes and text: base64, and UTF-8 that is decoded without loss or not at all.
 *
 * @module
 */

/** Bytes in base64. */
export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/**
 * Bytes out of base64.
 *
 * @throws {DOMException} The text is no base64.
 */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/**
 * The text that bytes spell in UTF-8, a byte order mark included.
 *
 * @returns Undefined where they are no UTF-8: a lenient decoder would put U+FFFD in place of what it cannot read.
 */
export function decodeUtf8(bytes: ArrayBuffer | ArrayBufferView): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes as BufferSource);
  } catch {
    return undefined; // the decoder's error says no more
  }
}

/** The bytes that a buffer or a view holds, `undefined` for any other value. */
export function bytesIn(value: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (!ArrayBuffer.isView(value)) return undefined;
  return new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength);
}

/** A dead letter's `body` and `bodyEncoding` for bytes: text where they spell one, else base64. */
export function bodyOfBytes(bytes: Uint8Array): { readonly body: string; readonly bodyEncoding?: "base64" } {
  const text = decodeUtf8(bytes);
  return text === undefined ? { body: toBase64(bytes), bodyEncoding: "base64" } : { body: text };
}
