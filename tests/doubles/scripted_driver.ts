/**
 * A driver that follows a test's script, and records the calls.
 *
 * @module
 */
import type {
  ConnectionListener,
  DriverDeadLetters,
  DriverInspection,
  DriverMessage,
  DriverReceiveOptions,
  QueueDriver,
  RawDelivery,
  SendResult,
  Settlement,
} from "../../core/driver.ts";
import type { ErrorCode } from "../../core/errors.ts";
import type { Capabilities, QueueDepth } from "../../core/protocol.ts";

const CAPABILITIES: Capabilities = {
  durable: true,
  delay: true,
  ttl: true,
  dedup: true,
  groups: true,
  deadLetters: true,
  replay: true,
  fencing: true,
  extend: true,
  release: true,
  attempts: true,
  headers: true,
  maxLength: true,
  depth: true,
  orderingKeys: false,
  order: "fifo",
  consume: "pull",
  maxPayloadBytes: Infinity,
  idleCostPerHour: 0,
};

/** The parts that a test may script. Without a handler the call succeeds. */
export interface Script {
  name?: string;
  capabilities?: Partial<Capabilities>;
  secrets?: readonly string[];
  maxBatchMessages?: number;
  maxBatchBytes?: number;
  maxSettleBatch?: number;
  maxDelayMs?: number;
  deadLetters?: DriverDeadLetters;
  inspect?: DriverInspection;
  observeConnection?(listener: ConnectionListener): void;
  connect?(signal: AbortSignal): Promise<void> | undefined;
  send?(messages: readonly DriverMessage[], signal: AbortSignal, call: number): Promise<SendResult[]> | SendResult[];
  /** Runs before deliveries are returned: it may throw, or wait. */
  receive?(options: DriverReceiveOptions, call: number): Promise<void> | void;
  settle?(settlements: readonly Settlement[], signal: AbortSignal, call: number): Promise<boolean[]> | boolean[];
  /** `false`: the driver has no `extend`. */
  extend?: false | ((leases: readonly unknown[], leaseMs: number, call: number) => Promise<boolean[]> | boolean[]);
  depth?(signal: AbortSignal): Promise<QueueDepth>;
  ping?(signal: AbortSignal): Promise<void>;
  close?(): Promise<void>;
  classify?(error: unknown): ErrorCode;
}

/** Makes an error as a client would throw it. */
export function failure(code: ErrorCode, message: string = code, fields: object = {}): Error {
  return Object.assign(new Error(message), { code, ...fields });
}

/** Never resolves. */
export function hang<T>(): Promise<T> {
  return new Promise(() => {});
}

/** A driver that follows a script. */
export class ScriptedDriver implements QueueDriver {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly maxBatchMessages?: number;
  readonly maxBatchBytes?: number;
  readonly maxSettleBatch?: number;
  readonly maxDelayMs?: number;
  readonly secrets?: readonly string[];
  readonly deadLetters?: DriverDeadLetters;
  readonly inspect?: DriverInspection;
  readonly observeConnection?: (listener: ConnectionListener) => void;
  readonly extend?: NonNullable<QueueDriver["extend"]>;
  readonly depth?: NonNullable<QueueDriver["depth"]>;
  readonly connect?: NonNullable<QueueDriver["connect"]>;
  /** The batches that were sent. */
  readonly sent: (readonly DriverMessage[])[] = [];
  /** The options of each receive. */
  readonly asked: DriverReceiveOptions[] = [];
  /** The settlements, one array per round trip. */
  readonly settled: (readonly Settlement[])[] = [];
  /** The renewals. */
  readonly extended: { readonly leases: readonly unknown[]; readonly leaseMs: number }[] = [];
  closed = 0;
  readonly #script: Script;
  readonly #waiting: RawDelivery[] = [];
  #wake: (() => void)[] = [];

  constructor(script: Script = {}) {
    this.#script = script;
    this.name = script.name ?? "scripted";
    // It declares no more than it offers: `createBackend` checks that.
    this.capabilities = {
      ...CAPABILITIES,
      extend: script.extend !== false,
      depth: script.depth !== undefined,
      deadLetters: script.deadLetters !== undefined,
      replay: script.deadLetters?.replay !== undefined,
      inspect: script.inspect !== undefined,
      ...script.capabilities,
    };
    for (const name of ["secrets", "maxBatchMessages", "maxBatchBytes", "maxSettleBatch", "maxDelayMs"] as const) {
      if (script[name] !== undefined) Object.assign(this, { [name]: script[name] });
    }
    if (script.deadLetters) this.deadLetters = script.deadLetters;
    if (script.inspect) this.inspect = script.inspect;
    if (script.observeConnection) this.observeConnection = (listener) => script.observeConnection!(listener);
    const { extend, depth } = script;
    if (script.connect) this.connect = (_key, signal) => script.connect!(signal);
    if (extend !== false) {
      this.extend = async (_key, _group, leases, leaseMs) => {
        this.extended.push({ leases, leaseMs });
        return await extend?.(leases, leaseMs, this.extended.length) ?? leases.map(() => true);
      };
    }
    if (depth) this.depth = (_key, _group, signal) => depth(signal);
  }

  /** Adds messages for `receive`. A text is a body; its lease is `"lease-<body>"` unless it is given. */
  put(...messages: (string | Partial<RawDelivery>)[]): void {
    for (const message of messages) {
      const raw = typeof message === "string" ? { body: message } : message;
      const id = raw.id ?? String(raw.body);
      this.#waiting.push({ id, lease: `lease-${id}`, body: undefined, attempts: 1, ...raw });
    }
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** The kinds of all settlements, with the leases, in their order. */
  get settlements(): string[] {
    return this.settled.flat().map(({ kind, lease }) => `${kind} ${lease}`);
  }

  /** The bodies of all that was sent. */
  get bodies(): string[][] {
    return this.sent.map((batch) => batch.map(({ body }) => body));
  }

  async send(_key: string, messages: readonly DriverMessage[], signal: AbortSignal): Promise<SendResult[]> {
    this.sent.push(messages);
    return await this.#script.send?.(messages, signal, this.sent.length) ?? messages.map(() => ({ outcome: "added" }));
  }

  async receive(_key: string, options: DriverReceiveOptions): Promise<RawDelivery[]> {
    this.asked.push(options);
    await this.#script.receive?.(options, this.asked.length);
    const { signal, max, waitMs } = options;
    while (this.#waiting.length === 0 && waitMs > 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    return signal.aborted ? [] : this.#waiting.splice(0, max);
  }

  async settle(_key: string, _group: string, settlements: readonly Settlement[], signal: AbortSignal) {
    this.settled.push(settlements);
    return await this.#script.settle?.(settlements, signal, this.settled.length) ?? settlements.map(() => true);
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.#script.ping?.(signal);
  }

  async close(): Promise<void> {
    this.closed += 1;
    await this.#script.close?.();
  }

  classify(error: unknown): ErrorCode {
    if (this.#script.classify) return this.#script.classify(error);
    return (error as { code?: ErrorCode } | undefined)?.code ?? "internal";
  }

  retryAfterMs(error: unknown): number | undefined {
    return (error as { retryAfterMs?: number } | undefined)?.retryAfterMs;
  }
}
