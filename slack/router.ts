/**
 * Routes each event to the handlers of its names.
 *
 * @module
 */
import { boolean, checkOptions, checkValue, func, object, text, type Validators } from "../core/util/validate.ts";
import { PermanentError } from "../core/errors.ts";
import { kindOf } from "../core/util/json.ts";
import type { Delivery } from "../core/protocol.ts";
import type { SlackEventMap } from "./event_map.ts";
import type { SlackEnvelope, SlackEvent } from "./events.ts";
import { firstText, objectOf } from "./fields.ts";
import { isOwnEvent, type SlackSelf } from "./own_event.ts";

/** The argument of a handler. */
export interface SlackEventContext<Event extends SlackEvent = SlackEvent> {
  /** The event. */
  readonly event: Event;
  /**
   * The envelope that Slack posted around the event. A payload that is a bare inner event, as the Python server's Socket Mode
   * publishes it, has nothing around it: then `event_id` is the delivery's id, `team_id` the event's `team` or empty
   * text, and `api_app_id` empty text.
   */
  readonly envelope: SlackEnvelope<Event>;
  /** The message that carried it: attempts, `signal`, `extend`. The consumer settles it when the handlers are done. */
  readonly delivery: Delivery;
}

/** Handles one event. Resolving is success, throwing is failure, throwing `PermanentError` is failure for good. */
export type SlackEventHandler<Event extends SlackEvent = SlackEvent> = (
  context: SlackEventContext<Event>,
) => Promise<void> | void;

/** Options of {@link SlackEventRouter}. */
export interface SlackEventRouterOptions {
  /**
   * Whether handlers also get what the app itself did: its own messages, edits and deletions of them, its own
   * reactions. Off, as in Bolt: a handler that answers messages would answer its own answer, for ever. That the app's
   * bot joined or left a channel always arrives.
   *
   * The app is recognised by the envelope (`api_app_id`, the bot in `authorizations`), and by `self`.
   *
   * @default {false}
   */
  readonly own?: boolean | undefined;
  /**
   * The app, for events whose envelope does not tell: bare inner events, and messages of the legacy kind that have a
   * `bot_id` alone.
   */
  readonly self?: SlackSelf | undefined;
}

/** Options of {@link SlackEventRouter.on}. */
export interface SlackRouteOptions {
  /** Allows a name that {@link SlackEventMap} does not have, such as an event that Slack has added since. */
  readonly unknown: true;
}

/** Thrown by {@link SlackEventRouter.handle} when handlers failed. `errors` holds what each threw. */
export class SlackHandlerError extends AggregateError {
  /** `"SlackHandlerError"`. */
  override readonly name = "SlackHandlerError";
  /** The handlers that failed, in the order of `errors`: the name of the route, and the function's name. */
  readonly handlers: readonly string[];

  /** Creates the error of at least one failure. */
  constructor(failures: readonly { readonly handler: string; readonly error: unknown }[]) {
    const errors = failures.map(({ error }) => error);
    super(errors, describe(failures), { cause: errors[0] });
    this.handlers = failures.map(({ handler }) => handler);
  }
}

interface Route {
  /** For errors: the route's name, and the function's name if it has one. */
  readonly label: string;
  readonly handler: SlackEventHandler;
}

/** Slack's subscription names of the kinds of channel: a message's `channel_type`, or its plural. */
const CHANNEL_NAMES = ["channels", "groups", "im", "mpim", "app_home"];

