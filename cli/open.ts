/**
 * Opens the backend that a command works on.
 *
 * @module
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { backends } from "../backends/mod.ts";
import { type BackendMap, defineRegistry } from "../core/config/registry.ts";
import { ConfigError } from "../core/errors.ts";
import type { QueueObserver } from "../core/observer.ts";
import { type Env, isLeasing, type LeasingBackend, type QueueBackend } from "../core/protocol.ts";
import { isPlainObject } from "../core/util/json.ts";

/** The backend where neither `--backend` nor `QUEUE_BACKEND` names one: the one that needs nothing else. */
const FALLBACK = "sqlite";

/** Options of opening a backend. */
export interface OpenOptions {
  /** The backend's name, where the command names it by itself. Default: that of `--backend` or `QUEUE_BACKEND`. */
  readonly backend?: string | undefined;
  /** Is handed to the backend. */
  readonly observer?: QueueObserver | undefined;
  /**
   * True where a queue that lives in this process is of use.
   *
   * @default false
   */
  readonly memory?: boolean | undefined;
}

/** How a backend is chosen. */
export interface Choice extends OpenOptions {
  /** The environment. */
  readonly env: Env;
  /** A module with further backends. */
  readonly registry: string | undefined;
  /** Takes a note for the operator: which backend was taken where none was named. */
  note(sentence: string): void;
}

/**
 * Opens a backend of any kind.
 *
 * @throws {ConfigError} What the registry and the backend refuse.
 */
export async function openAny(choice: Choice): Promise<QueueBackend> {
  const { env, note, memory = false } = choice;
  const named = choice.backend ?? (typeof env.QUEUE_BACKEND === "string" ? env.QUEUE_BACKEND.trim() : "");
  const name = named || FALLBACK;
  if (name === "memory" && !memory) {
    throw new ConfigError(
      "QUEUE_BACKEND must be a queue outside of this process, found memory: its messages are only in the process that publishes them",
    );
  }
  const registry = defineRegistry(await mapOf(choice.registry), { warn: note });
  const backend = await registry.load(withBackend(env, name), { observer: choice.observer });
  if (named === "") {
    const path = typeof env.SQLITE_PATH === "string" && env.SQLITE_PATH !== "" ? env.SQLITE_PATH : "queue.db";
    note(`QUEUE_BACKEND is not set: using sqlite, in ${path} of this folder`);
  }
  return backend;
}

/**
 * Opens a backend that can be looked into.
 *
 * @throws {ConfigError} What the registry and the backend refuse, and a plugin without leases.
 */
export async function open(choice: Choice): Promise<LeasingBackend> {
  const backend = await openAny(choice);
  if (isLeasing(backend)) return backend;
  await backend.close();
  throw new ConfigError("QUEUE_BACKEND must be a backend with leases, found one that only publishes and consumes");
}

/** Works with a backend that is being opened, and closes it whatever happens. */
export async function closing<T>(
  opening: Promise<LeasingBackend>,
  work: (backend: LeasingBackend) => Promise<T>,
): Promise<T> {
  const backend = await opening;
  try {
    return await work(backend);
  } finally {
    await backend.close();
  }
}

/** Returns the environment with another `QUEUE_BACKEND`. Variables are still read when they are asked for. */
function withBackend(env: Env, name: string): Env {
  return Object.create(env, { QUEUE_BACKEND: { value: name, enumerable: true } }) as Env;
}

async function mapOf(registry: string | undefined): Promise<BackendMap> {
  if (registry === undefined) return backends;
  return { ...backends, ...await importBackends(registry) };
}

async function importBackends(file: string): Promise<BackendMap> {
  const module = await importFile(file, "--registry");
  const found = module.backends ?? module.default;
  if (isPlainObject(found) && Object.values(found).every((load) => typeof load === "function")) {
    return found as unknown as BackendMap;
  }
  throw new ConfigError(
    `Cannot use --registry ${file}: it must export "backends", an object such as { my_queue: () => import("@acme/my-queue") }`,
  );
}

/**
 * Imports a module of the operator's, named from the working folder.
 *
 * @throws {ConfigError} It cannot be imported; the message has the reason.
 */
export async function importFile(file: string, option: string): Promise<Readonly<Record<string, unknown>>> {
  const url = /^[a-z][a-z\d+.-]+:/i.test(file) ? file : pathToFileURL(resolve(file)).href;
  try {
    return await import(url);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`Cannot import ${option} ${file}: ${reason}`, { cause });
  }
}
