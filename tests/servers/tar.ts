/**
 * Reads the files of a tar archive.
 *
 * @module
 */

const BLOCK = 512;

/** Reads text up to the first zero byte. */
function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Reads the `path` of a pax header, such as `"30 path=a/long/name\n"`. */
function paxPath(bytes: Uint8Array): string | undefined {
  return /(?:^|\n)\d+ path=([^\n]*)\n/.exec(new TextDecoder().decode(bytes))?.[1];
}

/**
 * Reads an archive in the formats ustar, GNU and pax.
 *
 * @param archive The bytes of the archive, not compressed.
 * @returns The regular files, by their paths without `./` at the start.
 */
export function readTar(archive: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  let longName: string | undefined;
  for (let at = 0; at + BLOCK <= archive.length && archive[at] !== 0;) {
    const header = archive.subarray(at, at + BLOCK);
    const size = parseInt(text(header.subarray(124, 136)).trim() || "0", 8);
    const content = archive.subarray(at + BLOCK, at + BLOCK + size);
    const type = String.fromCharCode(header[156]!);
    const prefix = text(header.subarray(257, 263)).startsWith("ustar") ? text(header.subarray(345, 500)) : "";
    const name = longName ?? `${prefix === "" ? "" : `${prefix}/`}${text(header.subarray(0, 100))}`;
    longName = undefined;
    if (type === "x") longName = paxPath(content);
    else if (type === "L") longName = text(content);
    else if (type === "0" || type === "\0") files.set(name.replace(/^\.?\//, ""), content);
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}
