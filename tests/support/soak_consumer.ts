/**
 * A consumer to be killed: writes the number of each message that it handles to its standard output, then acknowledges.
 *
 * @module
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { fromEnv } from "../../backends/redis/mod.ts";

const { SOAK_KEY = "", SOAK_LEASE_MS = "1000", SOAK_PREFETCH = "100" } = process.env;
const backend = fromEnv(process.env);
const options = { leaseMs: Number(SOAK_LEASE_MS), prefetch: Number(SOAK_PREFETCH) };

for await (const delivery of backend.receive(SOAK_KEY, options)) {
  // Handled is what the one who counts has in its pipe: it stays there when this process is gone.
  writeSync(1, `${delivery.payload.n} ${delivery.attempts}\n`);
  void delivery.ack().catch(() => undefined); // whoever has it next acknowledges it
}
