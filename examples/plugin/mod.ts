/**
 * NATS JetStream as a backend of `@slack-mcp/queue`, written against its published exports alone.
 *
 * ## Delivery semantics
 *
 * 1. *Confirmed*: the server acknowledges each publish. 2. *At least once*: a stream with the retention of a work queue
 * keeps a message until it is acknowledged; a crash of the server may forget the acknowledgements of the last moments, and
 * those messages come again. 3. *Leases*: the server has one time for all deliveries (`ackWaitMs`); the
 * driver keeps longer leases by telling the server that the work goes on. **Not fenced**: the server takes an
 * acknowledgement from an old delivery. The driver refuses by its own clock what is late before it leaves; what leaves in
 * time and arrives late settles the delivery of somebody else. 4. *Attempts* are the server's count: killed consumers
 * count, a release counts too, and a crash of the server may lose the newest deliveries from it. 5. *Delays*: none. 6. *Dead letters*: a stream beside the key's own, listed, replayed and purged. 7. *Bounded*:
 * `maxLength` refuses new messages. 8. *Groups*: none. 12. *Reconnects* by itself. 13. *Costs*: two requests for each
 * 30 s of waiting, and up to three for a message. 15. *Ordering keys*: none.
 *
 * ## Configuration
 *
 * `NATS_URL` (`nats://` or `tls://`), `NATS_USERNAME`, `NATS_PASSWORD`, `NATS_SSL`, `NATS_TIMEOUT` (s),
 * `NATS_MAX_RETRIES`, `NATS_RETRY_DELAY` (s), `NATS_DURABLE`, `NATS_MAX_LENGTH`, `NATS_ACK_WAIT` (s).
 *
 * ## Runtimes
 *
 * Deno, Bun, Node.
 *
 * @module
 */
import type { Env, FromEnvOptions } from "@slack-mcp/queue";
import { checkDriver, PortableBackend } from "@slack-mcp/queue/driver";
import { NatsDriver } from "./driver.ts";
import { type NatsOptions, portableOptions, readOptions } from "./options.ts";

export { NatsDriver, type NatsOptions };

/** Queues in NATS JetStream. */
export class NatsBackend extends PortableBackend {
  /** Connects at the first use. */
  constructor(options: NatsOptions = {}) {
    super(checkDriver(new NatsDriver(options)), portableOptions(options));
  }
}

/**
 * Makes the backend that the environment describes.
 *
 * @param env The environment with the `NATS_…` variables.
 * @param options The observer.
 * @returns A backend that connects at the first use.
 * @throws {ConfigError} A `NATS_…` variable that is wrong or does not apply.
 */
export function fromEnv(env: Env, { observer }: FromEnvOptions = {}): NatsBackend {
  return new NatsBackend({ ...readOptions(env), observer });
}
