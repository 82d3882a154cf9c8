/**
 * Writes the package of a new backend: it works as generated, and joins the conformance kit.
 *
 * ```sh
 * deno run -A jsr:@slack-mcp/queue/create my-queue --scope @acme --transport pull
 * ```
 *
 * The code that it writes keeps messages in the memory of the process, behind a marked seam where your broker's client
 * goes. Its tests are green as generated, on Deno and on Bun.
 *
 * @example
 * ```ts
 * import { createPlugin } from "@slack-mcp/queue/create";
 * import assert from "node:assert/strict";
 *
 * const files = createPlugin("my-queue", { scope: "@acme" });
 * assert.ok(files["driver.ts"]?.includes("class MyQueueDriver"));
 * assert.equal(JSON.parse(files["deno.json"] ?? "").name, "@acme/my-queue");
 * ```
 *
 * @module
 */
import { spell } from "./names.ts";
import { type CreateOptions, type Transport, TRANSPORTS } from "./options.ts";
import { runCommand } from "./command.ts";
import { denoJson, envExample, readme } from "./texts.ts";
import { TEMPLATES } from "./templates.ts";

export { type CreateOptions, type Transport, TRANSPORTS };

/** Replaces the names that the templates are written with. */
function fill(text: string, names: ReturnType<typeof spell>, description: string): string {
  return text
    .replaceAll("MY_DESCRIPTION", () => description)
    .replaceAll("MY_YEAR", String(new Date().getFullYear()))
    .replaceAll("@my-scope/my-queue", `${names.scope}/${names.name}`)
    .replaceAll("MY_QUEUE", names.prefix)
    .replaceAll("MyQueue", names.pascal)
    .replaceAll("my_queue", names.key);
}

/**
 * Makes the files of a new backend package.
 *
 * @param name The package's name: lower-case words with hyphens between, such as `"my-queue"`.
 * @param options Scope, description and transport.
 * @returns The text of each file by its path.
 * @throws {TypeError | RangeError} A name, scope or transport that is not as described.
 */
export function createPlugin(name: string, options: CreateOptions = {}): Record<string, string> {
  const { scope = "@my-scope", transport = "pull", link } = options;
  const names = spell(name, scope);
  const { description = `Queues of ${name} for @slack-mcp/queue.` } = options;
  if (!TRANSPORTS.includes(transport)) {
    throw new RangeError(`transport must be one of ${TRANSPORTS.join(", ")}, found ${JSON.stringify(transport)}`);
  }
  if (typeof description !== "string" || !/^[^\n\r]{1,200}$/.test(description) || description.includes("*/")) {
    throw new RangeError("description must be one line of 1 to 200 characters");
  }
  const files: Record<string, string> = {
    "deno.json": denoJson(names, description, link),
    "README.md": readme(names, description, transport),
    ".env.example": envExample(names, transport),
  };
  for (const [path, text] of Object.entries({ ...TEMPLATES.common, ...TEMPLATES[transport] })) {
    files[path] = fill(text, names, description);
  }
  return files;
}

if (import.meta.main) await runCommand(createPlugin);