/**
 * Routes events by Slack's own names.
 *
 * An event goes to every handler whose name matches: its type (`"app_mention"`, `"message"`), for a message also the kind
 * of channel (`"message.channels"`, `"message.groups"`, `"message.im"`, `"message.mpim"`), its type and subtype
 * (`"message.message_changed"`), and `"*"`. When no name but `"*"` matches, the handlers of `otherwise` get it. An event
 * without any handler counts as handled.
 *
 * The app's own messages are left out unless `own` is set. Edits (`"message.message_changed"`) and deletions by others
 * also go to the handlers of `"message"` and of the kind of channel; they have no `text` of their own.
 *
 * The payload may be Slack's envelope or a bare inner event. A field that is `null` counts as absent.
 *
 * The handlers of one event run side by side. When one fails, the delivery fails and is tried again as a whole, so a
 * handler may see an event twice and must cope with it: `envelope.event_id` stays the same. A delivery fails for good only
 * when every handler that failed threw a `PermanentError`.
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
  /** The routes of each name; those of `otherwise` have none. */
  readonly #routes = new Map<string | undefined, Route[]>();
  readonly #options: SlackEventRouterOptions;

  /** Handles one delivery: a consumer's handler. Bound, so it can be passed on as it is. */
  readonly handle: (delivery: Delivery) => Promise<void> = async (delivery) => {
    const envelope = envelopeOf(delivery);
    const { event } = envelope;
    const { own = false, self } = this.#options;
    if (!own && isOwnEvent(envelope, event, self)) return;
    const context = { event, envelope, delivery };
    const named = namesOf(event).flatMap((name) => this.#routesOf(name));
    const routes = [...(named.length > 0 ? named : this.#routesOf()), ...this.#routesOf("*")];
    const results = await Promise.all(routes.map(async ({ label, handler }) => {
      try {
        await handler(context);
        return [];
      } catch (error) {
        return [{ handler: label, error }];
      }
    }));
    const failures = results.flat();
    if (failures.length === 0) return;
    const failed = new SlackHandlerError(failures);
    if (failed.errors.every((error) => error instanceof PermanentError)) {
      throw new PermanentError(failed.message, { key: delivery.key, id: delivery.id, cause: failed });
    }
    throw failed;
  };

  /**
   * Creates a router without handlers.
   *
   * @throws {TypeError} An option of another type.
   */
  constructor(options: SlackEventRouterOptions = {}) {
    checkOptions(
      "router options",
      options,
      { own: boolean, self: object } satisfies Validators<SlackEventRouterOptions>,
    );
    if (options.self) {
      checkOptions("self", options.self, { appId: text, botId: text, userId: text } satisfies Validators<SlackSelf>);
    }
    this.#options = options;
  }

  /**
   * Calls `handler` for each event that `name` matches: see the class.
   *
   * @param name A name of {@link SlackEventMap}, or `"*"`. Any other name needs `{ unknown: true }`: a misspelt name would
   * never match.
   * @param handler The handler.
   * @returns The router.
   * @throws {TypeError} The name is not a text, or the handler not a function.
   */
  on<Name extends keyof SlackEventMap>(name: Name, handler: SlackEventHandler<SlackEventMap[Name]>): this;
  /** Calls `handler` for every event. */
  on(name: "*", handler: SlackEventHandler): this;
  /** Calls `handler` for each event of a name that {@link SlackEventMap} does not have. */
  on(name: string, handler: SlackEventHandler, options: SlackRouteOptions): this;
  on(name: string, handler: SlackEventHandler<never>): this {
    checkValue("name", name, text);
    return this.#add(name, `"${name}"`, handler);
  }

  /**
   * Calls `handler` for each event that no name matches; `"*"` does not count as one.
   *
   * @param handler The handler.
   * @returns The router.
   * @throws {TypeError} The handler is not a function.
   */
  otherwise(handler: SlackEventHandler): this {
    return this.#add(undefined, "otherwise", handler);
  }

  #add(name: string | undefined, label: string, handler: SlackEventHandler<never>): this {
    checkValue(`the handler of ${label}`, handler, func);
    this.#routes.set(name, [...this.#routesOf(name), {
      label: handler.name ? `${label} (${handler.name})` : label,
      handler: handler as SlackEventHandler, // it only gets events that its name matches
    }]);
    return this;
  }

  #routesOf(name?: string): readonly Route[] {
    return this.#routes.get(name) ?? [];
  }
}

/**
 * Returns what Slack posted, or puts an envelope around a bare inner event.
 *
 * @throws {PermanentError} The payload is neither.
 */
function envelopeOf({ payload, id, key, publishedAt }: Delivery): SlackEnvelope {
  if (isEvent(payload.event)) return payload as SlackEnvelope;
  const event = payload;
  if (!isEvent(event) || event.type === "event_callback") {
    throw new PermanentError("Cannot route a payload: it is not a Slack event with a type", {
      key,
      id,
    });
  }
  return {
    type: "event_callback",
    event_id: id,
    event_time: Math.floor(Number(event.event_ts) || (publishedAt?.getTime() ?? 0) / 1000),
    team_id: firstText(event.team, event.team_id) ?? "",
    api_app_id: "", // not the event's app_id: that is its author's
    event,
  };
}

/** Every name that matches, each once: the type, the kind of channel, the subtype. */
function namesOf(event: SlackEvent): string[] {
  const { type, subtype, channel_type: channel } = event;
  const names = new Set([type]);
  const kind = CHANNEL_NAMES.find((name) => name === channel || name === `${channel}s`);
  if (type === "message" && kind) names.add(`message.${kind}`);
  if (typeof subtype === "string") names.add(`${type}.${subtype}`);
  return [...names];
}

function isEvent(value: unknown): value is SlackEvent {
  return typeof objectOf(value).type === "string";
}

function describe(failures: readonly { readonly handler: string; readonly error: unknown }[]): string {
  const list = failures.map(({ handler, error }) =>
    `${handler}: ${error instanceof Error ? error.message : kindOf(error)}`
  );
  return failures.length === 1
    ? `Handler failed: ${list[0]}`
    : `${failures.length} handlers failed: ${list.join("; ")}`;
}
