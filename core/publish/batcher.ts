/**
 * Sends the publishes of a key that happen at the same time as one batch, one batch after the other, so that the order
 * of calls is the order in the queue.
 *
 * @module
 */
import { batchLimit } from "./batch_limit.ts";
import type { DriverMessage } from "../driver.ts";
import type { QueueError } from "../errors.ts";
import { afterGrace } from "./grace.ts";
import type { PublishOutcome } from "./outcomes.ts";
import { type BatchOwner, sendBatch, SendState } from "./send_batch.ts";
import type { MessageSender, SendOptions } from "./sender.ts";
import type { BackendContext } from "../context.ts";
import { type GiveUpReason, PendingPublish } from "./pending_publish.ts";
import type { PublishReceipt } from "../protocol.ts";
import { monotonic } from "../util/clock.ts";

/** A call, with the promise that it returned. */
interface BatchedPublish extends PendingPublish {
  /** When its time is over, by the monotonic clock, in milliseconds. */
  deadline: number;
  resolve(receipts: PublishReceipt[]): void;
  reject(error: unknown): void;
  /** Removes the listener on the caller's signal. */
  unlisten: (() => void) | undefined;
}

/** Publishes of one key on their way to the driver. */
class KeyBatcher implements BatchOwner {
  readonly #context: BackendContext;
  readonly #key: string;
  /** Calls with messages that are in no batch yet. */
  #waiting: BatchedPublish[] = [];
  /** The messages that `#state` is about. */
  #batch: DriverMessage[] = [];
  /** The call of each message of the batch. */
  #owners: BatchedPublish[] = [];
  #state: SendState | undefined;
  #running: Promise<void> | undefined;
  #timer: unknown;
  #timerAt = Infinity;
  /** Calls whose time is over, while the driver may still say how far the batch came. */
  #givingUp: BatchedPublish[] = [];
  #endGrace: (() => void) | undefined;

  constructor(context: BackendContext, key: string) {
    this.#context = context;
    this.#key = key;
  }

  /** True where there is nothing to send. */
  get isIdle(): boolean {
    return this.#running === undefined;
  }

