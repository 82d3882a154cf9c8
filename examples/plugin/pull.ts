/**
 * Pull requests: ask for what is ready, or wait for one message.
 *
 * @module
 */
import { QueueError } from "@slack-mcp/queue";
import { createInbox, type Msg, nanos, type NatsConnection } from "@nats-io/transport-node";
import { CONSUMER } from "./names.ts";

/** What is asked for. */
export interface PullRequest {
  readonly stream: string;
  readonly max: number;
  /** Milliseconds to wait for the first message. 0: none. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** The statuses that end a request: no messages, timeout, no responders. 409 says that the consumer is gone. */
function isStatus(message: Msg): boolean {
  return message.data.length === 0 && (message.headers?.code ?? 0) >= 400;
}

/** Names a status that is no end of a request: what passes is asked for again, by the portable layer. */
function statusError(code: number, description: string): QueueError {
  const gone = code === 409 && /consumer deleted/i.test(description);
  return new QueueError(gone ? "not-found" : "unavailable", `Cannot pull: ${code} ${description}`);
}

/**
 * Asks for messages. The server ends a request with a status, and drops it where its inbox is closed.
 *
 * @throws {QueueError} `"not-found"` where the consumer was deleted, `"unavailable"` for what passes, such as a server
 * that shuts down, and `"connection"` where the connection was closed.
 */
export async function pull(connection: NatsConnection, { stream, max, waitMs, signal }: PullRequest): Promise<Msg[]> {
  const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${CONSUMER}`;
  const inbox = createInbox();
  const found: Msg[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const subscription = connection.subscribe(inbox, {
    callback: (error, message) => {
      if (error) return reject(error);
      if (!isStatus(message)) {
        found.push(message);
        if (found.length >= max) resolve();
        return;
      }
      const { code = 0, description = "" } = message.headers ?? {};
      if (code === 404 || code === 408 || code === 409 && /deadline|batch/i.test(description)) resolve();
      else reject(statusError(code, description));
    },
  });
  const limit = waitMs === 0 ? { no_wait: true } : { expires: nanos(waitMs) };
  // The status may be lost with the connection: nothing is waited for longer than was asked, and a little.
  const timer = setTimeout(resolve, waitMs + 2_000);
  signal.addEventListener("abort", () => resolve(), { once: true });
  try {
    if (signal.aborted) return [];
    connection.publish(subject, JSON.stringify({ batch: max, ...limit }), { reply: inbox });
    void connection.closed().then(() => reject(new QueueError("connection", "Cannot pull: the connection is closed")));
    await promise;
    return found;
  } finally {
    clearTimeout(timer);
    subscription.unsubscribe();
  }
}
