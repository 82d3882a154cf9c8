/**
 * The handlers of the operator's story. They fail on poison until the file that `REPAIRED` names is there.
 *
 * @module
 */
import { existsSync } from "node:fs";
import process from "node:process";
import type { Delivery } from "../../../core/protocol.ts";

/** Handles one delivery: writes a line, as a bot's own log would. */
export default function handle({ payload, attempts }: Delivery): void {
  const { event_id, event } = payload as { event_id?: unknown; event?: { text?: unknown } };
  const repaired = existsSync(process.env.REPAIRED ?? "");
  if (event?.text === "poison" && !repaired) throw new Error("this bot cannot cope");
  console.log(JSON.stringify({ level: "info", message: "handled", event_id, attempts }));
}
