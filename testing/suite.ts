/**
 * Runs the planned cases, each on a broker of its own, and reports.
 *
 * @module
 */
import type { Capabilities } from "../core/protocol.ts";
import { isLeasing } from "./capability.ts";
import type { ConformanceCase } from "./case.ts";
import { ConformanceError, show } from "./check.ts";
import { Context } from "./context.ts";
import type { Harness } from "./harness.ts";
import { checkOnly, type Plan, planCases } from "./plan.ts";
import { freshSeed, seededRandom } from "./random.ts";
import { type CaseResult, type ConformanceReport, currentRuntime, makeReport } from "./report.ts";

/** Options of every run. */
export interface ConformanceOptions {
  /** The harness of the backend under test, or a function that makes it. */
  readonly harness: Harness | (() => Harness | Promise<Harness>);
  /**
   * Runs the same cases ten times larger, and sixteen at once.
   *
   * @default false
   */
  readonly stress?: boolean | undefined;
  /**
   * How many cases run at once, each on a broker of its own. If the runner asks for all cases in order, later ones start
   * early. If it selects some by name, they run one after the other.
   *
   * @default 1, or 16 under stress
   */
  readonly atOnce?: number | undefined;
  /**
   * Repeats a run's randomness.
   *
   * @default a new seed, which every failure names
   */
  readonly seed?: number | undefined;
  /**
   * The ids of the cases to run. The others are `"not-run"` in the report, and their capabilities are not proven.
   *
   * @default all
   */
  readonly only?: readonly string[] | undefined;
  /**
   * Real milliseconds that one case may take.
   *
   * @default 120_000, or 1_200_000 under stress
   */
  readonly caseTimeoutMs?: number | undefined;
  /**
   * Names the place where this runs in the report.
   *
   * @default the runtime's own name, such as `"deno"`
   */
  readonly runtime?: string | undefined;
  /** Gets the report when all cases have ended. */
  readonly onReport?: ((report: ConformanceReport) => void | Promise<void>) | undefined;
}

/** The cases of one run, decided before any of them starts. */
export class Suite {
  readonly harness: Harness;
  readonly plans: readonly Plan[];
  readonly #options: ConformanceOptions;
  readonly #seed: number;
  readonly #capabilities: Capabilities | undefined;
  readonly #results = new Map<string, CaseResult>();
  readonly caseTimeoutMs: number;
  readonly #atOnce: number;
  /** The cases to run, in their order. */
  readonly #planned: readonly Plan[];
  readonly #runs: Map<Plan, Promise<CaseResult>> = new Map();
  /** The place of the case that was asked for last. */
  #last = -1;
  /** Whether all cases up to there were asked for, in their order. */
  #inOrder = true;

  private constructor(
    harness: Harness,
    options: ConformanceOptions,
    capabilities: Capabilities | undefined,
    plans: readonly Plan[],
  ) {
    this.harness = harness;
    this.plans = plans;
    this.#options = options;
    this.#capabilities = capabilities;
    this.#seed = options.seed ?? freshSeed();
    this.caseTimeoutMs = options.caseTimeoutMs ?? (options.stress ? 1_200_000 : 120_000);
    this.#atOnce = options.atOnce ?? (options.stress ? 16 : 1);
    this.#planned = plans.filter(({ skip }) => !skip);
  }

