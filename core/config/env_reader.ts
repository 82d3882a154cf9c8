/**
 * Configuration from an environment: every variable validated, all problems in one error.
 *
 * @module
 */
import { ConfigError } from "../errors.ts";
import { isPlainObject } from "../util/json.ts";
import { readRetryFields, type RetryConfig, shown, VariableReader } from "./variables.ts";

/** The settings that every backend has, in milliseconds. */
export interface QueueConfig extends RetryConfig {
  /**
   * `<PREFIX>_URL`, without user and password, which have their own fields.
   *
   * @default none
   */
  readonly url: string | undefined;
  /** `<PREFIX>_USERNAME`, else the URL's. */
  readonly username: string | undefined;
  /** `<PREFIX>_PASSWORD`, else the URL's. Not enumerable, so that printing the configuration does not show it. */
  readonly password: string | undefined;
  /**
   * `<PREFIX>_SSL`: `true` or `false`.
   *
   * @default by the URL's scheme
   */
  readonly ssl: boolean | undefined;
  /**
   * `<PREFIX>_DURABLE`: whether messages outlive a restart of the broker, where the backend can choose.
   *
   * @default true
   */
  readonly durable: boolean;
}

const ENCODE = "percent-encode user and password, such as / as %2F, @ as %40, # as %23, % as %25";

const TRUE = new Set(["true", "1", "yes", "on"]);
const FALSE = new Set(["false", "0", "no", "off"]);

/**
 * Reads variables one by one and collects the problems, so that an operator sees all of them at once.
 *
 * A variable that is unset or empty counts as not given.
 *
 * @example
 * ```ts
 * import { EnvReader } from "@slack-mcp/queue/driver";
 * import assert from "node:assert/strict";
 *
 * const reader = new EnvReader({ MY_PORT: "80", MY_MODE: "fast" });
 * assert.equal(reader.integer("MY_PORT", { min: 1, max: 65_535 }), 80);
 * assert.equal(reader.oneOf("MY_MODE", ["fast", "safe"]), "fast");
 * reader.check(); // throws a ConfigError where something was wrong
 * ```
 */
export class EnvReader extends VariableReader {
  /** Reads a text that must be set. */
  required(name: string, hint: string): string {
    const value = this.string(name);
    if (value === undefined && (this.raw(name) === undefined || this.raw(name) === null)) {
      this.problem(`${name} is not set: ${hint}`);
    }
    return value ?? "";
  }

  /** Reads `true`, `1`, `yes`, `on` or `false`, `0`, `no`, `off`, in any case. */
  boolean(name: string): boolean | undefined {
    const value = this.string(name)?.trim().toLowerCase();
    if (value === undefined) return undefined;
    if (TRUE.has(value)) return true;
    if (FALSE.has(value)) return false;
    this.problem(`${name} must be true or false, found ${shown(value)}`);
    return undefined;
  }

