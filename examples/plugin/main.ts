/**
 * The example server with this backend: one line in the registry, one in the import map, and no file of the server
 * edited.
 *
 * @module
 */
import process from "node:process";
import { ambientEnv, defineRegistry } from "@slack-mcp/queue";
import { backends } from "@slack-mcp/queue/backends";
import { startServer } from "../server/main.ts";

const registry = defineRegistry({ ...backends, nats: () => import("@acme/nats-queue") });
const stopping = new AbortController();
process.on("SIGTERM", () => stopping.abort());
const server = await startServer(ambientEnv(), { registry, signal: stopping.signal });
await server.finished;
process.exit(0);
