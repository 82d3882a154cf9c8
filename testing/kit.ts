/**
 * The suite: plans the cases for a backend, registers them with a runner, and reports.
 *
 * @module
 */
import type { Capabilities } from "../core/protocol.ts";
import { declares, isLeasing } from "./capability.ts";
import type { ConformanceCase, HarnessFeatureName } from "./case.ts";
import { conformanceCases } from "./cases/mod.ts";
import { ConformanceError, show } from "./check.ts";
import { Context } from "./context.ts";
import type { Broker, Harness } from "./harness.ts";
import { freshSeed, seededRandom } from "./random.ts";
import { type CaseResult, type CaseStatus, type ConformanceReport, currentRuntime, makeReport } from "./report.ts";

/** What every run takes. */
export interface ConformanceOptions {
  /** The backend under test, or what makes its harness. */
  readonly harness: Harness | (() => Harness | Promise<Harness>);
  /** The same cases ten times larger, and sixteen at once. Default: false. */
  readonly stress?: boolean | undefined;
  /** How many cases run at once, each on a broker of its own. Default: 1; 16 under stress. */
  readonly atOnce?: number | undefined;
  /** Repeats a run's randomness. Default: a new one, which every failure names. */
  readonly seed?: number | undefined;
  /** The ids of the cases to run. Default: all. */
  readonly only?: readonly string[] | undefined;
  /** Real milliseconds that one case may take. Default: 120,000; ten times that under stress. */
  readonly caseTimeoutMs?: number | undefined;
  /** How the report calls the place where this runs. Default: as the runtime calls itself. */
  readonly runtime?: string | undefined;
  /** Gets the report when all is done. */
  readonly onReport?: ((report: ConformanceReport) => void | Promise<void>) | undefined;
}

/** A runner's function: `Deno.test`, `node:test`, `bun:test`, Vitest's, or a collector's. */
export interface TestFunction {
  /** Registers a test; what it answers is of no interest. */
  (name: string, fn: () => Promise<void>): unknown;
}

/** Options of {@link testBackend}. */
export interface TestBackendOptions extends ConformanceOptions {
  /** Registers one test. Its own `skip` (or `ignore`) is used for cases that are not run, where it has one. */
  readonly test: TestFunction;
}

interface Plan {
  readonly case: ConformanceCase;
  /** `undefined`: to be run. */
  readonly skip?: { readonly status: CaseStatus; readonly reason: string };
  /** Run although the capability is not declared: to see whether it works all the same. */
  readonly tried: boolean;
}