  /** Reads one of several texts. */
  oneOf<const T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const value = this.string(name);
    if (value === undefined) return undefined;
    const found = allowed.find((one) => one === value.trim());
    if (found === undefined) this.problem(`${name} must be one of ${allowed.join(", ")}, found ${shown(value)}`);
    return found;
  }

  /**
   * Reads a URL. An error shows no part of it behind the scheme: a password that is not percent-encoded may stand
   * anywhere, since the first "/", "?" or "#" in it ends what a URL takes for the host.
   *
   * @param schemes The schemes that are allowed, such as `["redis:", "rediss:"]`. Default: any.
   */
  url(name: string, schemes?: readonly string[]): URL | undefined {
    const value = this.string(name);
    if (value === undefined) return undefined;
    const allowed = schemes?.map((scheme) => `${scheme}//`).join(" or ");
    let url: URL;
    try {
      url = new URL(value.trim());
    } catch {
      // The parser's error would quote the URL, and with it a password.
      const hint = value.includes("@") ? ` (${ENCODE})` : "";
      this.problem(
        `${name} must be a URL${allowed ? ` that starts with ${allowed}` : ""}, found text that is not one${hint}`,
      );
      return undefined;
    }
    if (url.host === "" && (schemes !== undefined || url.href.includes("@"))) {
      // "user:password@host:6379" is a URL too, of the scheme "user:": its parts would pass for harmless.
      this.problem(`${name} must be a URL that starts with ${allowed ?? "a scheme and //"}, found text that does not`);
      return undefined;
    }
    if (schemes !== undefined && !schemes.includes(url.protocol)) {
      this.problem(`${name} must start with ${allowed}, found the scheme ${shown(url.protocol)}`);
      return undefined;
    }
    if (`${url.pathname}${url.search}${url.hash}`.includes("@")) {
      this.problem(`${name} must have no "@" behind its host, found one: ${ENCODE}`);
      return undefined;
    }
    return url;
  }

  /**
   * Takes user and password out of a URL, and decodes them.
   *
   * @param name The variable that the URL is from.
   * @param url The URL, which has neither afterwards.
   */
  credentials(
    name: string,
    url: URL,
  ): { readonly username: string | undefined; readonly password: string | undefined } {
    const decode = (part: string): string | undefined => {
      try {
        return part === "" ? undefined : decodeURIComponent(part);
      } catch {
        // The part itself is a secret: it is not shown.
        this.problem(`${name} must have its user and password percent-encoded, found a stray % in them`);
        return undefined;
      }
    };
    const { username, password } = url;
    url.username = url.password = "";
    return { username: decode(username), password: decode(password) };
  }

  /** A JSON object of texts, such as a map from key to queue. */
  record(name: string): Record<string, string> | undefined {
    const value = this.string(name);
    if (value === undefined) return undefined;
    let parsed: unknown;
    try {
      parsed = JSON.parse(value);
    } catch {
      parsed = undefined; // told below, without the text
    }
    if (isPlainObject(parsed) && Object.values(parsed).every((entry) => typeof entry === "string")) {
      return parsed as Record<string, string>;
    }
    this.problem(`${name} must be a JSON object of strings, found text that is not one`);
    return undefined;
  }

  /**
   * Runs a part of the start that may throw a `ConfigError`, and adds that error's problems to this reader's own, so
   * that an operator sees the problems of all parts at once.
   *
   * @param part The part, such as `() => registry.load(env)`.
   * @returns What the part returns; `undefined` when it threw a `ConfigError`.
   * @throws Any other error of the part.
   */
  async gather<T>(part: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await part();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      for (const problem of error.problems) this.problem(problem);
      return undefined;
    }
  }
}

/**
 * Reads the variables that every backend has, gathering problems in the reader.
 *
 * @param reader Where problems go; call its `check()` when all is read.
 * @param prefix The backend's, such as `"REDIS"`.
 * @param schemes The URL schemes that are allowed. Default: any.
 */
export function readQueueFields(reader: EnvReader, prefix: string, schemes?: readonly string[]): QueueConfig {
  const url = reader.url(`${prefix}_URL`, schemes);
  const found = url && reader.credentials(`${prefix}_URL`, url);
  const username = reader.string(`${prefix}_USERNAME`) ?? found?.username;
  const password = reader.string(`${prefix}_PASSWORD`) ?? found?.password;
  const config = {
    url: url?.href,
    username,
    ssl: reader.boolean(`${prefix}_SSL`),
    durable: reader.boolean(`${prefix}_DURABLE`) ?? true,
    ...readRetryFields(reader, prefix),
  };
  return Object.defineProperty(config, "password", { value: password, enumerable: false }) as QueueConfig;
}

/**
 * Reads and validates the variables that every backend has: `<PREFIX>_URL`, `_USERNAME`, `_PASSWORD`, `_SSL`,
 * `_TIMEOUT` (s), `_MAX_RETRIES`, `_RETRY_DELAY` (s), `_DURABLE`, `_MESSAGE_TTL` (s), `_MAX_LENGTH`.
 *
 * @example
 * ```ts
 * import { readQueueConfig } from "@slack-mcp/queue/driver";
 * import assert from "node:assert/strict";
 *
 * const config = readQueueConfig({ REDIS_URL: "redis://app:secret@localhost:6379/1", REDIS_TIMEOUT: "2.5" }, "REDIS");
 * assert.equal(config.url, "redis://localhost:6379/1");
 * assert.equal(config.username, "app");
 * assert.equal(config.timeoutMs, 2_500);
 * assert.ok(!JSON.stringify(config).includes("secret"));
 * ```
 *
 * @throws {ConfigError} Anything wrong: each variable, what was found (never a secret), what is allowed.
 */
export function readQueueConfig(env: object, prefix: string): QueueConfig {
  const reader = new EnvReader(env);
  const config = readQueueFields(reader, prefix);
  reader.check();
  return config;
}
