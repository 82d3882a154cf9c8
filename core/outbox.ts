/**
 * The outbox of one key: publishes that are in the air together travel as one batch, one batch at a time, so the
 * order of calls is the order in the queue.
 *
 * @module
 */
import type { DriverMessage, SendResult } from "./driver.ts";
import { ConfigError, PublishError, QueueError } from "./errors.ts";
import type { Host } from "./host.ts";
import { tell } from "./observer.ts";
import { Parcel } from "./parcel.ts";
import type { PublishReceipt } from "./protocol.ts";

/** A batch on its way: which messages of which parcels. */
interface Batch {
  readonly messages: DriverMessage[];
  readonly parts: { readonly parcel: Parcel; readonly from: number; readonly count: number }[];
}

/** The batch of those who still wait. */
function without({ parts }: Batch): Batch {
  const left = parts.filter(({ parcel }) => !parcel.over);
  return {
    parts: left,
    messages: left.flatMap(({ parcel, from, count }) => parcel.messages.slice(from, from + count)),
  };
}

const UNANSWERED: SendResult = { error: new Error("the driver answered fewer results than messages") };

/** Publishes of one key on their way to the driver. */
export class Outbox {
  readonly #host: Host;
  readonly #key: string;
  readonly #onIdle: () => void;
  #parcels: Parcel[] = [];
  #flying: Parcel[] = [];
  #abort: AbortController | undefined;
  #inAir = false;
  #running: Promise<void> | undefined;
  #timer: unknown;
  #timerAt = Infinity;

  /** An outbox for a key; `onIdle` is called when there is nothing left to send. */
  constructor(host: Host, key: string, onIdle: () => void) {
    this.#host = host;
    this.#key = key;
    this.#onIdle = onIdle;
  }

  /** Sends messages after all that came before; resolves when the broker has confirmed every one. */
  add(
    messages: readonly DriverMessage[],
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<PublishReceipt[]> {
    return new Promise((resolve, reject) => {
      const now = this.#host.clock.now();
      const { timeoutMs, signal } = options;
      const parcel: Parcel = new Parcel(messages, now, now + timeoutMs, signal, resolve, reject, (reason) => {
        this.#giveUp(parcel, reason, true);
      });
      this.#parcels.push(parcel);
      // A microtask later, so that what is published in the same turn travels together.
      this.#running ??= Promise.resolve().then(() => this.#run());
      this.#arm(parcel.deadline);
    });
  }

  /** Resolves when there is nothing left to send. */
  idle(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  /** Gives up all that is still waiting or in the air. */
  abandon(reason: QueueError): void {
    for (const parcel of [...this.#flying, ...this.#parcels]) this.#giveUp(parcel, reason, false);
  }

  async #run(): Promise<void> {
    while (this.#parcels.length > 0) {
      const batch = this.#take();
      if (batch.messages.length > 0) await this.#send(batch);
    }
    this.#running = undefined;
    this.#host.clock.clearTimeout(this.#timer);
    this.#timerAt = Infinity;
    this.#onIdle();
  }

  #take(): Batch {
    const { maxBatchMessages = 1_000, maxBatchBytes = Infinity } = this.#host.driver;
    const batch: Batch = { messages: [], parts: [] };
    let bytes = 0;
    let spent = 0;
    for (const parcel of this.#parcels) {
      if (!parcel.over) {
        const from = parcel.taken;
        while (parcel.taken < parcel.messages.length && batch.messages.length < maxBatchMessages) {
          const message = parcel.messages[parcel.taken]!;
          // Three bytes is the most that UTF-8 needs for one unit of a JavaScript string.
          if (maxBatchBytes < Infinity) bytes += this.#host.bytesOf(message);
          if (bytes > maxBatchBytes && batch.messages.length > 0) break;
          batch.messages.push(message);
          parcel.taken += 1;
        }
        if (parcel.taken > from) batch.parts.push({ parcel, from, count: parcel.taken - from });
        if (parcel.taken < parcel.messages.length) break;
      }
      spent += 1;
    }
    this.#parcels.splice(0, spent);
    this.#flying = batch.parts.map((part) => part.parcel);
    return batch;
  }

  async #send(batch: Batch): Promise<void> {
    const { driver, options } = this.#host;
    for (let failures = 0, doubt = false;;) {
      if (batch.parts.every(({ parcel }) => parcel.over)) break;
      // Whoever gave up before anything left was told that nothing was sent. A batch in doubt stays what it was: the
      // broker knows it again by its ids.
      if (failures > 0 && !doubt) batch = without(batch);
      this.#abort = new AbortController();
      try {
        this.#inAir = true;
        const results = await this.#host.unlessAborted(
          driver.send(this.#key, batch.messages, this.#abort.signal),
          this.#abort.signal,
        );
        this.#inAir = false;
        this.#deliver(batch, results);
        break;
      } catch (error) {
        this.#inAir = false;
        failures += 1;
        const wrapped = this.#wrap(error, batch.messages);
        doubt ||= wrapped.code === "unknown-outcome";
        this.#host.tellFailed("publish", this.#key, failures, wrapped);
        if (error instanceof ConfigError && !doubt) {
          // Not of any message: credentials that turn out to be wrong.
          for (const { parcel } of batch.parts) if (!parcel.over) parcel.reject(error);
          break;
        }
        for (const { parcel } of batch.parts) {
          parcel.inDoubt ||= doubt;
          parcel.lastError = wrapped;
        }
        const again = wrapped.code === "unknown-outcome" ? driver.capabilities.dedup : wrapped.retryable;
        if (!again || failures > options.maxRetries) {
          // Not sent the last time says nothing of the time before, whose answer was lost.
          const error = doubt && wrapped.code !== "unknown-outcome"
            ? this.#inDoubt("no answer came", undefined, wrapped)
            : wrapped;
          this.#refuse(batch, error);
          break;
        }
        // Where all of them have given up meanwhile, the next batch need not wait.
        if (!this.#abort.signal.aborted) await this.#pause(this.#host.backoffMs(failures, wrapped));
      }
    }
    this.#abort = undefined;
    this.#flying = [];
  }

  /** Waits, unless everybody who waits for this batch has given up. */
  #pause(ms: number): Promise<void> {
    const { clock } = this.#host;
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    return new Promise((resolve) => {
      const timer = clock.setTimeout(resolve, ms);
      signal.addEventListener("abort", () => {
        clock.clearTimeout(timer);
        resolve();
      }, { once: true });
    });
  }

  /** Hands out what the broker said of each message. */
  #deliver(batch: Batch, results: readonly SendResult[]): void {
    const { observer } = this.#host.options;
    let at = 0;
    for (const { parcel, from, count } of batch.parts) {
      for (let i = from; i < from + count; i++, at++) {
        const message = parcel.messages[i]!;
        const result = results[at] ?? UNANSWERED;
        if ("error" in result) {
          parcel.refuse(i, this.#wrap(result.error, [message]));
        } else {
          const id = result.id ?? message.id;
          parcel.confirm(i, { id, outcome: result.outcome });
          if (observer?.published) {
            const durationMs = this.#host.clock.now() - parcel.startedAt;
            tell(observer, "published", {
              backend: this.#host.driver.name,
              key: this.#key,
              id,
              durationMs,
            });
          }
        }
      }
      this.#answered(parcel, count);
    }
  }

  /** Tells everybody of the batch that it failed. */
  #refuse({ parts }: Batch, error: PublishError): void {
    for (const { parcel, from, count } of parts) {
      parcel.fill(from + count, error);
      this.#answered(parcel, count);
    }
  }

