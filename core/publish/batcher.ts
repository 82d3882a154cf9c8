/**
 * The outbox of one key: publishes that are in the air together travel as one batch, one batch at a time, so the
 * order of calls is the order in the queue.
 *
 * @module
 */
import { roomOf, type Sender, type SendOptions } from "./unbatched_sender.ts";
import type { DriverMessage } from "../driver.ts";
import type { QueueError } from "../errors.ts";
import { type Flight, fly, type Outcome } from "./send_batch.ts";
import type { Host } from "../context.ts";
import { Parcel } from "./pending_publish.ts";
import type { PublishReceipt } from "../protocol.ts";

/** A parcel, and whoever waits for it. */
class Awaited extends Parcel {
  /** Epoch milliseconds. */
  declare readonly deadline: number;
  /** Its publisher has been told; what the broker still answers is of no interest. */
  over = false;
  /** Calls off what listens on the publisher's behalf. */
  onOver: (() => void) | undefined;
  readonly #resolve: (receipts: PublishReceipt[]) => void;
  readonly #reject: (error: unknown) => void;

  /** A parcel that must have its outcome within so many milliseconds. */
  constructor(
    host: Host,
    key: string,
    messages: readonly DriverMessage[],
    timeoutMs: number,
    resolve: (receipts: PublishReceipt[]) => void,
    reject: (error: unknown) => void,
  ) {
    super(host, key, messages);
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

/** Messages in their order, each with the parcel that it is of at the same place. */
class Line {
  messages: DriverMessage[] = [];
  parcels: Awaited[] = [];

  /** Adds one at the end. */
  push(message: DriverMessage, parcel: Awaited): void {
    this.messages.push(message);
    this.parcels.push(parcel);
  }

  /** Takes the first so many out. */
  drop(count: number): void {
    this.messages.splice(0, count);
    this.parcels.splice(0, count);
  }
}

/** Publishes of one key on their way to the driver. */
class Outbox {
  readonly #host: Host;
  readonly #key: string;
  readonly #onIdle: () => void;
  readonly #waiting = new Line();
  /** What the flight carries. */
  #batch = new Line();
  #flight: Flight | undefined;
  #abort: AbortController | undefined;
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
  add(messages: readonly DriverMessage[], { timeoutMs, signal }: SendOptions): Promise<PublishReceipt[]> {
    return new Promise((resolve, reject) => {
      const ms = timeoutMs ?? this.#host.options.timeoutMs;
      const parcel = new Awaited(this.#host, this.#key, messages, ms, resolve, reject);
      if (signal) this.#heed(signal, parcel);
      for (const message of messages) this.#waiting.push(message, parcel);
      // A microtask later, so that what is published in the same turn travels together.
      this.#running ??= Promise.resolve().then(() => this.#run());
      this.#arm(parcel.deadline);
    });
  }

  #heed(signal: AbortSignal, parcel: Awaited): void {
    const onAbort = () => this.#giveUp(parcel, signal.reason, true);
    parcel.onOver = () => signal.removeEventListener("abort", onAbort);
    signal.addEventListener("abort", onAbort);
  }

  /** Resolves when there is nothing left to send. */
  idle(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  /** Gives up all that is still waiting or in the air. */
  abandon(reason: QueueError): void {
    for (const parcel of this.#parcels()) this.#giveUp(parcel, reason, false);
  }

  #parcels(): Awaited[] {
    return [...this.#batch.parcels, ...this.#waiting.parcels];
  }

  async #run(): Promise<void> {
    while (this.#waiting.messages.length > 0) {
      this.#take();
      if (this.#batch.messages.length > 0) await this.#send();
    }
    this.#running = undefined;
    this.#host.clock.clearTimeout(this.#timer);
    this.#timerAt = Infinity;
    this.#onIdle();
  }

  /** Fills the batch. */
  #take(): void {
    const { messages, parcels } = this.#waiting;
    const fits = roomOf(this.#host);
    let spent = 0;
    for (; spent < messages.length; spent++) {
      const [message, parcel] = [messages[spent]!, parcels[spent]!];
      if (parcel.over) continue;
      if (!fits(message)) break;
      parcel.taken += 1;
      this.#batch.push(message, parcel);
    }
    this.#waiting.drop(spent);
  }

  async #send(): Promise<void> {
    this.#abort = new AbortController();
    this.#flight = {};
    try {
      const { messages } = this.#batch;
      this.#deliver(
        await fly(this.#flight, this.#host, this.#key, this.#abort.signal, messages, () => this.#stillWanted()),
      );
    } catch {
      // Nobody waits for it: each was told when it gave up.
    }
    this.#batch = new Line();
    this.#flight = this.#abort = undefined;
  }

  /** What somebody waits for goes on in a batch of its own. */
  #stillWanted(): readonly DriverMessage[] {
    const { messages, parcels } = this.#batch;
    this.#batch = new Line();
    for (const [i, parcel] of parcels.entries()) if (!parcel.over) this.#batch.push(messages[i]!, parcel);
    return this.#batch.messages;
  }

  /** Hands out what became of each message. */
  #deliver(outcomes: readonly Outcome[]): void {
    for (let i = 0; i < outcomes.length; i++) {
      const parcel = this.#batch.parcels[i]!;
      if (parcel.over) continue;
      parcel.answer(outcomes[i]!);
      if (parcel.answered) parcel.end();
    }
  }

  /** The publisher's patience is over: because of time, a signal, or the end of the backend. */
  #giveUp(parcel: Awaited, reason: unknown, aborted: boolean): void {
    if (parcel.over) return;
    const { flying } = parcel;
    parcel.end(() => parcel.giveUp(reason, aborted, this.#flight));
    if (flying && this.#batch.parcels.every(({ over }) => over)) this.#abort?.abort();
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
      const late = this.#host.lateError("timeout");
      for (const parcel of this.#parcels()) {
        if (parcel.deadline <= now) this.#giveUp(parcel, late, false);
        else if (!parcel.over) next = Math.min(next, parcel.deadline);
      }
      if (next < Infinity) this.#arm(next);
    }, deadline - clock.now());
  }
}

/** The outboxes of a backend. A key that falls silent costs nothing: its outbox goes when it has nothing left to send. */
export class Outboxes implements Sender {
  readonly #host: Host;
  readonly #outboxes: Map<string, Outbox> = new Map();

  /** Outboxes over the host's driver. */
  constructor(host: Host) {
    this.#host = host;
  }

  add(key: string, messages: readonly DriverMessage[], options: SendOptions): Promise<PublishReceipt[]> {
    let outbox = this.#outboxes.get(key);
    if (outbox === undefined) {
      outbox = new Outbox(this.#host, key, () => this.#outboxes.delete(key));
      this.#outboxes.set(key, outbox);
    }
    return outbox.add(messages, options);
  }

  async idle(): Promise<void> {
    await Promise.all([...this.#outboxes.values()].map((outbox) => outbox.idle()));
  }

  abandon(reason: QueueError): void {
    for (const outbox of this.#outboxes.values()) outbox.abandon(reason);
  }
}
