/**
 * The batcher of one key: publishes that are in the air together travel as one batch, one batch at a time, so the
 * order of calls is the order in the queue.
 *
 * @module
 */
import { batchLimit, type Sender, type SendOptions } from "./unbatched_sender.ts";
import type { DriverMessage } from "../driver.ts";
import type { QueueError } from "../errors.ts";
import { type PublishOutcome, sendBatch, type SendState } from "./send_batch.ts";
import type { BackendContext } from "../context.ts";
import { PendingPublish } from "./pending_publish.ts";
import type { PublishReceipt } from "../protocol.ts";

/** A pending, and whoever waits for it. */
class Awaited extends PendingPublish {
  /** Epoch milliseconds. */
  declare readonly deadline: number;
  /** Its publisher has been told; what the broker still answers is of no interest. */
  over = false;
  /** Calls off what listens on the publisher's behalf. */
  onOver: (() => void) | undefined;
  readonly #resolve: (receipts: PublishReceipt[]) => void;
  readonly #reject: (error: unknown) => void;

  /** A pending that must have its outcome within so many milliseconds. */
  constructor(
    context: BackendContext,
    key: string,
    messages: readonly DriverMessage[],
    timeoutMs: number,
    resolve: (receipts: PublishReceipt[]) => void,
    reject: (error: unknown) => void,
  ) {
    super(context, key, messages);
    this.deadline = this.startedAt + timeoutMs;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Tells the publisher what became of it, or what `before` throws. */
  end(before?: () => void): void {
    this.over = true;
    this.onOver?.();
    try {
      before?.();
      this.#resolve(this.receipts());
    } catch (error) {
      this.#reject(error);
    }
  }
}

/** Messages in their order, each with the pending that it is of at the same place. */
class Line {
  messages: DriverMessage[] = [];
  pendings: Awaited[] = [];

  /** Adds one at the end. */
  push(message: DriverMessage, pending: Awaited): void {
    this.messages.push(message);
    this.pendings.push(pending);
  }

  /** Takes the first so many out. */
  drop(count: number): void {
    this.messages.splice(0, count);
    this.pendings.splice(0, count);
  }
}

/** Publishes of one key on their way to the driver. */
class KeyBatcher {
  readonly #context: BackendContext;
  readonly #key: string;
  readonly #onIdle: () => void;
  readonly #waiting = new Line();
  /** What the state carries. */
  #batch = new Line();
  #state: SendState | undefined;
  #abort: AbortController | undefined;
  #running: Promise<void> | undefined;
  #timer: unknown;
  #timerAt = Infinity;

  /** An batcher for a key; `onIdle` is called when there is nothing left to send. */
  constructor(context: BackendContext, key: string, onIdle: () => void) {
    this.#context = context;
    this.#key = key;
    this.#onIdle = onIdle;
  }

  /** Sends messages after all that came before; resolves when the broker has confirmed every one. */
  add(messages: readonly DriverMessage[], { timeoutMs, signal }: SendOptions): Promise<PublishReceipt[]> {
    return new Promise((resolve, reject) => {
      const ms = timeoutMs ?? this.#context.options.timeoutMs;
      const pending = new Awaited(this.#context, this.#key, messages, ms, resolve, reject);
      if (signal) this.#heed(signal, pending);
      for (const message of messages) this.#waiting.push(message, pending);
      // A microtask later, so that what is published in the same turn travels together.
      this.#running ??= Promise.resolve().then(() => this.#run());
      this.#arm(pending.deadline);
    });
  }

  #heed(signal: AbortSignal, pending: Awaited): void {
    const onAbort = () => this.#giveUp(pending, signal.reason, true);
    pending.onOver = () => signal.removeEventListener("abort", onAbort);
    signal.addEventListener("abort", onAbort);
  }

