/**
 * Reads the files of `examples/deploy`, and starts the server as each describes it.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { openAny } from "../../../../cli/open.ts";
import { startServer } from "../../../../cli/serve/server.ts";
import type { Env } from "../../../../core/protocol.ts";
import { ROOT } from "../../../runner/suites.ts";

/** Anything that YAML can hold. */
// deno-lint-ignore no-explicit-any -- a file that is read by the test alone: a wrong path fails the test
export type Yaml = any;

/** The text of a file of the repository. */
export function textOf(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

/** A file with one document. */
export function yamlOf(file: string): Yaml {
  return parse(textOf(file), { merge: true });
}

/** A file with several documents. */
export function documentsOf(file: string): Yaml[] {
  return parseAllDocuments(textOf(file)).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS();
  });
}

/** Values in place of those that only the operator has. */
const SAFE: Readonly<Record<string, string>> = {
  SLACK_SIGNING_SECRET: "8f742231b10e8888abcd99yyyzzz85a5",
  SLACK_EVENTS_TOPIC: "slack_events",
  REDIS_URL: "redis://127.0.0.1:1",
  RABBITMQ_URL: "amqp://127.0.0.1:1",
  UPSTASH_REDIS_REST_URL: "http://127.0.0.1:1",
  UPSTASH_REDIS_REST_TOKEN: "token",
  CLOUDFLARE_ACCOUNT_ID: "0".repeat(32),
  CLOUDFLARE_API_TOKEN: "token",
  REDIS_PASSWORD: "password",
  RABBITMQ_PASSWORD: "password",
  PORT: "0",
};

/**
 * Starts the server with these variables and options, and stops it at once.
 *
 * @param sqlite The file in place of the one in the container.
 * @returns The backend's name, whether it listened, and the variables that it read.
 */
export async function readBy(
  given: Readonly<Record<string, string>>,
  args: readonly string[],
  sqlite: string,
): Promise<{ readonly backend: string; readonly listened: boolean; readonly read: ReadonlySet<string> }> {
  const read = new Set<string>();
  const values = Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, name === "SQLITE_PATH" ? sqlite : SAFE[name] ?? value]),
  );
  const env: Env = new Proxy(values, {
    get: (target, name) => {
      read.add(String(name));
      return Reflect.get(target, name);
    },
    // The search for misspelt names looks at all there are, which is no use of them.
    ownKeys: () => [],
  });
  const server = await startServer(env, {
    signal: AbortSignal.abort(),
    log: () => undefined,
    mode: args.includes("--webhook-only") ? "webhook" : args.includes("--consume-only") ? "consume" : "both",
    open: () => openAny({ env, backend: undefined, registry: undefined, note: () => undefined }),
  });
  await server.finished;
  const { name = "" } = server.backend as { readonly name?: string };
  return { backend: name, listened: server.url !== undefined, read };
}
