/**
 * What a backend author gives to the kit: a {@link Harness} that opens {@link Broker}s.
 *
 * @module
 */
import type { Consumer } from "../core/consume/consumer.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { BackendOptions } from "../core/context.ts";
import type { QueueBackend } from "../core/protocol.ts";
import type { DriverOperation } from "./faults/fault_state.ts";
import type { FakeClock } from "./faults/fake_clock.ts";

/** What a case sets on a backend: the portable layer's options, and the bound of the queue. */
export interface ConnectOptions extends BackendOptions {
  /** The most unsettled messages of a key. Default: no bound. */
  readonly maxLength?: number | undefined;
}

/** What a case may do to a broker beyond using it. Each is optional: what is absent is reported as not proven. */
export interface HarnessFeatures {
  /**
   * The clock that the broker and its backends go by. With it the cases take no time and `leaseMs` may be any;
   * without it they wait for what they expect, with short leases.
   */
  readonly clock?: FakeClock | undefined;
  /**
   * The consumer is gone, as by a SIGKILL: it releases nothing, settles nothing, renews nothing. The kit does not
   * close it; what is left of it goes with the broker's `close`.
   */
  kill?(backend: QueueBackend): void | Promise<void>;
  /** Stops the broker hard and starts it again with what it has kept. Resolves when it is up. */
  restartBroker?(): Promise<void>;
  /** Cuts every connection; new ones may be made at once. */
  dropConnections?(): void | Promise<void>;
  /** From now on every reply to this backend comes `ms` milliseconds late; 0 ends it. */
  delayResponses?(backend: QueueBackend, ms: number): void | Promise<void>;
  /** The backend's next operation of the kind is done, and its reply is lost. */
  loseNextReply?(backend: QueueBackend, operation: DriverOperation): void | Promise<void>;
  /** The backend's next `times` operations of the kind fail before they reach the broker. */
  failNext?(backend: QueueBackend, operation: DriverOperation, fault: ErrorCode | Error, times?: number): void;
  /** Of the backend's next send, the messages at these places fail, for certain, and the others do not. */
  failSomeOfNext?(backend: QueueBackend, places: readonly number[]): void;
  /** Puts an entry into the queue by other means, its body as given: no JSON, perhaps, or not an object. */
  inject?(key: string, body: string): void | Promise<void>;
  /** How many commands or requests all backends together have sent so far. */
  cost?(): number | Promise<number>;
  /**
   * Has the platform push what comes for the key into the consumer's `handleBatch`, from now on, as it does in
   * production. Resolves with what ends it.
   */
  push?(key: string, consumer: Pick<Consumer, "handleBatch">): Promise<() => void | Promise<void>>;
}

/** One broker, or one namespace of it, that nobody else uses: empty at the start, thrown away at the end. */
export interface Broker extends HarnessFeatures {
  /**
   * Opens one more backend on this broker: one process, as it were. The options must reach the backend,
   * `clock` included where the broker has one.
   */
  connect(options?: ConnectOptions): QueueBackend | Promise<QueueBackend>;
  /** The name of a key in this namespace. Default: the name as it is. */
  key?(name: string): string;
  /** Texts that must not be seen in any error: the password or token that the broker is reached with. */
  readonly secrets?: readonly string[] | undefined;
  /** Throws everything away. The backends that live are closed before. */
  close?(): void | Promise<void>;
}

/** How the kit reaches a backend. */
export interface Harness {
  /** The row in the matrix, such as `"redis"`. */
  readonly name: string;
  /** A fresh broker for one case. Called once a case, and once before them all. */
  open(): Broker | Promise<Broker>;
  /** Milliseconds of the lease that is meant to run out. Default: 30,000 on a fake clock, 1,000 on a real broker. */
  readonly leaseMs?: number | undefined;
  /**
   * Milliseconds of the delays that the cases ask for. Default: 5,000 on a fake clock, 300 on a real broker; more where
   * the broker counts in whole seconds.
   */
  readonly delayMs?: number | undefined;
  /** Milliseconds by which the broker's clock and the kit's may differ. Default: 0 on a fake clock, 5 on a real broker. */
  readonly skewMs?: number | undefined;
  /** The most dead letters of a key that the broker can show. Default: all. */
  readonly maxListed?: number | undefined;
  /** Milliseconds to wait for something that must come. Default: 600,000 on a fake clock, 120,000 on a real broker. */
  readonly patienceMs?: number | undefined;
}
