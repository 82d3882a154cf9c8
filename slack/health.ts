/**
 * The health check: whether the queue can be published to, at a bounded cost.
 *
 * @module
 */
import { abortable } from "../core/util/async.ts";
import { type Clock, monotonic } from "../core/util/clock.ts";
import { QueueError } from "../core/errors.ts";
import type { Health, QueueBackend } from "../core/protocol.ts";
import { FAILURE_KEPT_MS, KEPT_MS } from "./limits.ts";

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

/** A plugin's backend may have no `health`. */
type Checkable = QueueBackend & { health?(options: { readonly signal: AbortSignal }): Promise<Health> };

/** The health of one backend. */
export interface HealthCheck {
  /** Notes that the backend has confirmed a publish, and the milliseconds that it took. */
  published(latencyMs: number): void;
  /** Notes that the backend has not confirmed a publish. */
  failed(error: unknown): void;
  /** Resolves with the health. */
  check(signal: AbortSignal): Promise<SlackHealth>;
}

/**
 * Answers any number of probes with at most one call of `backend.health()` at a time and one in {@link KEPT_MS}.
 *
 * A probe is anonymous, and a call of the backend may be billed or count against a limit that publishing needs. What
 * publishes have shown has precedence over what the backend says: a server may answer a ping and refuse every write.
 *
 * @param timeoutMs Milliseconds after which a call of the backend that has not settled no longer keeps others from
 * asking. On Workers a call ends with the request that made it, without settling.
 */
export function createHealthCheck(backend: Checkable, clock: Clock, timeoutMs: number): HealthCheck {
  let known: SlackHealth | undefined;
  let knownUntil = 0;
  let asking: Promise<SlackHealth>;
  let askingUntil = 0;

  function keep(health: SlackHealth, ms: number): SlackHealth {
    known = health;
    knownUntil = monotonic(clock) + ms;
    return health;
  }

  async function ask(signal: AbortSignal): Promise<SlackHealth> {
    const before = known;
    let health: SlackHealth;
    try {
      const { ok, asked = true, latencyMs, error } = await abortable(backend.health!({ signal }), signal);
      health = { ok, checked: asked, latencyMs, error };
    } catch (error) {
      health = { ok: false, checked: true, error };
    }
    // A call that was not made for the sake of the publishes says nothing against them.
    if (codeOf(health.error) === "rate-limited") health = { ok: true, checked: false };
    return known === before ? keep(health, KEPT_MS) : known!; // a publish has shown more meanwhile
  }

  return {
    published: (latencyMs) => keep({ ok: true, checked: true, latencyMs }, KEPT_MS),
    failed: (error) => keep({ ok: false, checked: true, error }, FAILURE_KEPT_MS),
    async check(signal) {
      const now = monotonic(clock);
      if (known && now < knownUntil) return known;
      if (!backend.health) return { ok: true, checked: false };
      if (now >= askingUntil) {
        askingUntil = now + timeoutMs; // when that has passed, what was learnt is still kept
        asking = ask(signal);
      }
      return await abortable(asking, signal);
    },
  };
}

/** Returns an error's code. Its message is for the log: it may name hosts, and anybody can read the health check. */
export function codeOf(error: unknown): string {
  return error instanceof QueueError ? error.code : "internal";
}
