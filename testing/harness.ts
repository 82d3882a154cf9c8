/**
 * The types that a backend author gives to the kit: a {@link Harness} that opens {@link Broker}s.
 *
 * @module
 */
import type { Consumer } from "../core/consume/consumer.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { BackendOptions } from "../core/backend_options.ts";
import type { QueueBackend } from "../core/protocol.ts";
import type { DriverOperation } from "./faults/fault_state.ts";
import type { FakeClock } from "./faults/fake_clock.ts";

/** Options that a case sets on a backend: the portable layer's, and the bound of the queue. */
export interface ConnectOptions extends BackendOptions {
  /**
   * The most unsettled messages of a key. A driver that declares `maxLength` must honour it; another may ignore it.
   *
   * @default no bound
   */
  readonly maxLength?: number | undefined;
}

/**
 * Faults and looks that a case can ask of a broker, beyond using it. Every member is optional. A case that needs an absent one is reported
 * as not proven, with the member's name. {@link driverHarness} offers all of them except `clock`, `restartBroker`,
 * `holdRequests`, `inject`, `cost` and `push`, which only the broker's side can do.
 */
export interface HarnessFeatures {
  /**
   * The clock that the broker and its backends go by. The cases turn it by hand: they take no time, and leases of 30 s
   * are no hardship. Without a clock the cases really wait, with the harness's short `leaseMs`.
   */
  readonly clock?: FakeClock | undefined;
  /**
   * Ends a consumer as SIGKILL does. Cases call it while the backend holds deliveries and expect each of them again
   * after its lease, so nothing of the backend may reach the broker any more: no release, settlement or renewal. The kit
   * does not close a killed backend; `Broker.close` clears it away.
   */
  kill?(backend: QueueBackend): void | Promise<void>;
  /**
   * Stops the broker hard and starts it again with what it has kept. Cases publish before it and expect messages,
   * attempts, delays and dead letters afterwards; some publish and consume during it. Resolves when the broker is up.
   */
  restartBroker?(): Promise<void>;
  /**
   * Cuts every connection at once; new ones may be made immediately. Cases call it while a read waits and while
   * thousands of publishes are unanswered, and expect everything confirmed to arrive.
   */
  dropConnections?(): void | Promise<void>;
  /**
   * Delays every reply to this backend by `ms` milliseconds from now on; 0 ends it. The request itself reaches the broker
   * at once. Cases expect a publish not to resolve before its reply, and to time out as `unknown-outcome`.
   */
  delayResponses?(backend: QueueBackend, ms: number): void | Promise<void>;
  /**
   * Holds the backend's requests back, below its driver: they have left the driver and have not reached the broker. The
   * returned function lets all of them through. The fencing cases call it before a settlement or a renewal, wait until
   * the lease has run out and another consumer holds the message, and let the request arrive then. It must act between
   * the driver and the broker (a proxy, a slow store), since a driver that compares the lease with its own clock would
   * pass any test above it. Without it fencing is reported as not proven.
   */
  holdRequests?(backend: QueueBackend): (() => void | Promise<void>) | Promise<() => void | Promise<void>>;
  /**
   * Lets the backend's next operation of this kind reach the broker and loses the reply. Cases expect a publish to
   * become `unknown-outcome` or, with dedup, to be repeated; and an acknowledgement to be repeated without harm.
   */
  loseNextReply?(backend: QueueBackend, operation: DriverOperation): void | Promise<void>;
  /**
   * Fails the backend's next `times` operations of this kind (default 1) before they reach the broker: with an error of
   * this code, or with this error, which the driver's `classify` names. Cases expect retries, and nothing in the queue.
   */
  failNext?(backend: QueueBackend, operation: DriverOperation, fault: ErrorCode | Error, times?: number): void;
  /**
   * Of the backend's next send, fails the messages at these places, for certain, and sends the others. Cases expect the
   * error of the batch to say which messages are in the queue.
   */
  failSomeOfNext?(backend: QueueBackend, places: readonly number[]): void;
  /**
   * Opens a backend whose broker is not there: connections to its address are refused. Cases expect every call to name
   * that cause, and no publish to be an unknown outcome. The options must reach the backend.
   */
  connectUnreachable?(options: ConnectOptions): QueueBackend | Promise<QueueBackend>;
  /**
   * Puts an entry into the queue without the backend, its body as given: text that is not JSON, or JSON that is not an
   * object. Cases expect the dead letters to have it, unchanged. It may be the first call of a case, when no publish or
   * consumer has used the key yet: where the queue must exist first, `inject` creates it as the driver would.
   */
  inject?(key: string, body: string): void | Promise<void>;
  /**
   * As `inject`, with bytes that are not UTF-8. Cases expect the dead letters to have these bytes, and replay to bring
   * them back. Absent where the broker's bodies are text by their type.
   */
  injectBytes?(key: string, body: Uint8Array): void | Promise<void>;
  /**
   * Counts the commands or requests that all backends together have sent to the broker so far, pings and renewals
   * included. Cases compare differences of it with `idleCostPerHour` and `costPerMessage`.
   */
  cost?(): number | Promise<number>;
  /**
   * Makes the platform push messages of the key into the consumer's `handleBatch` from now on, as in production.
   * Resolves with a function that ends it. Needed where `capabilities.consume` is `"push"` or `"both"`.
   */
  push?(key: string, consumer: Pick<Consumer, "handleBatch">): Promise<() => void | Promise<void>>;
}

