/**
 * The demo's line about SQLite: a process is killed in the middle, and nothing that it was told to be confirmed is lost.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { SqliteBackend } from "@slack-mcp/queue/sqlite";

/** Events that are confirmed before the process is killed. */
const CONFIRMED = 50;

/** What became of the events. */
export interface Survival {
  readonly confirmed: number;
  /** Of the confirmed, those that were handled after the start. */
  readonly handled: number;
}

/** Starts a process, kills it in the middle of its work, and handles what it has left in its file. */
export async function surviveKill(): Promise<Survival> {
  const folder = mkdtempSync(join(tmpdir(), "queue-demo-"));
  const path = join(folder, "queue.db");
  try {
    const confirmed = await publishUntilKilled(path);
    await using backend = new SqliteBackend({ path });
    const left = new Set(confirmed);
    for await (const { n } of backend.consume("slack_events")) {
      left.delete(Number(n));
      if (left.size === 0) break;
    }
    return { confirmed: confirmed.length, handled: confirmed.length - left.size };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function publishUntilKilled(path: string): Promise<number[]> {
  const script = fileURLToPath(new URL("killed.ts", import.meta.url));
  const run = "Deno" in globalThis ? ["run", "-A"] : [];
  const child = spawn(process.execPath, [...run, script, path], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("close", resolve));
  const confirmed: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    confirmed.push(Number(line));
    if (confirmed.length === CONFIRMED) child.kill("SIGKILL");
  }
  await ended;
  return confirmed;
}
