/**
 * Queues on RabbitMQ, with quorum queues, publisher confirms, groups and dead letters. RabbitMQ 3.10 or newer.
 *
 * Publishers and consumers meet at one durable topic exchange without arguments. Each key and group has a queue bound with
 * the key: `<exchange>_<group>` for the key that is named as the exchange, else `<exchange>_<key>_<group>`, which are the
 * names of the Python Slack MCP Server's guide. A body is the payload as JSON, `message_id` the id, headers are AMQP
 * headers; a foreign publisher needs none of them. A queue that somebody else declared, with whatever arguments, is
 * taken as it is: what needs arguments lives in queues of our own beside it.
 *
 * | queue | what is in it |
 * |---|---|
 * | `<queue>` | what is ready, for us and for foreign consumers |
 * | `<queue>.dead` | dead letters |
 * | `<queue>.delay.<n>` | retries that wait for 2ⁿ ms |
 * | `<exchange>:<key>.delay.<n>` | delayed publishes of a key, for all of its groups |
 * | `<exchange>.due` | what has waited; a process of ours moves it to where it belongs, or to wait on |
 * | `<exchange>.due.dead` | what has waited and belongs nowhere: nothing is bound for its key, or it is not ours |
 *
 * ## Delivery semantics
 *
 * 1. *Confirmed*: a publish is mandatory and persistent, and resolves when the broker has it on every queue that is bound.
 *    `"queue-full"`: the broker refused it, or is low on memory or disk; `"too-large"`, `"unauthorized"`, `"not-found"` (no
 *    queue is bound and we may declare none). A message without a confirmation is `"unknown-outcome"` and is not repeated:
 *    RabbitMQ knows no ids.
 * 2. *At least once*: a message stays on its queue until it is acknowledged. A retry, a release and a dead letter are copies
 *    with the same id, confirmed before the original is acknowledged: a crash between the two duplicates and loses nothing.
 * 3. *Leases*: a delivery belongs to its channel. A lease that nobody renews is given back by the process that holds it. **A
 *    process that is killed loses its connection, and its messages come again at once**, not after `leaseMs`; one that
 *    freezes, or whose network is gone, after two heartbeats. The broker settles nothing for a channel that is gone, so late
 *    settlements answer `false`. A delivery that is held for longer than the broker's `consumer_timeout` (30 minutes) is lost,
 *    and with it all of its channel: its signal aborts at the next renewal.
 * 4. *Attempts* are a header of the copies and the broker's own count. A classic queue only knows whether it has delivered a
 *    message before, so there a second kill in a row does not count. RabbitMQ counts a message
 *    that it assigns to a consumer in the moment in which that one leaves, though it never sends it: such a message may be
 *    at its second attempt when somebody gets it. Consumers that wait are exposed to that. One that does not wait
 *    (`stopWhenEmpty`, `drain`) asks for each message and leaves nothing assigned, unless the queue is long.
 * 5. *Delays*, of any length, are never early and wait behind no longer one. The broker keeps them; the last step needs any
 *    process of ours that consumes, or that delayed something, to be there. It is a copy too, so a process that dies in it
 *    leaves the message twice. What waits for a queue that is deleted meanwhile becomes a dead letter of that queue.
 * 6. *Dead letters* have all that the message had, with cause, attempts, key, group and times. Listing takes them and gives
 *    them back, so two who list at the same time see a part each. It has a connection of its own: RabbitMQ 3.10 ends the
 *    connection of a client that reads a quorum queue while another one declares it.
 * 7. *Bounded* by the broker: a policy with `max-length` and `overflow: reject-publish` bounds a queue and disturbs nobody's
 *    declaration; a publish is `"queue-full"` then. There is no `maxLength` here.
 * 8. *Groups*: a queue gets what is published once it is declared. Publishers declare the default group's, and those of
 *    `groups` (`RABBITMQ_GROUPS`): **a group that is not named there starts with its first consumer.** A queue whose group has
 *    no consumer any more keeps its messages until it is deleted.
 * 9. *`consume`* acknowledges by asking. What is given back goes to the end of the queue, uncounted.
 * 10. *Backpressure*: the broker pushes what was asked for, and more ahead of handlers that are fast, never more than
 *    `prefetch`.
 * 11. *Abort and close*: what was pushed and not handed out goes back.
 * 12. *Reconnects* when it is next used, or at once where it moves what is delayed, and declares everything anew. Nothing
 *    that waits for the broker outlives its connection: what has no answer by then fails as `"connection"`, and is tried
 *    again.
 * 13. *Idle cost*: heartbeats, and no command.
 * 14. *Secrets*: the password is handed to the client apart from any URL.
 * 15. *Ordering keys*: not offered.
 *
 * Order: first in, first out, but for what was retried or given back. `depth` counts what is in flight in this process alone.
 * `inspect` is not offered: AMQP has no list of queues, and it shows a message only to who takes it, which counts a delivery.
 * `rabbitmqctl list_queues name messages_ready messages_unacknowledged` tells without that.
 *
 * **RabbitMQ 4.** The tests run on 3.10.8; what follows is from its documentation. A quorum queue drops a message after 20
 * deliveries that failed (`x-delivery-limit`), unless it has a dead letter exchange or a policy says otherwise. A retry, a
 * release and a dead letter are copies here, which start at zero; a message whose consumers keep dying is copied anew at its
 * eighth, before anybody gets it; the queue of dead letters has a limit of its own that is never reached. From 4.3 on
 * `basic.nack` does not count any more: `basic.reject` does, which is what is used, and `x-acquired-count`, read in place of
 * `x-delivery-count`, tells how often a message was assigned to a consumer.
 *
 * **Classic queues** (`queueType: "classic"`): the queues of groups and of dead letters are classic ones, on one node.
 * Retries and delays wait in quorum queues all the same: a classic one may lose a message that it passes on when its node
 * dies.
 *
 * **A new quorum queue** has its place in the broker's directory up to a second after it was declared, and a broker that is
 * killed before that starts without what the queue had, and may have a queue without a leader, which nobody can use until it is
 * deleted. So the first use of a key and group, and the first delay and the first dead letter of each, wait for a second and a
 * half.
 *
 * Two pairs of key and group whose queues have the same name, such as `a_b`, `c` and `a`, `b_c`, are refused where one process
 * uses both; `queue` (`RABBITMQ_QUEUE`) is a template for other names.
 *
 * ## Configuration
 *
 * | variable | what |
 * |---|---|
 * | `RABBITMQ_URL` | `amqp://user:password@host:port/vhost`; `amqps://` for TLS |
 * | `RABBITMQ_HOST`, `RABBITMQ_PORT`, `RABBITMQ_VHOST` | in place of a URL; 5672 (TLS: 5671), `/` |
 * | `RABBITMQ_USERNAME`, `RABBITMQ_PASSWORD` | where the URL has none; `guest` |
 * | `RABBITMQ_SSL` | `true`: TLS also without `amqps://` |
 * | `RABBITMQ_EXCHANGE` | `slack_events` |
 * | `RABBITMQ_QUEUE` | the names of queues, such as `{exchange}.{key}.{group}` |
 * | `RABBITMQ_GROUPS` | groups, separated by commas, whose queues a publisher declares |
 * | `RABBITMQ_QUEUE_TYPE` | `quorum` (default) or `classic` |
 * | `RABBITMQ_DECLARE` | `active` (default) or `passive`: declare nothing, everything exists |
 * | `RABBITMQ_HEARTBEAT` (s) | 10 |
 * | `RABBITMQ_TIMEOUT` (s), `RABBITMQ_MAX_RETRIES`, `RABBITMQ_RETRY_DELAY` (s) | 5, 3, 0.1 |
 * | `RABBITMQ_MESSAGE_TTL` (s) | unsettled messages leave by themselves; default: never |
 * | `RABBITMQ_DURABLE` | `false`: classic queues keep messages in memory |
 *
 * Without the right to declare, what exists is used. The user needs to read the queues, and to write to the exchange and
 * to the default exchange.
 *
 * ## Runtimes
 *
 * Deno, Bun, Node, over `amqplib` 2.3.1. Both it and `@cloudamqp/amqp-client` 4.1.1 have no dependency, and confirmed,
 * consumed and redelivered on all three when they were tried; neither declares anything anew after a reconnect, so that is
 * done here. Under kills of the broker only `amqplib` was tried: the tests of this backend do it on each runtime.
 *
 * @example
 * ```ts
 * import { RabbitMQBackend } from "@slack-mcp/queue/rabbitmq";
 *
 * const backend = new RabbitMQBackend({ url: "amqp://localhost", groups: ["slack-mcp", "bots"] });
 *
 * async function main(): Promise<void> {
 *   await backend.publish("slack_events", { type: "event_callback" }, { id: "Ev123" });
 *   for await (const delivery of backend.receive("slack_events", { group: "bots" })) {
 *     await delivery.ack();
 *   }
 * }
 *
 * if (backend.capabilities.dedup) await main();
 * await backend.close();
 * ```
 *
 * @module
 */