  /** Resolves when there is nothing left to send. */
  idle(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  /** Gives up all that is still waiting or in the air. */
  abandon(reason: QueueError): void {
    for (const pending of this.#pendings()) this.#giveUp(pending, reason, false);
  }

  #pendings(): Awaited[] {
    return [...this.#batch.pendings, ...this.#waiting.pendings];
  }

  async #run(): Promise<void> {
    while (this.#waiting.messages.length > 0) {
      this.#take();
      if (this.#batch.messages.length > 0) await this.#send();
    }
    this.#running = undefined;
    this.#context.clock.clearTimeout(this.#timer);
    this.#timerAt = Infinity;
    this.#onIdle();
  }

  /** Fills the batch. */
  #take(): void {
    const { messages, pendings } = this.#waiting;
    const fits = batchLimit(this.#context);
    let spent = 0;
    for (; spent < messages.length; spent++) {
      const [message, pending] = [messages[spent]!, pendings[spent]!];
      if (pending.over) continue;
      if (!fits(message)) break;
      pending.sent += 1;
      this.#batch.push(message, pending);
    }
    this.#waiting.drop(spent);
  }

  async #send(): Promise<void> {
    this.#abort = new AbortController();
    this.#state = {};
    try {
      const { messages } = this.#batch;
      this.#deliver(
        await sendBatch(this.#state, this.#context, this.#key, this.#abort.signal, messages, () => this.#stillWanted()),
      );
    } catch {
      // Nobody waits for it: each was told when it gave up.
    }
    this.#batch = new Line();
    this.#state = this.#abort = undefined;
  }

  /** What somebody waits for goes on in a batch of its own. */
  #stillWanted(): readonly DriverMessage[] {
    const { messages, pendings } = this.#batch;
    this.#batch = new Line();
    for (const [i, pending] of pendings.entries()) if (!pending.over) this.#batch.push(messages[i]!, pending);
    return this.#batch.messages;
  }

  /** Hands out what became of each message. */
  #deliver(outcomes: readonly PublishOutcome[]): void {
    for (let i = 0; i < outcomes.length; i++) {
      const pending = this.#batch.pendings[i]!;
      if (pending.over) continue;
      pending.addOutcome(outcomes[i]!);
      if (pending.complete) pending.end();
    }
  }

  /** The publisher's patience is over: because of time, a signal, or the end of the backend. */
  #giveUp(pending: Awaited, reason: unknown, aborted: boolean): void {
    if (pending.over) return;
    const { inFlight } = pending;
    pending.end(() => pending.giveUp(reason, aborted, this.#state));
    if (inFlight && this.#batch.pendings.every(({ over }) => over)) this.#abort?.abort();
  }

  /** One timer for all that wait: set for the earliest deadline. */
  #arm(deadline: number): void {
    if (deadline >= this.#timerAt) return;
    const { clock } = this.#context;
    clock.clearTimeout(this.#timer);
    this.#timerAt = deadline;
    this.#timer = clock.setTimeout(() => {
      this.#timerAt = Infinity;
      // A timer is never early: where the clock says so, somebody has set it back.
      const now = Math.max(clock.now(), deadline);
      let next = Infinity;
      const late = this.#context.timeoutError("timeout");
      for (const pending of this.#pendings()) {
        if (pending.deadline <= now) this.#giveUp(pending, late, false);
        else if (!pending.over) next = Math.min(next, pending.deadline);
      }
      if (next < Infinity) this.#arm(next);
    }, deadline - clock.now());
  }
}

/** The outboxes of a backend. A key that falls silent costs nothing: its batcher goes when it has nothing left to send. */
export class PublishBatcher implements Sender {
  readonly #context: BackendContext;
  readonly #batchers: Map<string, KeyBatcher> = new Map();

  /** Outboxes over the context's driver. */
  constructor(context: BackendContext) {
    this.#context = context;
  }

  add(key: string, messages: readonly DriverMessage[], options: SendOptions): Promise<PublishReceipt[]> {
    let batcher = this.#batchers.get(key);
    if (batcher === undefined) {
      batcher = new KeyBatcher(this.#context, key, () => this.#batchers.delete(key));
      this.#batchers.set(key, batcher);
    }
    return batcher.add(messages, options);
  }

  async idle(): Promise<void> {
    await Promise.all([...this.#batchers.values()].map((batcher) => batcher.idle()));
  }

  abandon(reason: QueueError): void {
    for (const batcher of this.#batchers.values()) batcher.abandon(reason);
  }
}