/** One broker, or one namespace of it, that no other case uses: empty at the start, removed at the end. */
export interface Broker extends HarnessFeatures {
  /**
   * Opens one more backend on this broker, as another process would. The options must reach the backend, `clock`
   * included.
   */
  connect(options?: ConnectOptions): QueueBackend | Promise<QueueBackend>;
  /**
   * Names a key in this namespace. Called with short names such as `"orders"`.
   *
   * @default the name itself
   */
  key?(name: string): string;
  /** Texts that no error may show: the password or token that the broker is reached with. */
  readonly secrets?: readonly string[] | undefined;
  /**
   * True where a lease belongs to the connection that took it: when that breaks, or the broker restarts, the message comes
   * again at once, and its holder learns that the lease is lost. The random run expects exactly that.
   *
   * @default false: a lease outlives its connection
   */
  readonly leasesEndWithConnection?: boolean | undefined;
  /**
   * True where a process of the backend copies a message whose delay is over, so that one that dies between the copy and
   * the removal leaves it twice. The random run then lets what was delayed at such a moment come twice, and nothing else.
   *
   * @default false: the broker itself ends delays
   */
  readonly copiesDelayed?: boolean | undefined;
  /**
   * True where the broker pushes, and counts a delivery that was on its way to a consumer when that stopped. The random run
   * and the cases in which a consumer stops between two deliveries, which one on a busy machine may do by itself, then accept
   * a higher count, never a lower one; the other cases stay exact.
   *
   * @default false: only what a consumer was handed counts
   */
  readonly countsUnseen?: boolean | undefined;
  /** Removes everything. The backends that are alive are closed before. */
  close?(): void | Promise<void>;
}

/** How the kit reaches a backend. */
export interface Harness {
  /** The backend's name in reports and test names, such as `"redis"`. */
  readonly name: string;
  /** Opens a fresh broker for one case. Called once for each case that runs, and once before all of them. */
  open(): Broker | Promise<Broker>;
  /**
   * Milliseconds of a lease that is meant to run out.
   *
   * @default 30_000 on a fake clock, 1_000 on a real broker
   */
  readonly leaseMs?: number | undefined;
  /**
   * Milliseconds of the delays that the cases ask for; more where the broker counts in whole seconds.
   *
   * @default 5_000 on a fake clock, 300 on a real broker
   */
  readonly delayMs?: number | undefined;
  /**
   * Milliseconds by which the broker's clock and the kit's may differ.
   *
   * @default 0 on a fake clock, 5 on a real broker
   */
  readonly skewMs?: number | undefined;
  /**
   * The most dead letters of a key that the broker can list.
   *
   * @default no limit
   */
  readonly maxListed?: number | undefined;
  /**
   * The most keys that a case uses: for a broker to which each is a queue with files of its own.
   *
   * @default no limit
   */
  readonly maxKeys?: number | undefined;
  /**
   * Milliseconds to wait for an event that must come.
   *
   * @default 600_000 on a fake clock, 120_000 on a real broker
   */
  readonly patienceMs?: number | undefined;
}