import { PortableBackend } from "../../core/backend.ts";
import type { FromEnvOptions } from "../../core/config/registry.ts";
import { backendOptions } from "../../core/backend_options.ts";
import type { AmqpConnection } from "./client.ts";
import { createDriver } from "./driver.ts";
import { optionsFromEnv, type RabbitMQOptions } from "./options.ts";

export type { AmqpConnection, RabbitMQOptions };

/** Queues on RabbitMQ: one queue for each key and group, publisher confirms, dead letters. */
export class RabbitMQBackend extends PortableBackend {
  /**
   * Makes a backend that connects when it is first used.
   *
   * @param options Where the broker is, and how exchange and queues are named.
   * @throws {TypeError | RangeError} An option that is not as described.
   * @throws {ConfigError} A URL that is not of RabbitMQ.
   */
  constructor(options: RabbitMQOptions = {}) {
    super(createDriver(options), backendOptions(options));
  }
}

/**
 * Makes a backend as the `RABBITMQ_…` variables describe it.
 *
 * @param env The environment.
 * @param options The observer.
 * @returns A backend that connects when it is first used.
 * @throws {ConfigError} A variable that is missing or wrong.
 */
export function fromEnv(env: object, { observer }: FromEnvOptions = {}): RabbitMQBackend {
  return new RabbitMQBackend({ ...optionsFromEnv(env), observer });
}