  #answered(parcel: Parcel, count: number): void {
    parcel.answered += count;
    parcel.inDoubt = false;
    if (parcel.answered === parcel.messages.length) parcel.finish(this.#about());
  }

  /** The caller's patience is over: because of time, a signal, or the end of the backend. */
  #giveUp(parcel: Parcel, reason: unknown, aborted: boolean): void {
    if (parcel.over) return;
    const flying = this.#flying.includes(parcel);
    const doubt = parcel.inDoubt || flying && this.#inAir;
    const id = parcel.messages.length === 1 ? parcel.messages[0]!.id : undefined;
    const why = aborted
      ? "it was aborted"
      : reason instanceof QueueError
      ? "the backend closed"
      : "no answer came in time";
    if (!doubt && parcel.answered === 0 && reason !== undefined) {
      parcel.reject(reason);
    } else {
      const code = reason instanceof QueueError ? reason.code : "timeout";
      const about = { ...this.#about(), id, cause: reason };
      const unsent = reason === undefined && parcel.lastError ||
        new PublishError(code, `Cannot publish to "${this.#key}": ${why}, and nothing was sent`, about);
      if (doubt) parcel.fill(parcel.taken, this.#inDoubt(why, id, reason ?? parcel.lastError));
      parcel.fill(parcel.messages.length, unsent);
      parcel.finish(this.#about());
    }
    if (flying && this.#flying.every((one) => one.over)) {
      this.#abort?.abort(new DOMException("Nobody waits for it", "AbortError"));
    }
  }

  /** One timer for all that wait: set for the earliest deadline. */
  #arm(deadline: number): void {
    if (deadline >= this.#timerAt) return;
    const { clock } = this.#host;
    clock.clearTimeout(this.#timer);
    this.#timerAt = deadline;
    this.#timer = clock.setTimeout(() => {
      this.#timerAt = Infinity;
      // A timer is never early: where the clock says so, somebody has set it back.
      const now = Math.max(clock.now(), deadline);
      let next = Infinity;
      for (const parcel of [...this.#flying, ...this.#parcels]) {
        if (parcel.deadline <= now) this.#giveUp(parcel, undefined, false);
        else if (!parcel.over) next = Math.min(next, parcel.deadline);
      }
      if (next < Infinity) this.#arm(next);
    }, deadline - clock.now());
  }

  #inDoubt(why: string, id: string | undefined, cause: unknown): PublishError {
    return new PublishError(
      "unknown-outcome",
      `Cannot tell whether the message reached "${this.#key}": ${why} after it was sent`,
      { ...this.#about(), id, cause },
    );
  }

  #about(): { backend: string; key: string } {
    return { backend: this.#host.driver.name, key: this.#key };
  }

  #wrap(error: unknown, messages: readonly DriverMessage[]): PublishError {
    return this.#host.wrap(PublishError, `Cannot publish to "${this.#key}"`, error, {
      key: this.#key,
      id: messages.length === 1 ? messages[0]!.id : undefined,
      // As it is, and as it stands within a command or a request that is JSON itself.
      hide: messages.flatMap(({ body }) => [body, JSON.stringify(body).slice(1, -1)]),
    }) as PublishError;
  }
}
