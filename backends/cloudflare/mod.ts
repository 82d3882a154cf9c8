/**
 * Cloudflare Queues: from a Worker through its bindings, from anywhere else over the HTTP API.
 *
 * @module
 */
import { PortableBackend } from "../../core/backend.ts";
import { EnvReader, readQueueFields } from "../../core/config.ts";
import { backendOptions } from "../../core/host.ts";
import type { Env } from "../../core/protocol.ts";
import { bindingDriver, bindingName } from "./binding_driver.ts";
import { HttpDriver } from "./http_driver.ts";
import type { CloudflareOptions, QueueAddress, QueueBinding } from "./options.ts";

export { deadLetterTo } from "./dead_letter_to.ts";
export type {
  BindingMessage,
  ByKey,
  CloudflareBindingOptions,
  CloudflareHttpOptions,
  CloudflareOptions,
  QueueAddress,
  QueueBinding,
} from "./options.ts";

/** Queues of Cloudflare: through bindings, or over HTTP. */
export class CloudflareBackend extends PortableBackend {
  /**
   * A backend; nothing is opened and nothing asked before it is needed.
   *
   * @throws {TypeError | RangeError} An option that is not as described.
   */
  constructor(options: CloudflareOptions) {
    super("bindings" in options ? bindingDriver(options) : new HttpDriver(options), backendOptions(options));
  }
}

const PREFIX = "CLOUDFLARE";

function isBinding(value: unknown): value is QueueBinding {
  return typeof (value as Partial<QueueBinding> | null | undefined)?.sendBatch === "function";
}

/**
 * A backend by the environment: through bindings where `env` has queue bindings, else over HTTP.
 *
 * @throws {ConfigError} What is missing or wrong, all at once.
 */
export function fromEnv(env: Env): CloudflareBackend {
  const reader = new EnvReader(env);
  const { url, timeoutMs, maxRetries, retryDelayMs } = readQueueFields(reader, PREFIX, ["https:", "http:"]);
  const map = reader.record("CLOUDFLARE_QUEUES") ?? {};
  const options = { timeoutMs, maxRetries, retryDelayMs };
  if (Object.values(env).some(isBinding)) {
    const names = Object.entries(map).filter(([, name]) => !isBinding(env[name]));
    for (const [key, name] of names) {
      reader.problem(`CLOUDFLARE_QUEUES must name queue bindings of env, found ${name} for ${key}`);
    }
    reader.check();
    return new CloudflareBackend({
      ...options,
      bindings: (key) => {
        const binding = env[Object.hasOwn(map, key) ? map[key]! : bindingName(key)];
        return isBinding(binding) ? binding : undefined;
      },
    });
  }
  const accountId = reader.required("CLOUDFLARE_ACCOUNT_ID", "the account's id, or give env a queue binding");
  const apiToken = reader.required("CLOUDFLARE_API_TOKEN", "a token with Queues: Edit, or give env a queue binding");
  const maxPollMs = reader.seconds("CLOUDFLARE_MAX_POLL", { min: 1 });
  reader.check();
  return new CloudflareBackend({
    ...options,
    accountId,
    apiToken,
    maxPollMs,
    ...url && { apiUrl: url },
    queues: (key): QueueAddress | undefined => {
      const name = `CLOUDFLARE_QUEUE_${bindingName(key)}`;
      const queue = Object.hasOwn(map, key) ? map[key] : env[name];
      const deadLetters = env[`${name}_DLQ`];
      return typeof queue === "string" ? { queue, ...typeof deadLetters === "string" && { deadLetters } } : undefined;
    },
  });
}
