/**
 * The type of a case, and of its input.
 *
 * @module
 */
import type {
  ConsumeOptions,
  Delivery,
  JsonObject,
  LeasingBackend,
  QueueBackend,
  ReceiveOptions,
} from "../core/protocol.ts";
import type { CapabilityName } from "./capability.ts";
import type { Broker, ConnectOptions, HarnessFeatures } from "./harness.ts";
import type { SeededRandom } from "./random.ts";
import type { Reader } from "./reader.ts";

/** The name of a feature that a harness may have. */
export type HarnessFeatureName = keyof HarnessFeatures | "secrets";

/** One behaviour that a backend must show. */
export interface ConformanceCase {
  /** Short and for ever the same, such as `"02-killed"`. */
  readonly id: string;
  /** The rule of the delivery contract that it proves, 1 to 15. */
  readonly rule: number;
  /** The claim that must hold, as a sentence. */
  readonly title: string;
  /** The part of a backend that it uses: the smallest contract, leases, or the platform's pushes. */
  readonly level: "queue" | "leasing" | "push";
  /** The capability that it stands for in the matrix; tried also where it is not declared. */
  readonly proves?: CapabilityName | undefined;
  /** The capabilities without which it means nothing. */
  readonly needs: readonly CapabilityName[];
  /** The capability whose absence it is about. */
  readonly lacks?: CapabilityName | undefined;
  /** The features that it needs of the harness. */
  readonly features: readonly HarnessFeatureName[];
  /** Throws where the backend does not behave. */
  run(t: CaseContext): Promise<void>;
}

/** A case as it is written down in its group. */
export interface CaseDraft {
  /** Without the rule's number, such as `"killed"`. */
  readonly id: string;
  /** See {@link ConformanceCase.title}. */
  readonly title: string;
  /** Default: `"leasing"`. */
  readonly level?: ConformanceCase["level"] | undefined;
  /** See {@link ConformanceCase.proves}. */
  readonly proves?: CapabilityName | undefined;
  /** Default: none. `"pull"` is added, but for cases that only send. */
  readonly needs?: readonly CapabilityName[] | undefined;
  /** See {@link ConformanceCase.lacks}. */
  readonly lacks?: CapabilityName | undefined;
  /** Default: none. */
  readonly features?: readonly HarnessFeatureName[] | undefined;
  /** True where nothing is received. Default: false. */
  readonly sendOnly?: boolean | undefined;
  /** See {@link ConformanceCase.run}. */
  run(t: CaseContext): Promise<void>;
}

/** The cases of one rule. */
export function casesOf(rule: number, drafts: readonly CaseDraft[]): readonly ConformanceCase[] {
  return drafts.map((
    { id, level = "leasing", needs = [], features = [], sendOnly = false, ...rest },
  ) => ({
    ...rest,
    id: `${String(rule).padStart(2, "0")}-${id}`,
    rule,
    level,
    needs: level === "push" ? ["push", ...needs] : sendOnly ? needs : ["pull", ...needs],
    features,
  }));
}

/** The input of a case: a broker of its own, and ways to wait for events. */
export interface CaseContext {
  /** The broker of this case. */
  readonly broker: Broker;
  /** Milliseconds of a lease that is meant to run out. */
  readonly leaseMs: number;
  /** Milliseconds of a delay. */
  readonly delayMs: number;
  /** The most dead letters of a key that can be listed. */
  readonly maxListed: number;
  /** The most keys that a case uses. */
  readonly maxKeys: number;
  /** Milliseconds that no case lives to see the end of: for leases that must not be what brings a message back. */
  readonly longMs: number;
  /** Numbers that depend on the run's seed alone. */
  readonly random: SeededRandom;
  /** Whether the run is ten times larger. */
  readonly stress: boolean;
  /** `n`, or ten times as many under stress. */
  size(n: number): number;
  /** Opens one more backend. Its leases are `longMs` unless the case says otherwise. */
  connect(options?: ConnectOptions): Promise<LeasingBackend>;
  /** The same, for the smallest contract. */
  connectQueue(options?: ConnectOptions): Promise<QueueBackend>;
  /**
   * From now on each wait gives work that takes real time, such as compressing a megabyte, up to a second before a clock
   * that is turned by hand goes on.
   */
  allowRealWork(): void;
  /** A key of this case. */
  key(name?: string): string;
  /** A power that the case asked for. */
  power<Name extends keyof HarnessFeatures>(name: Name): NonNullable<HarnessFeatures[Name]>;
  /** Kills a backend; it is not asked to close at the end. */
  kill(backend: QueueBackend): Promise<void>;
  /** Epoch milliseconds by the broker's clock. */
  now(): number;
  /** Lets time pass. On a real broker it really does: only for what must not happen. */
  pass(ms: number): Promise<void>;
  /** Waits for what must happen, with patience, and answers it. */
  settles<T>(promise: PromiseLike<T>, what: string): Promise<T>;
  /**
   * Lets work go on beside the case, to be awaited later: until then a rejection is not unhandled, and a wait that is
   * in vain tells of it.
   */
  inBackground<T>(work: Promise<T>): Promise<T>;
  /** Waits until the probe answers true, asking again as time passes. */
  becomes(probe: () => boolean | Promise<boolean>, what: string): Promise<void>;
  /** Waits for a rejection, and answers the error. */
  rejects(promise: PromiseLike<unknown>, what: string): Promise<Error>;
  /** Fails where `at` is before `earliest`, by more than the clocks may differ. */
  notEarlier(at: number, earliest: number, what: string): void;
  /** Deliveries under lease, one by one; `prefetch` is 1 unless the case says otherwise, so that nothing is taken ahead. */
  receive(backend: LeasingBackend, key: string, options?: ReceiveOptions): Reader<Delivery>;
  /** Payloads, one by one; `prefetch` as for `receive`. */
  consume(backend: QueueBackend, key: string, options?: ConsumeOptions): Reader<JsonObject>;
  /** Takes everything that is ready now, settles it with an ack, and answers it. */
  drain(backend: LeasingBackend, key: string, options?: ReceiveOptions): Promise<Delivery[]>;
}
