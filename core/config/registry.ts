/**
 * The registry: an explicit map from names to modules, in place of discovery.
 *
 * @module
 */
import { ConfigError } from "../errors.ts";
import { isPlainObject, kindOf } from "../util/json.ts";
import { nearest } from "../util/nearest.ts";
import { callSafely } from "../util/user_callback.ts";
import { checkOptions, object, type Validators } from "../util/validate.ts";
import { misspelt } from "./misspelt.ts";
import type { QueueObserver } from "../observer.ts";
import type { Env, QueueBackend } from "../protocol.ts";

/** Options of `fromEnv` that are not variables. */
export interface FromEnvOptions {
  /** Is called with every publish, delivery, settlement and failure of the backend, and when its broker is lost and back. */
  readonly observer?: QueueObserver | undefined;
}

/** The one export that a backend's module must have. */
export interface BackendModule {
  /** Creates a backend as an environment describes it. One that ignores the options is loaded all the same. */
  readonly fromEnv: (env: Env, options?: FromEnvOptions) => QueueBackend | Promise<QueueBackend>;
}

/** A map from names to functions that import a module. */
export type BackendMap = Readonly<Record<string, () => Promise<unknown>>>;

/** The backend that the modules of a map make; {@link QueueBackend} where one of the modules does not say. */
export type LoadedBackend<Backends extends BackendMap> = Awaited<ReturnType<Backends[keyof Backends]>> extends
  { fromEnv(env: never, options?: never): infer Made }
  ? Awaited<Made> extends QueueBackend ? Awaited<Made> : QueueBackend
  : QueueBackend;

/** The steps from a name to a backend. */
export type LifecycleStep =
  /** The names in the map. */
  | { readonly step: "discovery"; readonly names: readonly string[] }
  /** The selected name; `fallback` is true where QUEUE_BACKEND is not set. */
  | { readonly step: "selection"; readonly name: string; readonly fallback: boolean }
  /** `fromEnv` of this module is about to be called. */
  | { readonly step: "instantiation"; readonly name: string }
  /** The backend was created. */
  | { readonly step: "operation"; readonly name: string; readonly backend: QueueBackend };

/** Options of {@link defineRegistry}. */
export interface RegistryOptions {
  /** Is called at each step. What it throws or rejects with is ignored. */
  readonly onStep?: ((step: LifecycleStep) => void) | undefined;
  /**
   * Is called with the one warning. What it throws or rejects with is ignored.
   *
   * @default console.warn
   */
  readonly warn?: ((message: string) => void) | undefined;
}

/** Loads backends by their names. */
export interface Registry<Backend extends QueueBackend = QueueBackend> {
  /** The names that `QUEUE_BACKEND` may have. */
  readonly names: readonly string[];
  /**
   * Selects a module by `QUEUE_BACKEND` (unset: `memory`, with one warning), imports it and calls its `fromEnv`.
   *
   * @param env Variables, or a Worker's bindings: any object.
   * @param options The observer of the backend.
   * @returns The backend, of the type that the map's modules make. With a module whose type says less than
   * `LeasingBackend`, narrow it by `isLeasing(backend)`.
   * @throws {ConfigError} An unknown name, a module without `fromEnv`, or a variable that `fromEnv` refuses.
   */
  load(env: object, options?: FromEnvOptions): Promise<Backend>;
}

/** The backend of an environment without QUEUE_BACKEND. */
const FALLBACK = "memory";

const LOAD_CHECKS: Validators<FromEnvOptions> = { observer: object };

/**
 * Creates a registry of an explicit map. Nothing scans a file system: every specifier is a literal that the type checker,
 * the bundler and the reader see.
 *
 * @example
 * ```ts
 * import { defineRegistry } from "@slack-mcp/queue";
 *
 * const registry = defineRegistry({
 *   memory: () => import("@slack-mcp/queue/memory"),
 * });
 * await using backend = await registry.load({ QUEUE_BACKEND: "memory" });
 * await backend.publish("slack_events", { type: "event_callback" });
 * ```
 *
 * @throws {TypeError} Not an object of functions.
 */
