/**
 * Sends the publishes of a key that happen at the same time as one batch, one batch after the other, so that the order
 * of calls is the order in the queue.
 *
 * @module
 */
import { batchLimit } from "./batch_limit.ts";
import type { DriverMessage } from "../driver.ts";
import type { QueueError } from "../errors.ts";
import { type BatchOwner, type PublishOutcome, sendBatch, SendState } from "./send_batch.ts";
import type { BackendContext } from "../context.ts";
import { type GiveUpReason, PendingPublish } from "./pending_publish.ts";
import type { PublishReceipt } from "../protocol.ts";
import { monotonic } from "../util/clock.ts";

/** How long a caller waits. */
export interface SendOptions {
  /** Milliseconds. Default: the backend's. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A call, with the promise that it returned. */
interface BatchedPublish extends PendingPublish {
  /** When its time is over, by the monotonic clock, in milliseconds. */
  deadline: number;
  resolve(receipts: PublishReceipt[]): void;
  reject(error: unknown): void;
  /** Removes the listener on the caller's signal. */
  unlisten: (() => void) | undefined;
}

/** A message, and the call that it belongs to. */
interface Entry {
  readonly message: DriverMessage;
  readonly pending: BatchedPublish;
}

/** Publishes of one key on their way to the driver. */
class KeyBatcher implements BatchOwner {
  readonly #context: BackendContext;
  readonly #key: string;
  #waiting: Entry[] = [];
  /** The messages that `#state` is about. */
  #batch: Entry[] = [];
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
      for (const message of messages) this.#waiting.push({ message, pending });
      // A microtask later, so that what is published in the same turn travels together.
      this.#running ??= Promise.resolve().then(() => this.#run());
      if (!this.#context.driver.inProcess) this.#arm(pending.deadline);
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
    for (const { pending } of this.#entries()) this.#giveUp(pending, { reason, aborted: false });
    await this.#running;
  }

  #entries(): Entry[] {
    return [...this.#batch, ...this.#waiting];
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      this.#take();
      if (this.#batch.length > 0) await this.#send();
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
      const entry = this.#waiting[taken]!;
      const { message, pending } = entry;
      if (isDone(pending)) continue;
      if (!fits(message)) break;
      pending.sent += 1;
      this.#batch.push(entry);
    }
    this.#waiting = taken === this.#waiting.length ? [] : this.#waiting.slice(taken);
  }

  async #send(): Promise<void> {
    this.#state = new SendState();
    try {
      const messages = this.#batch.map(({ message }) => message);
      this.#deliver(await sendBatch(this.#context, this.#key, messages, this.#state, this));
    } catch {
      // Every caller's promise is already rejected with the reason.
    }
    this.#finishGivingUp();
    this.#batch = [];
    this.#state = undefined;
  }

  wanted(): readonly DriverMessage[] {
    this.#batch = this.#batch.filter(({ pending }) => !isDone(pending));
    return this.#batch.map(({ message }) => message);
  }

  onAttemptFailed(): void {
    this.#finishGivingUp();
  }

  /** Passes on the outcome of each message. */
  #deliver(outcomes: readonly PublishOutcome[]): void {
    for (let i = 0; i < outcomes.length; i++) {
      const { pending } = this.#batch[i]!;
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
    if (inFlight && state && this.#batch.every(({ pending }) => isDone(pending))) state.abandon(why.reason);
    const late = !why.aborted && (why.reason as QueueError).code === "timeout";
    if (state === undefined || state.phase === "idle" || !(inFlight || late)) return this.#end(pending, state);
    // The driver knows how far the messages came, and why those in front are not confirmed: it has the next word.
    this.#givingUp.push(pending);
    this.#endGrace ??= this.#context.afterGrace(() => this.#onGraceOver());
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
  #arm(deadline: number): void {
    if (deadline >= this.#timerAt) return;
    const { clock } = this.#context;
    clock.clearTimeout(this.#timer);
    this.#timerAt = deadline;
    this.#timer = clock.setTimeout(() => {
      this.#timerAt = Infinity;
      const now = Math.max(monotonic(clock), deadline); // a timer is never early
      let next = Infinity;
      const why = { reason: this.#context.timeoutError("timeout"), aborted: false };
      for (const { pending } of this.#entries()) {
        if (isDone(pending)) continue;
        if (pending.deadline <= now) this.#giveUp(pending, why);
        else next = Math.min(next, pending.deadline);
      }
      if (next < Infinity) this.#arm(next);
    }, deadline - monotonic(clock));
  }
}

/** Whether a call needs nothing more to be sent. */
function isDone({ over, givingUp }: BatchedPublish): boolean {
  return over || givingUp !== undefined;
}

/** The most batchers that are kept while there is nothing to send. */
const MAX_IDLE = 100;

/** The batchers of a backend, one for each key that was published to of late. */
export class PublishBatcher {
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
