/**
 * Loads the operator's handlers.
 *
 * @module
 */
import type { Handler } from "../../core/consume/consumer.ts";
import { ConfigError } from "../../core/errors.ts";
import { kindOf } from "../../core/util/json.ts";
import { importFile } from "../open.ts";

/** The exports that may be a handler, in the order in which they are looked for. */
const NAMES = ["default", "router", "handler"] as const;

/**
 * Imports a module and returns its handler: a router's, or a function.
 *
 * @param file The module, named from the working folder.
 * @throws {ConfigError} It cannot be imported, or exports neither.
 */
export async function loadHandler(file: string): Promise<Handler> {
  const module = await importFile(file, "--handlers");
  const found: string[] = [];
  for (const name of NAMES) {
    const value = module[name];
    if (value === undefined) continue;
    const handler = handlerOf(value);
    if (handler) return handler;
    found.push(`${name}: ${isClass(value) ? "a class" : kindOf(value)}`);
  }
  throw new ConfigError(
    `Cannot use --handlers ${file}: it must export a SlackEventRouter or a function, as default, "router" or "handler"` +
      `, found ${found.length > 0 ? found.join(", ") : exportsOf(module)}`,
  );
}

/** A router is known by its `handle`: it may be of another copy of this package. */
function handlerOf(value: unknown): Handler | undefined {
  if (typeof value === "function") return isClass(value) ? undefined : value as Handler;
  const { handle } = Object(value) as { readonly handle?: unknown };
  return typeof handle === "function" ? (delivery) => handle.call(value, delivery) as unknown : undefined;
}

function isClass(value: unknown): boolean {
  return typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));
}

function exportsOf(module: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(module);
  return names.length > 0 ? `only ${names.join(", ")}` : "no export";
}
