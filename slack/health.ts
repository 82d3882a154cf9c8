/**
 * The health check: whether the queue can be published to, at a bounded cost.
 *
 * @module
 */
import { abortable } from "../core/util/async.ts";
import { type Clock, monotonic } from "../core/util/clock.ts";
import { QueueError } from "../core/errors.ts";
import type { Health, QueueBackend } from "../core/protocol.ts";

/** Milliseconds for which the backend's answer, or a confirmed publish, stands for its health. */
const KEPT_MS = 5_000;
/**
 * Milliseconds for which a failed publish stands for the backend's health, unless one succeeds in between. A load
 * balancer that stops sending events must see the backend recover, so the failure is forgotten in the end.
 */
const FAILURE_KEPT_MS = 30_000;

/** The health of the queue, as far as it is known. */
export interface SlackHealth {
  /** Whether events can be published. */
  readonly ok: boolean;
  /** Whether the backend was asked, now or some seconds ago, or has confirmed or refused an event since. */
  readonly checked: boolean;
  /** Milliseconds that the backend took. */
  readonly latencyMs?: number | undefined;
  /** Why it is not healthy. */
  readonly error?: unknown;
}

interface Known {
  readonly health: SlackHealth;
  readonly at: number;
  readonly keptMs: number;
}

/** A plugin's backend may have no `health`. */
type Checkable = QueueBackend & { health?(options: { readonly signal: AbortSignal }): Promise<Health> };

/**
 * Answers any number of probes with at most one call of `backend.health()` at a time and one in {@link KEPT_MS}.
 *
 * A probe is anonymous, and a call of the backend may be billed or count against a limit that publishing needs. What
 * publishes have shown has precedence over what the backend says: a server may answer a ping and refuse every write.
 */
export class HealthCheck {
  readonly #backend: Checkable;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #known: Known | undefined;
  #asking: { readonly since: number; readonly health: Promise<SlackHealth> } | undefined;

  /**
   * @param timeoutMs Milliseconds after which a call of the backend that has not settled no longer keeps others from
   * asking. On Workers a call ends with the request that made it, without settling.
   */
  constructor(backend: QueueBackend, clock: Clock, timeoutMs: number) {
    this.#backend = backend;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Notes that the backend has confirmed a publish. */
  published(latencyMs: number): void {
    this.#keep({ ok: true, checked: true, latencyMs }, KEPT_MS);
  }

  /** Notes that the backend has not confirmed a publish. */
  failed(error: unknown): void {
    this.#keep({ ok: false, checked: true, error }, FAILURE_KEPT_MS);
  }

  /** Resolves with the health. */
  async check(signal: AbortSignal): Promise<SlackHealth> {
    if (this.#isFresh(this.#known)) return this.#known.health;
    if (!this.#backend.health) return { ok: true, checked: false };
    const now = monotonic(this.#clock);
    if (!this.#asking || now - this.#asking.since >= this.#timeoutMs) {
      const asking = this.#asking = { since: now, health: this.#ask(signal) };
      void asking.health.then(() => {
        if (this.#asking === asking) this.#asking = undefined;
      });
    }
    return await abortable(this.#asking.health, signal);
  }

  async #ask(signal: AbortSignal): Promise<SlackHealth> {
    const before = this.#known;
    let health: SlackHealth;
    try {
      const { ok, asked: checked = true, latencyMs, error } = await abortable(
        this.#backend.health!({ signal }),
        signal,
      );
      health = { ok, checked, latencyMs, error };
    } catch (error) {
      health = { ok: false, checked: true, error };
    }
    // A call that was not made for the sake of the publishes says nothing against them.
    if (codeOf(health.error) === "rate-limited") health = { ok: true, checked: false };
    if (this.#known === before) this.#keep(health, KEPT_MS);
    return this.#isFresh(this.#known) ? this.#known.health : health;
  }

  #keep(health: SlackHealth, keptMs: number): void {
    this.#known = { health, at: monotonic(this.#clock), keptMs };
  }

  #isFresh(known: Known | undefined): known is Known {
    return known !== undefined && monotonic(this.#clock) - known.at < known.keptMs;
  }
}

/** Returns an error's code. Its message is for the log: it may name hosts, and anybody can read the health check. */
export function codeOf(error: unknown): string {
  return error instanceof QueueError ? error.code : "internal";
}
