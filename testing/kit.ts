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
import {
  type CaseResult,
  type CaseStatus,
  type ConformanceReport,
  currentRuntime,
  formatReport,
  makeReport,
} from "./report.ts";

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

/** A runner's function: `Deno.test`, `node:test`, `bun:test`, Vitest's, or a collector's. */
export interface TestFunction {
  /** Registers a test. The return value is ignored. */
  (name: string, fn: () => Promise<void>): unknown;
}

/** Options of {@link testBackend}. */
export interface TestBackendOptions extends ConformanceOptions {
  /**
   * Registers one test. Its own `skip` (or `ignore`) is used for cases that cannot run, where it has one. On Bun the
   * functions of `bun:test` and `node:test` get each case's time limit too, since Bun's own is five seconds.
   */
  readonly test: TestFunction;
  /**
   * Gets the report as text, such as `console.log`. Its last line counts tests as the runner does.
   *
   * @default nothing is printed
   */
  readonly print?: ((text: string) => void) | undefined;
}

interface Plan {
  readonly case: ConformanceCase;
  /** `undefined`: to be run. */
  readonly skip?: { readonly status: CaseStatus; readonly reason: string } | undefined;
  /** Run although its capability is not declared, so that the report says whether it works. */
  readonly tried: boolean;
}

/** The cases of one run, decided before any of them starts. */
class Suite {
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
      const leasing = isLeasing(backend);
      const capabilities = leasing ? backend.capabilities : undefined;
      const plans = conformanceCases.map((one): Plan =>
        options.only?.includes(one.id) ?? true ? planOf(one, broker, leasing, capabilities) : leftOut(one)
      );
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
    // A capability that is not declared deserves less patience.
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

/** Refuses a case that does not exist: a slip would otherwise run nothing and look like success. */
function checkOnly(only: readonly string[] | undefined): void {
  const unknown = only?.filter((id) => !conformanceCases.some((one) => one.id === id)) ?? [];
  if (unknown.length > 0) throw new RangeError(`only must name cases of the kit, found ${unknown.join(", ")}`);
}

function leftOut(one: ConformanceCase): Plan {
  return { case: one, skip: { status: "not-run", reason: "left out by only" }, tried: false };
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

/** Makes a number of a text, so that each case has its own randomness. */
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

/** Registers a test with a time limit, where the runner has one of its own that is too short and takes another. */
function register(test: TestFunction, name: string, timeoutMs: number, fn: () => Promise<void>): void {
  // bun:test has `each` and node:test has `mock`; a function of the caller's own takes a name and a function alone.
  if (currentRuntime() === "bun" && ("each" in test || "mock" in test)) {
    (test as unknown as (name: string, options: { timeout: number }, fn: () => Promise<void>) => unknown)(
      name,
      { timeout: timeoutMs },
      fn,
    );
  } else {
    test(name, fn);
  }
}

/**
 * Registers every case with a runner, each as a test of its own; to be awaited at the top of a test file.
 *
 * A case that cannot run is skipped by the runner's own means, and its name says why; where the runner has no such means
 * it is not registered, so that it never counts as passed. A case that `only` leaves out is not registered either. The
 * last test delivers the report.
 *
 * @param options The runner's `test`, the harness, and how to run.
 * @throws {RangeError} `only` names a case that does not exist.
 * @throws Whatever the harness throws when it is opened.
 */
export async function testBackend({ test, print, ...options }: TestBackendOptions): Promise<void> {
  const suite = await Suite.plan(options);
  const { skip, ignore } = test as { skip?: TestFunction; ignore?: TestFunction };
  const leaveOut = skip ?? ignore;
  const tests = { passed: 0, failed: 0, skipped: 0 };
  /** Runs a test and counts it as the runner will. */
  const counted = async (fn: () => Promise<void>): Promise<void> => {
    try {
      await fn();
      tests.passed++;
    } catch (error) {
      tests.failed++;
      throw error;
    }
  };
  for (const plan of suite.plans) {
    if (plan.skip?.status === "not-run") continue;
    if (plan.skip) {
      if (leaveOut) tests.skipped++;
      leaveOut?.call(test, nameOf(suite, plan), () => Promise.resolve());
      continue;
    }
    register(test, nameOf(suite, plan), suite.testTimeoutMs, () =>
      counted(async () => {
        const { status, error } = await suite.run(plan);
        if (status === "failed") throw error;
      }));
  }
  register(test, `${suite.harness.name}: the report`, suite.testTimeoutMs, async () => {
    const report = suite.report();
    try {
      await counted(async () => await options.onReport?.(report));
    } finally {
      const { passed, failed, skipped } = tests;
      print?.(`${formatReport(report)}\nTests: ${passed} passed, ${failed} failed, ${skipped} skipped`);
    }
  });
}

/**
 * Runs every case without a runner, one after the other.
 *
 * @param options The harness, and how to run.
 * @returns The report; a case that fails is in it and does not reject.
 * @throws {RangeError} `only` names a case that does not exist.
 * @throws Whatever the harness throws when it is opened.
 */
export async function runConformance(options: ConformanceOptions): Promise<ConformanceReport> {
  const suite = await Suite.plan(options);
  const planned = suite.plans.filter(({ skip }) => !skip);
  if (options.stress) await Promise.all(planned.map((plan) => suite.run(plan)));
  else for (const plan of planned) await suite.run(plan);
  const report = suite.report();
  await options.onReport?.(report);
  return report;
}
