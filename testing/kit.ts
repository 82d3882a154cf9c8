/**
 * Registers the cases for a backend with a runner, or runs them without one.
 *
 * @module
 */
import type { Plan } from "./plan.ts";
import { type ConformanceReport, currentRuntime, formatReport } from "./report.ts";
import { type ConformanceOptions, Suite } from "./suite.ts";

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
 * Runs every case without a runner.
 *
 * @param options The harness, and how to run.
 * @returns The report; a case that fails is in it and does not reject.
 * @throws {RangeError} `only` names a case that does not exist.
 * @throws Whatever the harness throws when it is opened.
 */
export async function runConformance(options: ConformanceOptions): Promise<ConformanceReport> {
  const suite = await Suite.plan(options);
  await suite.runAll();
  const report = suite.report();
  await options.onReport?.(report);
  return report;
}
