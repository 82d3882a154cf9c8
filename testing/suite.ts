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
  /** Those that were asked for or have begun. */
  readonly #runs: Map<Plan, PromiseWithResolvers<CaseResult>> = new Map();
  /** Those that were asked for and have not begun. */
  readonly #asked: Plan[] = [];
  /** The place of the one that was asked for last. */
  #last = -1;
  /** Whether all were asked for up to there, one after the other. */
  #inOrder = true;
  /** The number of those that were asked for and have not ended. */
  #awaited = 0;
  /** The number of those under way. */
  #running = 0;

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

  /** Real milliseconds that a runner must grant one test: where cases run at once, it may wait for those before it. */
  get testTimeoutMs(): number {
    return (this.caseTimeoutMs + 5_000) * (this.#atOnce === 1 ? 1 : this.plans.length);
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
   * Runs one case. If several may run at once and the runner asks for all cases in order, later ones start early. A
   * runner that selects cases by name stops its servers after the last of them, so no other case may be running then.
   */
  async run(plan: Plan): Promise<CaseResult> {
    if (this.#atOnce === 1) return await this.#run(plan);
    const at = this.#planned.indexOf(plan);
    this.#inOrder &&= at === this.#last + 1;
    this.#last = at;
    if (!this.#runs.has(plan)) this.#asked.push(plan);
    const { promise } = this.#runOf(plan);
    this.#awaited += 1;
    this.#begin();
    try {
      return await promise;
    } finally {
      this.#awaited -= 1;
    }
  }

  /** Runs all cases. */
  async runAll(): Promise<void> {
    if (this.#atOnce > 1) await Promise.all(this.#planned.map((plan) => this.run(plan)));
    else for (const plan of this.#planned) await this.run(plan);
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

  #runOf(plan: Plan): PromiseWithResolvers<CaseResult> {
    let run = this.#runs.get(plan);
    if (run === undefined) this.#runs.set(plan, run = Promise.withResolvers());
    return run;
  }

  /** Begins as many cases as may be under way: first those that were asked for. */
  #begin(): void {
    while (this.#running < this.#atOnce) {
      const ahead = this.#inOrder && this.#awaited > 0;
      const plan = this.#asked.shift() ?? (ahead ? this.#planned.find((one) => !this.#runs.has(one)) : undefined);
      if (plan === undefined) return;
      const { resolve } = this.#runOf(plan);
      this.#running += 1;
      void this.#run(plan).then((result) => {
        this.#running -= 1;
        resolve(result);
        this.#begin();
      });
    }
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
