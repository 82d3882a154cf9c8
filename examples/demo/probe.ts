/**
 * Watches what becomes of each event: which handlers saw it, how often, and how it ended.
 *
 * @module
 */
import type { QueueObserver } from "@slack-mcp/queue";
import type { SlackEventContext } from "@slack-mcp/queue/slack";

/** What is known of one event. */
export interface Trace {
  /** The handlers that saw it, by the name that each asked for, in order. */
  readonly handlers: string[];
  /** The attempt of each delivery that a handler saw. */
  readonly attempts: number[];
  /** How it ended; undefined while it has not. */
  end: "done" | "dead" | undefined;
  /** What arrived, as JSON. */
  arrived: string | undefined;
}

/** Milliseconds without the end of any event, after which one that is waited for counts as lost. */
const PATIENCE_MS = 20_000;
/** The same, once one line was wrong for that reason: the run has failed, and only its report is still of use. */
const PATIENCE_LOST_MS = 100;

/** Traces by `event_id`, which is the first part of the id that an event is published under. */
export class Probe {
  readonly #traces = new Map<string, Trace>();
  readonly #waiting = new Map<string, () => void>();
  /** The events that handlers saw, in the order of their calls. */
  readonly sequence: string[] = [];
  #patienceMs = PATIENCE_MS;
  /** Events that have ended. */
  #ends = 0;

  /** For the consumer: hears how each event ended. */
  readonly observer: QueueObserver = {
    acked: ({ id }) => this.#ended(eventIdOf(id), "done"),
    deadLettered: ({ id }) => this.#ended(eventIdOf(id), "dead"),
  };

  /** What is known of an event. */
  trace(id: string): Trace {
    let trace = this.#traces.get(id);
    if (!trace) this.#traces.set(id, trace = { handlers: [], attempts: [], end: undefined, arrived: undefined });
    return trace;
  }

  /** For a handler: it was called. */
  saw(handler: string, { envelope, delivery }: SlackEventContext): void {
    this.sequence.push(envelope.event_id);
    const trace = this.trace(envelope.event_id);
    const { handlers, attempts } = trace;
    trace.arrived = JSON.stringify(envelope);
    handlers.push(handler);
    if (attempts.at(-1) !== delivery.attempts) attempts.push(delivery.attempts);
  }

  /** Forgets an event, which is about to come again. */
  forget(id: string): void {
    this.#traces.delete(id);
  }

  /** Resolves when the event has ended, or when patience has: a machine may be slow, as long as events end. */
  async ended(id: string): Promise<Trace> {
    const trace = this.trace(id);
    if (trace.end !== undefined) return trace;
    await new Promise<void>((resolve) => {
      let timer: ReturnType<typeof setTimeout>;
      const watch = (ends: number) => {
        timer = setTimeout(() => {
          if (this.#ends !== ends) return watch(this.#ends);
          this.#patienceMs = PATIENCE_LOST_MS;
          resolve();
        }, this.#patienceMs);
      };
      watch(this.#ends);
      this.#waiting.set(id, () => {
        clearTimeout(timer);
        resolve();
      });
    });
    this.#waiting.delete(id);
    return trace;
  }

  #ended(id: string, end: "done" | "dead"): void {
    this.trace(id).end = end;
    this.#ends++;
    this.#waiting.get(id)?.();
  }
}

/** Returns the `event_id` of a message's id. */
export function eventIdOf(messageId: string): string {
  return messageId.split(":", 1)[0]!;
}
