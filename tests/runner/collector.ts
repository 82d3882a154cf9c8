/**
 * What stands for `node:test` inside workerd, which has none: it collects the tests of a suite file, and
 * serves them one by one, each in a request of its own.
 *
 * @module
 */

/** One collected test. */
interface Case {
  readonly name: string;
  readonly skip: boolean;
  readonly run: () => Promise<void>;
}

/** What a test gets. */
export interface Context {
  /** The test's name. */
  readonly name: string;
  /** A step: runs at once, and fails the test when it fails. */
  test(name: string, fn: Body): Promise<void>;
  /** Runs when the test has ended. */
  after(fn: () => unknown): void;
  /** Goes nowhere. */
  diagnostic(message: string): void;
}

type Body = (context: Context) => unknown;

/** The options that are understood here. A timeout is the runner's. */
export interface Options {
  /** True, or why. */
  readonly skip?: boolean | string;
  /** Milliseconds. */
  readonly timeout?: number;
}

const cases: Case[] = [];
const groups: string[] = [];

/** What nobody caught, since the last test. */
const stray: unknown[] = [];
addEventListener("unhandledrejection", (event) => void stray.push(event.reason));
addEventListener("error", (event) => void stray.push(event.error));

async function runBody(name: string, fn: Body): Promise<void> {
  const afters: (() => unknown)[] = [];
  const context: Context = {
    name,
    test: (inner, body) => runBody(`${name} > ${inner}`, body),
    after: (after) => void afters.push(after),
    diagnostic: () => {},
  };
  try {
    await fn(context);
  } finally {
    for (const after of afters) await after();
  }
}

/** Collects a test. */
export function test(name: string, options: Options | Body, fn?: Body): void {
  const body = typeof options === "function" ? options : fn;
  const skip = typeof options === "function" ? false : Boolean(options.skip);
  if (!body) throw new TypeError(`The test "${name}" has no function`);
  const full = [...groups, name].join(" > ");
  cases.push({ name: full, skip, run: () => runBody(full, body) });
}
test.skip = (name: string, fn: Body): void => test(name, { skip: true }, fn);

/** Collects a group of tests. */
export function describe(name: string, fn: () => void): void {
  groups.push(name);
  fn();
  groups.pop();
}

export { describe as suite, test as it };
export default test;

/** `GET /` lists the names; `POST /N` runs one. */
export async function serveCases(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (request.method === "GET") return Response.json(cases.map(({ name, skip }) => ({ name, skip })));
  try {
    await cases[Number(pathname.slice(1))]?.run();
    await new Promise((resolve) => setTimeout(resolve)); // so that what nobody catches is known
    if (stray.length > 0) throw new Error("Nobody caught this", { cause: stray[0] });
    return Response.json({ passed: true });
  } catch (error) {
    const { message, stack, cause } = error instanceof Error ? error : new Error(String(error));
    const beneath = cause === undefined ? "" : `\nCaused by ${cause instanceof Error ? cause.stack : cause}`;
    return Response.json({ passed: false, message, stack: `${stack}${beneath}` });
  } finally {
    stray.length = 0;
  }
}
