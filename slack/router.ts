/**
 * Brings each event to the handlers that asked for its kind.
 *
 * @module
 */
import { checkValue, func, text } from "../core/util/validate.ts";
import { PermanentError } from "../core/errors.ts";
import { isPlainObject, kindOf } from "../core/util/json.ts";
import type { Delivery } from "../core/protocol.ts";
import type { SlackEnvelope, SlackEvent, SlackEventMap } from "./events.ts";

/** What a handler gets. */
export interface SlackEventContext<Event extends SlackEvent = SlackEvent> {
  /** The event. */
  readonly event: Event;
  /** What Slack posted around it. */
  readonly envelope: SlackEnvelope<Event>;
  /** The message that carried it: attempts, `signal`, `extend`. The consumer settles it when the handlers are done. */
  readonly delivery: Delivery;
}

/** Handles one event. Resolving is success, throwing is failure, `PermanentError` is failure for good. */
export type SlackEventHandler<Event extends SlackEvent = SlackEvent> = (
  context: SlackEventContext<Event>,
) => Promise<void> | void;

/** Thrown by {@link SlackEventRouter.handle} where handlers failed; `errors` has what each threw. */
export class SlackHandlerError extends AggregateError {
  /** `"SlackHandlerError"`. */
  override readonly name = "SlackHandlerError";
  /** The handlers that failed, each by the name that it asked for and its function's own, in the order of `errors`. */
  readonly handlers: readonly string[];

  /** An error of at least one failure. */
  constructor(failures: readonly { readonly handler: string; readonly error: unknown }[]) {
    const errors = failures.map(({ error }) => error);
    super(errors, describe(failures), { cause: errors[0] });
    this.handlers = failures.map(({ handler }) => handler);
  }
}

interface Route {
  /** For errors: what was asked for, and the function's name where it has one. */
  readonly label: string;
  readonly handler: SlackEventHandler;
}

/** The names that Slack's subscriptions give to a message's `channel_type`. */
const CHANNEL_NAMES: Readonly<Record<string, string>> = {
  channel: "channels",
  group: "groups",
  im: "im",
  mpim: "mpim",
  app_home: "app_home",
};

/**
 * Routes events by Slack's own names.
 *
 * An event goes to every handler whose name fits: its type (`"app_mention"`, `"message"`), for a message also the kind of
 * channel (`"message.channels"`, `"message.groups"`, `"message.im"`, `"message.mpim"`), its type and subtype
 * (`"message.message_changed"`), and `"*"`. Where no name but `"*"` fits, `otherwise` gets it. An event that nobody asked
 * for is done.
 *
 * The handlers of one event run side by side. Where one fails, the delivery fails and is tried again as a whole, so a
 * handler may see an event twice and must bear it: `envelope.event_id` stays the same. A delivery fails for good only where every
 * handler that failed threw a `PermanentError`.
 *
 * @example
 * ```ts
 * import { createConsumer } from "@slack-mcp/queue";
 * import { MemoryBackend } from "@slack-mcp/queue/memory";
 * import { SlackEventRouter } from "@slack-mcp/queue/slack";
 *
 * const seen: string[] = [];
 * const router = new SlackEventRouter()
 *   .on("app_mention", ({ event }) => void seen.push(event.text))
 *   .on("message.channels", ({ event }) => void seen.push(event.channel))
 *   .otherwise(({ event }) => void seen.push(event.type));
 *
 * await using backend = new MemoryBackend();
 * await backend.publish("slack_events", {
 *   type: "event_callback",
 *   event_id: "Ev1",
 *   event: { type: "app_mention", text: "<@U1> hello" },
 * });
 * await createConsumer({ handler: router.handle }).drain(backend, "slack_events");
 * if (seen.join() !== "<@U1> hello") throw new Error("not as promised");
 * ```
 */
export class SlackEventRouter {
  readonly #routes = new Map<string, Route[]>();
  readonly #rest: Route[] = [];

  /** Handles one delivery: a consumer's handler. Bound, so it can be passed on as it is. */
  readonly handle: (delivery: Delivery) => Promise<void> = (delivery) => this.#handle(delivery);

  /** Calls `handler` for each event that `name` fits; see the class. */
  on<Name extends keyof SlackEventMap>(name: Name, handler: SlackEventHandler<SlackEventMap[Name]>): this;
  /** Calls `handler` for each event that `name` fits: `"*"`, or a name that {@link SlackEventMap} does not know. */
  on(name: string, handler: SlackEventHandler): this;
  on(name: string, handler: SlackEventHandler<never>): this {
    checkValue("name", name, text);
    const routes = this.#routes.get(name) ?? [];
    this.#routes.set(name, [...routes, toRoute(`"${name}"`, handler)]);
    return this;
  }

  /** Calls `handler` for each event that no name fits; `"*"` is not counted as one. */
  otherwise(handler: SlackEventHandler): this {
    this.#rest.push(toRoute("otherwise", handler));
    return this;
  }

  async #handle(delivery: Delivery): Promise<void> {
    const envelope = delivery.payload;
    const { event } = envelope;
    if (!isEvent(event)) {
      throw new PermanentError("Cannot route: the payload is not a Slack event: it has no event with a type", {
        key: delivery.key,
        id: delivery.id,
      });
    }
    const context = { event, envelope: envelope as SlackEnvelope, delivery };
    const routes = this.#routesOf(event);
    const results = await Promise.allSettled(routes.map(async ({ handler }) => await handler(context)));
    const failures = results.flatMap((result, index) =>
      result.status === "rejected" ? [{ handler: routes[index]!.label, error: result.reason as unknown }] : []
    );
    if (failures.length === 0) return;
    const failed = new SlackHandlerError(failures);
    if (failed.errors.every((error) => error instanceof PermanentError)) {
      throw new PermanentError(failed.message, { key: delivery.key, id: delivery.id, cause: failed });
    }
    throw failed;
  }

  #routesOf(event: SlackEvent): readonly Route[] {
    const named = namesOf(event).flatMap((name) => this.#routes.get(name) ?? []);
    return [...(named.length > 0 ? named : this.#rest), ...(this.#routes.get("*") ?? [])];
  }
}

/** Every name that fits, each once: the type, the kind of channel, the subtype. */
function namesOf(event: SlackEvent): string[] {
  const { type, subtype, channel_type: channel } = event;
  const names = new Set([type]);
  if (type === "message" && typeof channel === "string" && Object.hasOwn(CHANNEL_NAMES, channel)) {
    names.add(`message.${CHANNEL_NAMES[channel]}`);
  }
  if (typeof subtype === "string") names.add(`${type}.${subtype}`);
  return [...names];
}

function isEvent(value: unknown): value is SlackEvent {
  return isPlainObject(value) && typeof value.type === "string";
}

function toRoute(name: string, handler: SlackEventHandler<never>): Route {
  checkValue(`the handler of ${name}`, handler, func);
  // A route is only ever given events that its name fits.
  return { label: handler.name ? `${name} (${handler.name})` : name, handler: handler as SlackEventHandler };
}

function describe(failures: readonly { readonly handler: string; readonly error: unknown }[]): string {
  const list = failures.map(({ handler, error }) =>
    `${handler}: ${error instanceof Error ? error.message : kindOf(error)}`
  );
  return failures.length === 1
    ? `Handler failed: ${list[0]}`
    : `${failures.length} handlers failed: ${list.join("; ")}`;
}
