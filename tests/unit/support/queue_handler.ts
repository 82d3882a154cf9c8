/**
 * One consumer's handler, for a Worker that is pushed to and for a process that pulls alike: it behaves as the payload
 * says, and tells what it saw.
 */
import { ConfigError, type ConsumerOptions, PermanentError } from "@slack-mcp/queue";
import { SlackEventRouter } from "@slack-mcp/queue/slack";

/** One thing that happened. */
export interface Seen {
  readonly kind: "handled" | "failed" | "dead" | "slack";
  readonly id: string;
  readonly key?: string;
  readonly attempts?: number;
  readonly at: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a payload can ask of its handler. */
interface Order {
  /** The number of failures. */
  readonly fails?: number;
  /** Finds the set-up wrong. */
  readonly config?: boolean;
  /** Fails for good at once. */
  readonly permanent?: boolean;
  /** Milliseconds before it is tried again. */
  readonly backoffMs?: number;
  /** Of a Slack event. */
  readonly type?: string;
}

/** The handler and its policy. */
export function orders(note: (what: Omit<Seen, "at">) => void): ConsumerOptions {
  const router = new SlackEventRouter().on("*", ({ event, delivery }) => {
    const { id, key, attempts, headers } = delivery;
    note({ kind: "slack", id, key, attempts, headers, body: event });
  });
  return {
    maxAttempts: 3,
    backoff: (_attempts, error) => (error as { backoffMs?: number }).backoffMs ?? 0,
    handler: async (delivery) => {
      const { id, key, attempts, headers, payload } = delivery;
      const { fails = 0, permanent = false, config = false, backoffMs, type } = payload as Order;
      if (type === "event_callback") return await router.handle(delivery);
      const failing = permanent || config || attempts <= fails;
      note({ kind: failing ? "failed" : "handled", id, key, attempts, headers, body: payload });
      if (config) throw new ConfigError("API_TOKEN is not set");
      if (permanent) throw new PermanentError("no such user");
      if (failing) throw Object.assign(new TypeError(`failure ${attempts}`), { backoffMs });
    },
  };
}
