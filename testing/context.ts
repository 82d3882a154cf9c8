/**
 * The input of a case, made of a broker: see {@link CaseContext}.
 *
 * @module
 */
import { delay } from "../core/util/async.ts";
import type {
  ConsumeOptions,
  Delivery,
  JsonObject,
  LeasingBackend,
  QueueBackend,
  ReceiveOptions,
} from "../core/protocol.ts";
import { isLeasing } from "./capability.ts";
import type { CaseContext } from "./case.ts";
import { check, ConformanceError, show } from "./check.ts";
import type { Broker, ConnectOptions, Harness, HarnessFeatures } from "./harness.ts";
import type { SeededRandom } from "./random.ts";
import { Reader } from "./reader.ts";

/** Milliseconds of a lease or a delay that no case lives to see the end of. */
const LONG_MS = 3_600_000;

/** Milliseconds between the first two looks at something that is not announced; the waits grow, up to the second. */
const LOOK_MS = { fake: [250, 20_000], real: [20, 250] } as const;

/** The settings of a context. */
export interface ContextSettings {
  readonly random: SeededRandom;
  readonly stress: boolean;
  /** Milliseconds; overrides the harness's. */
  readonly patienceMs?: number | undefined;
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/** The context of one case. */
export class Context implements CaseContext {
  readonly broker: Broker;
  readonly leaseMs: number;
  readonly delayMs: number;
  readonly maxListed: number;
  readonly maxKeys: number;
  readonly longMs: number = LONG_MS;
  readonly random: SeededRandom;
  readonly stress: boolean;
  /** What the case waits for at this moment. */
  readonly #waits = new Set<string>();
  readonly #patienceMs: number;
  #realWorkMs = 0;
  readonly #skewMs: number;
  readonly #open: QueueBackend[] = [];
  readonly #killed = new Set<QueueBackend>();
  readonly #failedBeside: unknown[] = [];

  /** A context over a broker that nobody else uses. */
  constructor(harness: Harness, broker: Broker, settings: ContextSettings) {
    const fake = broker.clock !== undefined;
    this.broker = broker;
    this.leaseMs = harness.leaseMs ?? (fake ? 30_000 : 1_000);
    this.delayMs = harness.delayMs ?? (fake ? 5_000 : 300);
    this.maxListed = harness.maxListed ?? Infinity;
    this.maxKeys = harness.maxKeys ?? Infinity;
    this.#skewMs = harness.skewMs ?? (fake ? 0 : 5);
    this.#patienceMs = settings.patienceMs ?? harness.patienceMs ?? (fake ? 600_000 : 120_000);
    this.random = settings.random;
    this.stress = settings.stress;
  }

  size(n: number): number {
    return this.stress ? n * 10 : n;
  }

  async connectQueue(options: ConnectOptions = {}): Promise<QueueBackend> {
    const { clock } = this.broker;
    const connected = this.broker.connect({
      leaseMs: LONG_MS,
      // Deliveries that a case leaves in hand must not hold up its end.
      closeDeadlineMs: 50,
      // Real brokers share a busy machine: a case that is about a time limit sets it.
      ...clock ? { clock } : { timeoutMs: 60_000 },
      ...options,
    });
    const backend = await this.#named("the harness's connect()", connected);
    this.#open.push(backend);
    return backend;
  }

  async connect(options: ConnectOptions = {}): Promise<LeasingBackend> {
    const backend = await this.connectQueue(options);
    check(isLeasing(backend), "the backend offers no leases");
    return backend;
  }

  allowRealWork(): void {
    this.#realWorkMs = 1_000;
  }

  key(name = "orders"): string {
    return this.broker.key?.(name) ?? name;
  }

  power<Name extends keyof HarnessFeatures>(name: Name): NonNullable<HarnessFeatures[Name]> {
    const power = this.broker[name];
    check(power !== undefined && power !== null, `the harness has no ${name}`);
    if (typeof power !== "function") return power as NonNullable<HarnessFeatures[Name]>;
    const call = (power as (...args: unknown[]) => unknown).bind(this.broker);
    const named = (...args: unknown[]) => {
      const result = call(...args);
      return result instanceof Promise ? this.#named(`the harness's ${name}()`, result) : result;
    };
    return named as NonNullable<HarnessFeatures[Name]>;
  }

  async kill(backend: QueueBackend): Promise<void> {
    this.#killed.add(backend);
    await this.power("kill")(backend);
  }

  now(): number {
    return this.broker.clock?.now() ?? Date.now();
  }

  async pass(ms: number): Promise<void> {
    if (this.broker.clock) await this.broker.clock.advance(ms);
    else await delay(ms);
  }