export function defineRegistry<const Backends extends BackendMap>(
  backends: Backends,
  options: RegistryOptions = {},
): Registry<LoadedBackend<Backends>> {
  if (!isPlainObject(backends)) throw new TypeError(`backends must be a plain object, found ${kindOf(backends)}`);
  for (const [name, load] of Object.entries(backends)) {
    if (typeof load === "function") continue;
    throw new TypeError(`backends.${name} must be a function that imports the module, found ${kindOf(load)}`);
  }
  const names = Object.freeze(Object.keys(backends));
  const { onStep, warn = (message) => globalThis.console.warn(message) } = options;
  let warned = false;

  function select(env: Env): string {
    const asked = env.QUEUE_BACKEND;
    if (asked !== undefined && asked !== null && typeof asked !== "string") {
      throw new ConfigError(`QUEUE_BACKEND must be a string, found ${kindOf(asked)}`);
    }
    const name = asked?.trim() || FALLBACK;
    if (!asked?.trim()) {
      const [problem] = misspelt(env, new Set(["QUEUE_BACKEND"]));
      if (problem) throw new ConfigError(problem);
    }
    if (!asked?.trim() && !names.includes(name)) {
      throw new ConfigError(`QUEUE_BACKEND is not set: it must be one of ${listed(names)}`);
    }
    if (!names.includes(name)) throw unknownName(name, names);
    if (!asked?.trim() && !warned) {
      warned = true;
      const durable = names.includes("sqlite") ? "; QUEUE_BACKEND=sqlite keeps them in a file" : "";
      callSafely(
        warn,
        `QUEUE_BACKEND is not set: using "${FALLBACK}", whose messages die with this process${durable}`,
      );
    }
    callSafely(onStep, { step: "selection", name, fallback: !asked?.trim() });
    return name;
  }

  async function load(env: object, options: FromEnvOptions = {}): Promise<LoadedBackend<Backends>> {
    if (typeof env !== "object" || env === null) throw new TypeError(`env must be an object, found ${kindOf(env)}`);
    checkOptions("load options", options, LOAD_CHECKS);
    callSafely(onStep, { step: "discovery", names });
    const name = select(env as Env);
    const module = await importModule(name, backends[name]!);
    callSafely(onStep, { step: "instantiation", name });
    const backend = await module.fromEnv(env as Env, options);
    for (const method of ["publish", "consume", "close"] as const) {
      if (typeof backend?.[method] === "function") continue;
      throw new ConfigError(`Cannot use backend "${name}": the result of its fromEnv(env) has no ${method}()`);
    }
    callSafely(onStep, { step: "operation", name, backend });
    return backend as LoadedBackend<Backends>;
  }

  return { names, load };
}

async function importModule(name: string, load: () => Promise<unknown>): Promise<BackendModule> {
  let module: unknown;
  try {
    module = await load();
  } catch (cause) {
    throw new ConfigError(`Cannot load backend "${name}": its module could not be imported`, { cause });
  }
  if (typeof (module as Partial<BackendModule> | undefined)?.fromEnv !== "function") {
    throw new ConfigError(`Cannot use backend "${name}": its module does not export fromEnv(env)`);
  }
  return module as BackendModule;
}

function listed(names: readonly string[]): string {
  return names.join(", ") || "(the registry is empty)";
}

function unknownName(name: string, names: readonly string[]): ConfigError {
  const asked = name.slice(0, 64).toLowerCase();
  const near = nearest(asked, names, () => Math.max(2, Math.floor(asked.length / 3)));
  const shown = JSON.stringify(name.length > 40 ? `${name.slice(0, 40)}…` : name);
  const identifier = /^[A-Za-z_]\w{0,39}$/.test(name) ? name : "my_queue";
  return new ConfigError(
    `QUEUE_BACKEND must be one of ${listed(names)}, found ${shown}` +
      (near === undefined ? "" : `; did you mean "${near}"?`) +
      `\nTo add a backend of that name, write one line in defineRegistry and one in the import map:` +
      `\n  ${identifier}: () => import("@acme/${identifier}"),` +
      `\n  "@acme/${identifier}": "jsr:@acme/${identifier}@^1.0.0",`,
  );
}