/** What a run knows before it starts. */
class Suite {
  readonly harness: Harness;
  readonly plans: readonly Plan[];
  readonly #options: ConformanceOptions;
  readonly #seed: number;
  readonly #capabilities: Capabilities | undefined;
  readonly #results = new Map<string, CaseResult>();
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
  }

  /** Looks at the backend once, and decides what can be run. */
  static async plan(options: ConformanceOptions): Promise<Suite> {
    const harness = typeof options.harness === "function" ? await options.harness() : options.harness;
    const broker = await harness.open();
    try {
      const context = new Context(harness, broker, { random: seededRandom(0), stress: false });
      const backend = await context.connectQueue();
      const leasing = isLeasing(backend);
      const capabilities = leasing ? backend.capabilities : undefined;
      const cases = conformanceCases.filter(({ id }) => options.only?.includes(id) ?? true);
      const plans = cases.map((one) => planOf(one, broker, leasing, capabilities));
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

  /** What is known by now. */
  report(): ConformanceReport {
    const { runtime = currentRuntime(), stress = false } = this.#options;
    const about = { backend: this.harness.name, runtime, seed: this.#seed, stress };
    const results = this.plans.map(({ case: { id, rule, title, proves }, skip }): CaseResult =>
      this.#results.get(id) ?? { id, rule, title, proves, status: "not-run", ...skip }
    );
    return makeReport(about, this.#capabilities, results);
  }

  /** All are begun; each waits for the one before in its lane. */
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
    const { stress = false, caseTimeoutMs = stress ? 1_200_000 : 120_000 } = this.#options;
    const random = seededRandom(this.#seed ^ hash(one.id));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new ConformanceError(`did not end within ${caseTimeoutMs} ms`)), caseTimeoutMs);
    });
    try {
      await Promise.race([this.#attempt(one, random, stress, tried), limit]);
      return undefined;
    } catch (error) {
      const reason = error instanceof Error ? error.message : show(error);
      return new ConformanceError(`${one.id}: ${reason} (seed ${this.#seed})`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  async #attempt(
    one: ConformanceCase,
    random: ReturnType<typeof seededRandom>,
    stress: boolean,
    tried: boolean,
  ): Promise<void> {
    const broker = await this.harness.open();
    // What is not declared is not waited for as long as what is.
    const patienceMs = tried && !broker.clock ? 3_000 : undefined;
    const context = new Context(this.harness, broker, { random, stress, patienceMs });
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
    try {
      await broker.close?.();
    } catch (error) {
      failure ??= { error };
    }
    if (failure) throw failure.error;
  }
}

function planOf(
  one: ConformanceCase,
  broker: Broker,
  leasing: boolean,
  capabilities: Capabilities | undefined,
): Plan {
  const plan = (status: CaseStatus, reason: string): Plan => ({ case: one, skip: { status, reason }, tried: false });
  if (one.level !== "queue" && !leasing) return plan("not-declared", "the backend offers no leases");
  if (one.lacks && declares(capabilities, one.lacks)) return plan("not-applicable", `the backend has ${one.lacks}`);
  const undeclared = one.needs.filter((name) => !declares(capabilities, name));
  if (undeclared.length > 0) return plan("not-declared", `the backend does not declare ${undeclared.join(", ")}`);
  const tried = one.proves !== undefined && !declares(capabilities, one.proves);
  const missing = one.features.filter((name) => !has(broker, name));
  if (missing.length > 0) {
    const reason = `the harness lacks ${missing.join(", ")}`;
    return tried ? plan("not-declared", `${one.proves} is not declared, and ${reason}`) : plan("not-proven", reason);
  }
  return { case: one, tried };
}

function has(broker: Broker, name: HarnessFeatureName): boolean {
  return name === "secrets" ? (broker.secrets?.length ?? 0) > 0 : broker[name] !== undefined;
}

/** A number out of a text, so that each case has randomness of its own. */
function hash(text: string): number {
  let sum = 0;
  for (const character of text) sum = Math.imul(sum, 31) + character.codePointAt(0)! | 0;
  return sum;
}

function nameOf({ harness }: Suite, { case: { id, rule, title }, skip, tried }: Plan): string {
  const name = `${harness.name}: rule ${String(rule).padStart(2, "0")}: ${title} [${id}]`;
  if (skip) return `${name} (${skip.status.replace("-", " ")}: ${skip.reason})`;
  return tried ? `${name} (not declared: tried for the report)` : name;
}

/**
 * Registers every case with a runner, each as a test of its own; to be awaited at the top of a test file.
 *
 * A case that cannot be run is skipped by the runner's own means and its name says why; where the runner has no such
 * means it is not registered, so that it never counts as passed. The last test delivers the report.
 *
 * @throws Whatever the harness throws when it is opened.
 */
export async function testBackend({ test, ...options }: TestBackendOptions): Promise<void> {
  const suite = await Suite.plan(options);
  const { skip, ignore } = test as { skip?: TestFunction; ignore?: TestFunction };
  const leaveOut = skip ?? ignore;
  for (const plan of suite.plans) {
    if (plan.skip) {
      leaveOut?.call(test, nameOf(suite, plan), () => Promise.resolve());
      continue;
    }
    test(nameOf(suite, plan), async () => {
      const { status, error } = await suite.run(plan);
      if (status === "failed") throw error;
    });
  }
  test(`${suite.harness.name}: the report`, async () => {
    await options.onReport?.(suite.report());
  });
}

/** Runs every case without a runner, one after the other, and answers the report. Rejects only where the harness does. */
export async function runConformance(options: ConformanceOptions): Promise<ConformanceReport> {
  const suite = await Suite.plan(options);
  const planned = suite.plans.filter(({ skip }) => !skip);
  if (options.stress) await Promise.all(planned.map((plan) => suite.run(plan)));
  else for (const plan of planned) await suite.run(plan);
  const report = suite.report();
  await options.onReport?.(report);
  return report;
}
