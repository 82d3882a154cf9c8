/**
 * The server with this backend: `serve` of the package's command, with the backends of `registry.ts`.
 *
 * @module
 */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { run } from "@slack-mcp/queue/cli";

const registry = fileURLToPath(new URL("registry.ts", import.meta.url));
process.exit(await run(["serve", "--registry", registry, ...process.argv.slice(2)]));