  async settles<T>(promise: PromiseLike<T>, what: string): Promise<T> {
    const outcome = await this.#outcome(promise, what);
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }

  async rejects(promise: PromiseLike<unknown>, what: string): Promise<Error> {
    const outcome = await this.#outcome(promise, what);
    if (!("error" in outcome)) throw new ConformanceError(`${what}: expected a rejection, got ${show(outcome.value)}`);
    check(outcome.error instanceof Error, `${what}: expected an Error, got ${show(outcome.error)}`);
    return outcome.error;
  }

  inBackground<T>(work: Promise<T>): Promise<T> {
    work.catch((error) => this.#failedBeside.push(error));
    return work;
  }

  async becomes(probe: () => boolean | Promise<boolean>, what: string): Promise<void> {
    const end = this.now() + this.#patienceMs;
    const [first, longest] = this.broker.clock ? LOOK_MS.fake : LOOK_MS.real;
    for (let waitMs: number = first; !await this.settles(Promise.resolve(probe()), what); waitMs *= 1.2) {
      if (this.now() >= end) throw this.#late(`${what}: did not become true`);
      await this.pass(Math.min(waitMs, longest));
    }
  }

  notEarlier(at: number, earliest: number, what: string): void {
    const early = earliest - at;
    check(early <= this.#skewMs, `${what}: came ${early} ms too early`);
  }

  receive(backend: LeasingBackend, key: string, options: ReceiveOptions = {}): Reader<Delivery> {
    return new Reader(this, backend.receive(key, { prefetch: 1, ...options }));
  }

  consume(backend: QueueBackend, key: string, options: ConsumeOptions = {}): Reader<JsonObject> {
    return new Reader(this, backend.consume(key, { prefetch: 1, ...options }));
  }

  async drain(backend: LeasingBackend, key: string, options: ReceiveOptions = {}): Promise<Delivery[]> {
    const taken: Delivery[] = [];
    const reader = this.receive(backend, key, { prefetch: 100, ...options, stopWhenEmpty: true });
    for (;;) {
      const step = await reader.step("draining the queue");
      if (step.done) return taken;
      taken.push(step.value);
      await this.settles(step.value.ack(), "an ack while draining the queue");
    }
  }

  /** Closes what the case left open; the killed are the broker's to clear away. */
  async dispose(): Promise<void> {
    const alive = this.#open.filter((backend) => !this.#killed.has(backend));
    await this.settles(Promise.all(alive.map((backend) => backend.close())), "closing at the end of the case");
  }

  /** Waits in real time, as {@link allowRealWork} has it. */
  async #realTime(outcome: Promise<unknown>): Promise<void> {
    let settled = false;
    void outcome.then(() => settled = true);
    const end = performance.now() + this.#realWorkMs;
    while (!settled && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  async #outcome<T>(promise: PromiseLike<T>, what: string): Promise<Outcome<T>> {
    const outcome: Promise<Outcome<T>> = Promise.resolve(promise).then((value) => ({ value }), (error) => ({ error }));
    return await this.#named(what, this.#inTime(outcome, what));
  }

  /** Keeps the name of what is waited for until it is there. */
  async #named<T>(what: string, work: T | Promise<T>): Promise<T> {
    this.#waits.add(what);
    try {
      return await work;
    } finally {
      this.#waits.delete(what);
    }
  }

  async #inTime<T>(outcome: Promise<Outcome<T>>, what: string): Promise<Outcome<T>> {
    if (this.broker.clock) {
      await this.#realTime(outcome);
      try {
        return await this.broker.clock.until(outcome, this.#patienceMs);
      } catch (error) {
        throw this.#late(`${what}: did not happen`, error);
      }
    }
    let timer: ReturnType<typeof setTimeout> | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#late(`${what}: did not happen`)), this.#patienceMs);
    });
    try {
      return await Promise.race([outcome, limit]);
    } finally {
      clearTimeout(timer);
    }
  }
  /** What the case waits for at this moment, for the error of a case that does not end. */
  waitsFor(): string {
    return `${[...this.#waits].join(", ")}${this.#besides()}`;
  }

  #besides(): string {
    return this.#failedBeside.length === 0 ? "" : `; beside it failed: ${show(this.#failedBeside[0])}`;
  }

  /** In vain: perhaps because something beside the case has failed. */
  #late(what: string, error?: unknown): ConformanceError {
    const [cause = error] = this.#failedBeside;
    return new ConformanceError(`${what} within ${this.#patienceMs} ms${this.#besides()}`, { cause });
  }
}
