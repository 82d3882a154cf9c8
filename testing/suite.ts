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
   * How many cases run at once, each on a broker of its own.
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
  #lanes: Map<string, Promise<CaseResult>> | undefined;

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
  }

  /** Real milliseconds that a runner must grant one test: where cases run at once, it may wait for all the others. */
  get testTimeoutMs(): number {
    const { stress, atOnce = stress ? 16 : 1 } = this.#options;
    return (this.caseTimeoutMs + 5_000) * (atOnce === 1 ? 1 : this.plans.length);
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

  /** Runs one case, or waits for it where all run at once. */
  run(plan: Plan): Promise<CaseResult> {
    const { stress, atOnce = stress ? 16 : 1 } = this.#options;
    if (atOnce === 1) return this.#run(plan);
    this.#lanes ??= this.#runAll(atOnce);
    return this.#lanes.get(plan.case.id)!;
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

  /** Begins all cases; each waits for the one before it in its lane. */
  #runAll(atOnce: number): Map<string, Promise<CaseResult>> {
    const lanes: Promise<unknown>[] = Array.from({ length: atOnce }, () => Promise.resolve());
    const runs = new Map<string, Promise<CaseResult>>();
    for (const [index, plan] of this.plans.filter(({ skip }) => !skip).entries()) {
      const lane = index % lanes.length;
      const run = lanes[lane]!.then(() => this.#run(plan));
      lanes[lane] = run;
      runs.set(plan.case.id, run);
    }
    return runs;
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