  /** Sends messages after all earlier ones; resolves when the broker has confirmed every one. */
  add(messages: readonly DriverMessage[], { timeoutMs, signal }: SendOptions): Promise<PublishReceipt[]> {
    return new Promise((resolve, reject) => {
      const pending = new PendingPublish(this.#context, this.#key, messages) as BatchedPublish;
      pending.deadline = pending.startedAt + (timeoutMs ?? this.#context.options.timeoutMs);
      pending.resolve = resolve;
      pending.reject = reject;
      if (signal) this.#listen(signal, pending);
      this.#waiting.push(pending);
      this.#running ??= this.#run();
      this.#arm(pending.deadline, pending.startedAt);
    });
  }

  #listen(signal: AbortSignal, pending: BatchedPublish): void {
    const onAbort = () => this.#giveUp(pending, { reason: signal.reason, aborted: true });
    pending.unlisten = () => signal.removeEventListener("abort", onAbort);
    signal.addEventListener("abort", onAbort);
  }

  /** Resolves when there is nothing left to send. */
  idle(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  /** Gives up every call; resolves when each has its result. */
  async abandon(reason: QueueError): Promise<void> {
    for (const pending of this.#unconfirmed()) this.#giveUp(pending, { reason, aborted: false });
    await this.#running;
  }

  #unconfirmed(): Set<BatchedPublish> {
    return new Set([...this.#owners, ...this.#waiting]);
  }

  async #run(): Promise<void> {
    await undefined; // so that what is published in the same turn travels together
    while (this.#waiting.length > 0) {
      this.#take();
      if (this.#batch.length === 0) continue;
      this.#state = new SendState();
      try {
        this.#deliver(await sendBatch(this.#context, this.#key, this.#batch, this.#state, this));
      } catch {
        // Every caller's promise is already rejected with the reason.
      }
      this.#finishGivingUp();
      this.#batch = [];
      this.#owners = [];
      this.#state = undefined;
    }
    this.#running = undefined;
    if (this.#timerAt < Infinity) this.#context.clock.clearTimeout(this.#timer);
    this.#timerAt = Infinity;
  }

  /** Fills the batch. */
  #take(): void {
    const fits = batchLimit(this.#context.driver);
    let taken = 0;
    for (; taken < this.#waiting.length; taken++) {
      const pending = this.#waiting[taken]!;
      if (isDone(pending)) continue;
      const { messages } = pending;
      for (; pending.sent < messages.length && fits(messages[pending.sent]!); pending.sent++) {
        this.#batch.push(messages[pending.sent]!);
        this.#owners.push(pending);
      }
      if (pending.sent < messages.length) break;
    }
    this.#waiting = taken === this.#waiting.length ? [] : this.#waiting.slice(taken);
  }

  wanted(): readonly DriverMessage[] {
    this.#batch = this.#batch.filter((_, i) => !isDone(this.#owners[i]!));
    this.#owners = this.#owners.filter((pending) => !isDone(pending));
    return this.#batch;
  }

  onAttemptFailed(): void {
    this.#finishGivingUp();
  }

  /** Passes on the outcome of each message. */
  #deliver(outcomes: readonly PublishOutcome[]): void {
    for (let i = 0; i < outcomes.length; i++) {
      const pending = this.#owners[i]!;
      if (pending.over) continue;
      pending.addOutcome(outcomes[i]!);
      if (pending.complete) this.#end(pending);
    }
  }

  /** Ends a call because of its deadline, its signal, or the end of the backend. */
  #giveUp(pending: BatchedPublish, why: GiveUpReason): void {
    if (isDone(pending)) return;
    const state = this.#state;
    const { inFlight } = pending;
    pending.givingUp = why;
    if (inFlight && state && this.#owners.every(isDone)) state.abandon(why.reason);
    const late = !why.aborted && (why.reason as QueueError).code === "timeout";
    if (state === undefined || state.phase === "idle" || !(inFlight || late)) return this.#end(pending, state);
    // The driver knows how far the messages came, and why those in front are not confirmed: it has the next word.
    this.#givingUp.push(pending);
    this.#endGrace ??= afterGrace(this.#context.clock, () => this.#onGraceOver());
    if (inFlight && state.phase === "connecting" && !state.signal.aborted) state.interrupt(why.reason);
  }

  #onGraceOver(): void {
    this.#endGrace = undefined;
    // An attempt that was aborted ends within its own grace.
    if (!this.#state?.signal.aborted) this.#finishGivingUp();
  }

  #finishGivingUp(): void {
    this.#endGrace?.();
    this.#endGrace = undefined;
    if (this.#givingUp.length === 0) return;
    for (const pending of this.#givingUp.splice(0)) if (!pending.over) this.#end(pending, this.#state);
  }

  /** Settles a call's promise. */
  #end(pending: BatchedPublish, state?: SendState): void {
    pending.over = true;
    pending.unlisten?.();
    try {
      if (pending.givingUp && !pending.complete) pending.giveUp(pending.givingUp, state);
      pending.resolve(pending.receipts());
    } catch (error) {
      pending.reject(error);
    }
  }

  /** Sets the one timer of all calls for the earliest deadline. */
  #arm(deadline: number, now: number): void {
    if (deadline >= this.#timerAt) return;
    const { clock } = this.#context;
    clock.clearTimeout(this.#timer);
    this.#timerAt = deadline;
    this.#timer = clock.setTimeout(() => {
      this.#timerAt = Infinity;
      const now = Math.max(monotonic(clock), deadline); // a timer is never early
      let next = Infinity;
      const why = { reason: this.#context.timeoutError("timeout"), aborted: false };
      for (const pending of this.#unconfirmed()) {
        if (isDone(pending)) continue;
        if (pending.deadline <= now) this.#giveUp(pending, why);
        else next = Math.min(next, pending.deadline);
      }
      if (next < Infinity) this.#arm(next, now);
    }, deadline - now);
  }
}

/** Whether a call needs nothing more to be sent. */
function isDone({ over, givingUp }: BatchedPublish): boolean {
  return over || givingUp !== undefined;
}

/** The most batchers that are kept while there is nothing to send. */
const MAX_IDLE = 100;

/** The batchers of a backend, one for each key that was published to of late. */
export class PublishBatcher implements MessageSender {
  readonly #context: BackendContext;
  readonly #batchers: Map<string, KeyBatcher> = new Map();

  constructor(context: BackendContext) {
    this.#context = context;
  }

  /** Resolves when the broker has confirmed every message. */
  add(key: string, messages: readonly DriverMessage[], options: SendOptions): Promise<PublishReceipt[]> {
    let batcher = this.#batchers.get(key);
    if (batcher === undefined) {
      if (this.#batchers.size >= MAX_IDLE) this.#removeIdle();
      this.#batchers.set(key, batcher = new KeyBatcher(this.#context, key));
    }
    return batcher.add(messages, options);
  }

  #removeIdle(): void {
    for (const [key, batcher] of this.#batchers) if (batcher.isIdle) this.#batchers.delete(key);
  }

  /** Resolves when there is nothing left to send. */
  async idle(): Promise<void> {
    await Promise.all([...this.#batchers.values()].map((batcher) => batcher.idle()));
  }

  /** Gives up all that is not confirmed; resolves when each caller has its result. */
  async abandon(reason: QueueError): Promise<void> {
    await Promise.all([...this.#batchers.values()].map((batcher) => batcher.abandon(reason)));
  }
}
