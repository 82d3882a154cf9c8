/**
 * The one place that looks at `globalThis` for an environment.
 *
 * @module
 */
import type { Env } from "./core/protocol.ts";

interface Ambient {
  readonly Deno?: { readonly env: { get(name: string): string | undefined } };
  readonly process?: { readonly env?: Readonly<Record<string, string | undefined>> };
}

/**
 * The environment of the process: `Deno.env` on Deno, `process.env` on Bun, Node and Workers with
 * `nodejs_compat`, else empty. Variables are read when they are asked for, so on Deno
 * `--allow-env=QUEUE_BACKEND,…` needs to name no others than the ones that the chosen backend reads.
 *
 * In a Worker, pass the handler's own `env` in place of this: it has the bindings.
 *
 * @example
 * ```ts
 * import { ambientEnv } from "@slack-mcp/queue";
 *
 * const backend: unknown = ambientEnv().QUEUE_BACKEND; // undefined where it is not set
 * ```
 */
export function ambientEnv(): Env {
  const { Deno, process } = globalThis as Ambient;
  const read = (name: string): string | undefined => {
    const value = Deno ? Deno.env.get(name) : process?.env?.[name];
    return typeof value === "string" ? value : undefined; // on Bun and Workers, "toString" is there too
  };
  return new Proxy<Env>({}, {
    get: (_target, name) => typeof name === "string" ? read(name) : undefined,
    has: (_target, name) => typeof name === "string" && read(name) !== undefined,
  });
}
