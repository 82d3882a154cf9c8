/**
 * Publishing from a Worker, through its queue bindings.
 *
 * @module
 */
import { checkValue } from "../../core/util/validate.ts";
import type { DriverMessage, QueueDriver, SendResult } from "../../core/driver.ts";
import { QueueError } from "../../core/errors.ts";
import type { Capabilities } from "../../core/protocol.ts";
import { codeOfBinding } from "./errors.ts";
import { MAX_BATCH_MESSAGES, MAX_BYTES, sendAll } from "./messages.ts";
import { byKey, type CloudflareOptions, lookUp } from "./options.ts";

/** What both transports can do. */
export const CAPABILITIES: Capabilities = {
  durable: true,
  delay: true,
  ttl: false,
  dedup: false,
  groups: false,
  deadLetters: false,
  replay: false,
  fencing: false,
  extend: false,
  release: false,
  attempts: true,
  headers: true,
  maxLength: false,
  depth: false,
  orderingKeys: false,
  order: "best-effort",
  consume: "push",
  maxPayloadBytes: MAX_BYTES,
  idleCostPerHour: 0,
};

/** What both transports are limited to: 256 KB a batch, of which the platform takes a hundred a message for itself, and our envelope 38. */
export const LIMITS = { maxBatchMessages: MAX_BATCH_MESSAGES, maxBatchBytes: 242_000, maxDelayMs: 86_400_000 };

/** The name of the binding for a key: `slack_events` → `SLACK_EVENTS`. */
export function bindingName(key: string): string {
  return key.toUpperCase().replace(/[^A-Z0-9]+/g, "_");
}

/** A driver over the bindings. Consuming is the platform's: it pushes. */
export function bindingDriver(bindings: CloudflareOptions["bindings"]): QueueDriver {
  checkValue("bindings", bindings, byKey);
  return {
    ...LIMITS,
    name: "cloudflare",
    unbatched: true,
    capabilities: CAPABILITIES,
    async send(key: string, messages: readonly DriverMessage[]): Promise<SendResult[]> {
      const binding = lookUp(bindings, key);
      if (!binding) {
        throw new QueueError(
          "not-found",
          `env has no queue binding ${bindingName(key)}: wrangler.jsonc, queues.producers`,
        );
      }
      return await sendAll(messages, (batch) =>
        binding.sendBatch(batch.map(({ text, delaySeconds }) => ({
          body: JSON.parse(text),
          contentType: "json",
          ...delaySeconds !== undefined && { delaySeconds },
        }))));
    },
    close: () => Promise.resolve(),
    classify: codeOfBinding,
  };
}
