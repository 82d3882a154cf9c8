/**
 * The server's settings, read from the environment.
 *
 * @module
 */
import { EnvReader } from "../../core/config/env_reader.ts";
import type { Handler } from "../../core/consume/consumer.ts";
import type { QueueBackend } from "../../core/protocol.ts";
import { DEFAULT_EVENTS_KEY, readSlackConfig } from "../../slack/mod.ts";

/** The halves of the server that run. */
export type Mode = "both" | "webhook" | "consume";

/** The server's settings. */
export interface Settings {
  /** The key. */
  readonly key: string;
  /** The Signing Secrets; none in mode `"consume"`. */
  readonly signingSecret: readonly string[];
  /** The events that are handled one at a time; `undefined`: the default. */
  readonly ordering: "thread" | "channel" | "none" | undefined;
  /** The port; `undefined`: listen nowhere. */
  readonly port: number | undefined;
  /** The interface. */
  readonly hostname: string;
  /** The token of the operator's pages. */
  readonly token: string | undefined;
  /** The queue. */
  readonly backend: QueueBackend;
  /** The handler; `undefined` in mode `"webhook"`, and where none was given. */
  readonly handler: Handler | undefined;
}

/** Settings that are not variables. */
export interface SettingsOptions {
  readonly mode: Mode;
  /** Goes before `SLACK_EVENTS_TOPIC`. */
  readonly key: string | undefined;
  /** Goes before `PORT`. */
  readonly port: number | undefined;
  /** Goes before `HOST`. */
  readonly hostname: string | undefined;
  /** Opens the queue. */
  open(): Promise<QueueBackend>;
  /** Loads the handler. */
  handler(): Promise<Handler | undefined>;
}

/** The shortest token: a guess must not succeed. */
const MIN_TOKEN = 16;
const DEFAULT_PORT = 3000;

/**
 * Reads everything that the environment sets, so that all its problems come in one error.
 *
 * @throws {ConfigError} Every problem.
 */
export async function readSettings(env: object, options: SettingsOptions): Promise<Settings> {
  const { mode } = options;
  const reader = new EnvReader(env);
  const slack = mode === "consume" ? undefined : await reader.gather(() => readSlackConfig(env));
  const topic = reader.string("SLACK_EVENTS_TOPIC")?.trim() || DEFAULT_EVENTS_KEY;
  const port = options.port ?? reader.integer("PORT", { max: 65_535 });
  const hostname = options.hostname ?? reader.string("HOST") ?? "0.0.0.0";
  const token = readToken(reader);
  const handler = mode === "webhook" ? undefined : await reader.gather(() => options.handler());
  const backend = await reader.gather(() => options.open());
  try {
    if (backend && mode !== "both" && isInProcess(backend)) {
      reader.problem(
        `QUEUE_BACKEND must be a queue outside of this process, found ${nameOf(backend)}: with --${
          mode === "webhook" ? "webhook-only nobody could consume" : "consume-only nobody could publish"
        }`,
      );
    }
    reader.check();
  } catch (error) {
    await backend?.close();
    throw error;
  }
  return {
    key: options.key ?? topic,
    signingSecret: slack?.signingSecret ?? [],
    ordering: slack?.ordering,
    port: port ?? (mode === "consume" ? undefined : DEFAULT_PORT),
    hostname,
    token,
    backend: backend!, // check() has thrown when it is missing
    handler,
  };
}

/** Reads the token of the operator's pages. */
export function readToken(reader: EnvReader): string | undefined {
  const token = reader.string("METRICS_TOKEN")?.trim();
  if (!token) return undefined;
  if (/^[!-~]+$/.test(token) && token.length >= MIN_TOKEN) return token;
  reader.problem(`METRICS_TOKEN must have at least ${MIN_TOKEN} characters, visible ASCII without white space`);
  return undefined;
}

/** The abilities and the name of a backend; a plugin may tell neither. */
interface Described {
  readonly name?: string;
  readonly capabilities?: { readonly durable: boolean };
}

/** Tells whether the queue dies with this process. */
export function isInProcess(backend: QueueBackend & Described): boolean {
  return backend.capabilities?.durable === false && nameOf(backend) === "memory";
}

/** The name of a backend, for the log. */
export function nameOf(backend: QueueBackend & Described): string {
  return backend.name ?? backend.constructor.name;
}