  /** Real milliseconds that a runner must grant one test: it may wait for a case that started when its own ended. */
  get testTimeoutMs(): number {
    return (this.caseTimeoutMs + 5_000) * (this.#atOnce === 1 ? 1 : 2);
  }

  /** Opens the backend once, and decides which cases can run. */
  static async plan(options: ConformanceOptions): Promise<Suite> {
    checkOnly(options.only);
    const harness = typeof options.harness === "function" ? await options.harness() : options.harness;
    const broker = await harness.open();
    try {
      const context = new Context(harness, broker, { random: seededRandom(0), stress: false });
      const backend = await context.connectQueue();
      const capabilities = isLeasing(backend) ? backend.capabilities : undefined;
      const plans = planCases(broker, capabilities, options.only);
      await context.dispose();
      return new Suite(harness, options, capabilities, plans);
    } finally {
      await broker.close?.();
    }
  }

  /**
   * Runs one case. If several may run at once and the runner asks for all cases in order, later ones start meanwhile. None
   * is running any more when this resolves: a runner that selects cases by name stops its servers after the last of them.
   */
  async run(plan: Plan): Promise<CaseResult> {
    if (this.#atOnce === 1) return await this.#run(plan);
    const at = this.#planned.indexOf(plan);
    this.#inOrder &&= at === this.#last + 1;
    this.#last = at;
    const later = this.#inOrder && !this.#runs.has(plan) ? this.#planned.slice(at + 1) : [];
    let over = false;
    const own = this.#once(plan).finally(() => over = true);
    const lane = async () => {
      while (!over && later.length > 0) await this.#once(later.shift()!);
    };
    await Promise.all(Array.from({ length: this.#atOnce - 1 }, lane));
    return await own;
  }

  /** Runs all cases. */
  async runAll(): Promise<void> {
    const waiting = this.#planned.values();
    const lane = async () => {
      for (const plan of waiting) await this.#run(plan);
    };
    await Promise.all(Array.from({ length: this.#atOnce }, lane));
  }

  /** Makes the report of the cases that have ended by now. */
  report(): ConformanceReport {
    const { runtime = currentRuntime(), stress = false } = this.#options;
    const about = { backend: this.harness.name, runtime, seed: this.#seed, stress };
    const results = this.plans.map(({ case: { id, rule, title, proves }, skip }): CaseResult =>
      this.#results.get(id) ?? { id, rule, title, proves, status: "not-run", ...skip }
    );
    return makeReport(about, this.#capabilities, results);
  }

  #once(plan: Plan): Promise<CaseResult> {
    let run = this.#runs.get(plan);
    if (run === undefined) this.#runs.set(plan, run = this.#run(plan));
    return run;
  }

  async #run({ case: one, tried }: Plan): Promise<CaseResult> {
    const { id, rule, title, proves } = one;
    const error = await this.#failure(one, tried);
    const status = error ? tried ? "not-declared" : "failed" : tried ? "undeclared-works" : "passed";
    const result: CaseResult = { id, rule, title, proves, status, ...error && { error, reason: error.message } };
    this.#results.set(id, result);
    return result;
  }

  async #failure(one: ConformanceCase, tried: boolean): Promise<Error | undefined> {
    const { stress = false } = this.#options;
    const { caseTimeoutMs } = this;
    const random = seededRandom(this.#seed ^ hash(one.id));
    const step: Step = { waitsFor: () => "the broker to open" };
    let timer: ReturnType<typeof setTimeout> | undefined;
    const limit = new Promise<never>((_, reject) => {
      const end = () => {
        const waits = step.waitsFor();
        const where = waits === "" ? "" : `, waiting for: ${waits}`;
        reject(new ConformanceError(`did not end within ${caseTimeoutMs} ms${where}`));
      };
      timer = setTimeout(end, caseTimeoutMs);
    });
    try {
      await Promise.race([this.#attempt(one, { random, stress, tried, step }), limit]);
      return undefined;
    } catch (error) {
      const reason = error instanceof Error ? error.message : show(error);
      return new ConformanceError(`${one.id}: ${reason} (seed ${this.#seed})`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  async #attempt(one: ConformanceCase, { random, stress, tried, step }: Attempt): Promise<void> {
    const broker = await this.harness.open();
    // A capability that is not declared deserves less patience.
    const patienceMs = tried && !broker.clock ? 3_000 : undefined;
    const context = new Context(this.harness, broker, { random, stress, patienceMs });
    step.waitsFor = () => context.waitsFor();
    let failure: { readonly error: unknown } | undefined;
    try {
      await one.run(context);
    } catch (error) {
      failure = { error };
    }
    try {
      await context.dispose();
    } catch (error) {
      failure ??= { error };
    }
    step.waitsFor = () => "the broker to close";
    try {
      await broker.close?.();
    } catch (error) {
      failure ??= { error };
    }
    if (failure) throw failure.error;
  }
}

/** Where a case is. */
interface Step {
  /** What it waits for. */
  waitsFor: () => string;
}

/** What one run of a case needs. */
interface Attempt {
  readonly random: ReturnType<typeof seededRandom>;
  readonly stress: boolean;
  /** Whether the case is tried for a capability that is not declared. */
  readonly tried: boolean;
  readonly step: Step;
}

/** Makes a number of a text, so that each case has its own randomness. */
function hash(text: string): number {
  let sum = 0;
  for (const character of text) sum = Math.imul(sum, 31) + character.codePointAt(0)! | 0;
  return sum;
}
