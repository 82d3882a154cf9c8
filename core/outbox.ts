/**
 * The outbox of one key: publishes that are in the air together travel as one batch, one batch at a time, so the
 * order of calls is the order in the queue.
 *
 * @module
 */
import { roomOf, type Sender, type SendOptions } from "./direct.ts";
import type { DriverMessage } from "./driver.ts";
import type { QueueError } from "./errors.ts";
import { type Flight, fly, type Outcome } from "./flight.ts";
import type { Host } from "./host.ts";
import { Parcel } from "./parcel.ts";
import type { PublishReceipt } from "./protocol.ts";

/** Whoever waits for a parcel. */
interface Caller {
  readonly parcel: Parcel;
  readonly deadline: number;
  /** Has been told; what the broker still answers is of no interest. */
  over: boolean;
  /** Tells what `receipts` answers or throws. */
  end(receipts: () => PublishReceipt[]): void;
}

interface Item {
  readonly caller: Caller;
  readonly message: DriverMessage;
}

/** Publishes of one key on their way to the driver. */
class Outbox {
  readonly #host: Host;
  readonly #key: string;
  readonly #onIdle: () => void;
  readonly #waiting: Item[] = [];
  /** What the flight carries. */
  #batch: Item[] = [];
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
      const parcel = new Parcel(this.#host, this.#key, messages);
      const onAbort = () => this.#giveUp(caller, signal?.reason, true);
      const caller: Caller = {
        parcel,
        deadline: parcel.startedAt + timeoutMs,
        over: false,
        end: (receipts) => {
          caller.over = true;
          signal?.removeEventListener("abort", onAbort);
          try {
            resolve(receipts());
          } catch (error) {
            reject(error);
          }
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      for (const message of messages) this.#waiting.push({ caller, message });
      // A microtask later, so that what is published in the same turn travels together.
      this.#running ??= Promise.resolve().then(() => this.#run());
      this.#arm(caller.deadline);
    });
  }

  /** Resolves when there is nothing left to send. */
  idle(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  /** Gives up all that is still waiting or in the air. */
  abandon(reason: QueueError): void {
    for (const { caller } of [...this.#batch, ...this.#waiting]) this.#giveUp(caller, reason, false);
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      this.#take();
      if (this.#batch.length > 0) await this.#send();
    }
    this.#running = undefined;
    this.#host.clock.clearTimeout(this.#timer);
    this.#timerAt = Infinity;
    this.#onIdle();
  }

  /** Fills the batch. */
  #take(): void {
    const fits = roomOf(this.#host);
    let spent = 0;
    for (const item of this.#waiting) {
      if (!item.caller.over) {
        if (!fits(item.message)) break;
        item.caller.parcel.taken += 1;
        this.#batch.push(item);
      }
      spent += 1;
    }
    this.#waiting.splice(0, spent);
  }

  async #send(): Promise<void> {
    this.#abort = new AbortController();
    this.#flight = {};
    const messages = () => this.#batch.map(({ message }) => message);
    try {
      this.#deliver(
        await fly(this.#flight, this.#host, this.#key, this.#abort.signal, messages(), () => {
          this.#batch = this.#batch.filter(({ caller }) => !caller.over);
          return messages();
        }),
      );
    } catch {
      // Nobody waits for it: each was told when it gave up.
    }
    this.#batch = [];
    this.#flight = this.#abort = undefined;
  }

  /** Hands out what became of each message. */
  #deliver(outcomes: readonly Outcome[]): void {
    for (let i = 0; i < outcomes.length; i++) {
      const { caller } = this.#batch[i]!;
      if (caller.over) continue;
      const { parcel } = caller;
      parcel.answer(outcomes[i]!);
      if (parcel.answered) caller.end(() => parcel.receipts());
    }
  }

  /** The caller's patience is over: because of time, a signal, or the end of the backend. */
  #giveUp(caller: Caller, reason: unknown, aborted: boolean): void {
    if (caller.over) return;
    const { parcel } = caller;
    const { flying } = parcel;
    caller.end(() => {
      parcel.giveUp(reason, aborted, this.#flight);
      return parcel.receipts();
    });
    if (flying && this.#batch.every((item) => item.caller.over)) this.#abort?.abort();
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
      for (const { caller } of [...this.#batch, ...this.#waiting]) {
        if (caller.deadline <= now) this.#giveUp(caller, late, false);
        else if (!caller.over) next = Math.min(next, caller.deadline);
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
