/**
 * A driver around a driver that fails on command, or by chance with a seed: {@link faultyDriver}.
 *
 * @module
 */
import { alterDriver } from "./alter_driver.ts";
import { type Clock, systemClock } from "../../core/util/clock.ts";
import { delay } from "../../core/util/async.ts";
import type { DriverMessage, QueueDriver, SendResult } from "../../core/driver.ts";
import type { ErrorCode } from "../../core/errors.ts";
import { type DriverOperation, FaultState } from "./fault_state.ts";
import { seededRandom } from "../random.ts";

/** The error of a fault. The wrapper's `classify` answers its code. */
export class InjectedFault extends Error {
  /** The class. */
  override readonly name = "InjectedFault";
  /** The code that `classify` returns. */
  readonly code: ErrorCode;

  /** A fault that the portable layer sees as `code`. */
  constructor(code: ErrorCode, message = `Injected fault: ${code}`) {
    super(message);
    this.code = code;
  }
}

/** Chances from 0 to 1, each 0 by default, and what they depend on. */
export interface FaultOptions {
  /** The same seed and the same calls give the same faults. Default: 1. */
  readonly seed?: number | undefined;
  /** The chance that a call fails with `"connection"` before it reaches the broker. */
  readonly fail?: number | undefined;
  /** The chance that a call is done and its reply is lost. */
  readonly loseReply?: number | undefined;
  /** The chance that a call reaches the broker twice, as it does when a client sends again by itself. */
  readonly duplicate?: number | undefined;
  /** The chance that some messages of a send of several fail, with `"unavailable"`, and the others do not. */
  readonly partial?: number | undefined;
  /** The chance that a reply is late, by up to `maxDelayMs`. */
  readonly delay?: number | undefined;
  /** Milliseconds. Default: 50. */
  readonly maxDelayMs?: number | undefined;
  /** By which delays pass. Default: the platform's. */
  readonly clock?: Clock | undefined;
}

/** A driver whose faults are at the test's command. */
export interface FaultyDriver extends QueueDriver {
  /**
   * The next `times` calls of the operation fail before they reach the broker. Default: `"connection"`, once.
   * An error that is given is thrown as it is, and the wrapped driver classifies it.
   */
  failNext(operation: DriverOperation, fault?: ErrorCode | Error, times?: number): void;
  /** The next call is done, and then its reply is lost: `"unknown-outcome"`; `"connection"` for a receive. */
  loseNextReply(operation: DriverOperation): void;
  /** The next call reaches the broker twice; the second reply counts. */
  duplicateNext(operation: DriverOperation): void;
  /** Of the next send, the messages at these places fail with `"unavailable"`; the others are sent. */
  failSomeOfNext(places: readonly number[]): void;
  /** From now on every reply comes `ms` milliseconds late; 0 ends it. */
  delayResponses(ms: number): void;
  /** Cuts every call in flight: a receive fails with `"connection"`, the rest with `"unknown-outcome"`. */
  dropConnections(): void;
  /** The consumer is gone, as by a SIGKILL: nothing reaches the broker from now on, and nothing comes back. */
  kill(): void;
  /** After `kill`: lets every call that hangs end with nothing, so that nothing is left waiting. */
  bury(): void;
  /** How often each operation was called. */
  readonly calls: Readonly<Record<DriverOperation, number>>;
}

/**
 * Wraps a driver. What the driver does not offer, the wrapper does not offer either.
 *
 * @example
 * ```ts
 * import { createBackend } from "@slack-mcp/queue/driver";
 * import { MemoryDriver } from "@slack-mcp/queue/memory";
 * import { FakeClock, faultyDriver } from "@slack-mcp/queue/testing";
 *
 * const clock = new FakeClock();
 * const driver = faultyDriver(new MemoryDriver({ clock }));
 * const backend = createBackend(driver, { clock });
 *
 * driver.failNext("send", "unavailable", 2); // two tries fail, the third does not
 * const receipt = await clock.until(backend.publish("orders", { n: 1 }));
 * if (receipt.outcome !== "added" || driver.calls.send !== 3) throw new Error("the publish was not retried");
 * await clock.until(backend.close());
 * ```
 */
export function faultyDriver(driver: QueueDriver, options: FaultOptions = {}): FaultyDriver {
  const { clock = systemClock, maxDelayMs = 50, seed = 1 } = options;
  const random = seededRandom(seed);
  const state = new FaultState();
  let lateMs = 0;

  /** One call, with the faults that were asked for and those that chance brings. */
  async function run<T>(
    operation: DriverOperation,
    signal: AbortSignal,
    nothing: () => T | Promise<T>,
    call: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    state.calls[operation]++;
    if (state.dead) return await state.hang(nothing);
    // Every call draws the same number of random numbers, so that one fault does not shift those that follow.
    const chances = [random.next(), random.next(), random.next(), random.next(), random.next()] as const;
    const fault = state.nextFault(operation) ?? {
      kind: chances[0] < (options.fail ?? 0)
        ? "fail"
        : chances[1] < (options.loseReply ?? 0)
        ? "lose"
        : chances[2] < (options.duplicate ?? 0)
        ? "duplicate"
        : "none",
    };
    if (fault.kind === "fail") throw fault.error ?? new InjectedFault("connection");
    const ownDelay = chances[3] < (options.delay ?? 0) ? chances[4] * maxDelayMs : 0;
    return await state.inTheAir(operation, signal, nothing, async (linked) => {
      if (fault.kind === "duplicate" && operation !== "receive") await call(linked);
      const reply: T = await call(linked);
      const twice = fault.kind === "duplicate" && Array.isArray(reply) && operation === "receive";
      const result = twice ? [...reply, ...reply] as T : reply;
      const wait = ownDelay + lateMs;
      // A driver heeds its signal: it waits no longer for a reply, and cannot tell what became of its request. Messages
      // that a receive has leased by then still come, to be released.
      if (wait > 0) await delay(wait, clock, operation === "receive" ? undefined : linked).catch(giveUp);
      if (fault.kind === "lose") {
        throw new InjectedFault(
          operation === "receive" ? "connection" : "unknown-outcome",
          "Injected fault: the reply is lost",
        );
      }
      return result;
    });
  }

  function giveUp(): never {
    throw new InjectedFault("unknown-outcome", "Injected fault: the reply came too late");
  }

  /** Which places of a send fail: those that were asked for, else by chance every other. */
  function places(count: number): ReadonlySet<number> {
    const scripted = state.nextPlaces();
    if (scripted) return new Set(scripted);
    if (count < 2 || random.next() >= (options.partial ?? 0)) return new Set();
    const first = random.below(2);
    return new Set(Array.from({ length: count }, (_, place) => place).filter((place) => place % 2 === first));
  }

  async function sendSome(
    key: string,
    messages: readonly DriverMessage[],
    failing: ReadonlySet<number>,
    signal: AbortSignal,
  ): Promise<SendResult[]> {
    const kept = messages.filter((_, place) => !failing.has(place));
    const results = kept.length > 0 ? await driver.send(key, kept, signal) : [];
    return messages.map((_, place) =>
      failing.has(place) ? { error: new InjectedFault("unavailable") } : results.shift()!
    );
  }

  const letters = driver.deadLetters;
  const members: { readonly [Name in keyof FaultyDriver]?: FaultyDriver[Name] | undefined } = {
    // A reply may be late or never come here, whatever the driver promises.
    inProcess: false,
    calls: state.calls,
    send(key, messages, signal) {
      const failing = places(messages.length);
      return run(
        "send",
        signal,
        () => Promise.reject(new InjectedFault("closed")),
        (linked) => sendSome(key, messages, failing, linked),
      );
    },
    receive: driver.receive &&
      ((key, receiveOptions) =>
        run(
          "receive",
          receiveOptions.signal,
          () => [],
          (signal) => driver.receive!(key, { ...receiveOptions, signal }),
        )),
    settle: driver.settle &&
      ((key, group, settlements, signal) =>
        run(
          "settle",
          signal,
          () => settlements.map(() => false),
          (linked) => driver.settle!(key, group, settlements, linked),
        )),
    extend: driver.extend &&
      ((key, group, leases, leaseMs, signal) =>
        run(
          "extend",
          signal,
          () => leases.map(() => false),
          (linked) => driver.extend!(key, group, leases, leaseMs, linked),
        )),
    depth: driver.depth &&
      ((key, group, signal) =>
        run(
          "depth",
          signal,
          () => ({ ready: 0, inFlight: 0, delayed: 0, dead: 0 }),
          (linked) => driver.depth!(key, group, linked),
        )),
    deadLetters: letters && {
      list: (key, query, cursor, signal) =>
        run(
          "deadLetters",
          signal,
          () => ({ letters: [], cursor: undefined }),
          (linked) => letters.list(key, query, cursor, linked),
        ),
      ...letters.replay && {
        replay: (key, query, signal) =>
          run("deadLetters", signal, () => 0, (linked) => letters.replay!(key, query, linked)),
      },
      purge: (key, query, signal) => run("deadLetters", signal, () => 0, (linked) => letters.purge(key, query, linked)),
    },
    ping: driver.ping && ((signal) => run("ping", signal, () => undefined, (linked) => driver.ping!(linked))),
    classify: (error) => error instanceof InjectedFault ? error.code : driver.classify(error),
    failNext(operation, fault = "connection", times = 1) {
      const error = typeof fault === "string" ? new InjectedFault(fault) : fault;
      for (let count = 0; count < times; count++) state.plan(operation, { kind: "fail", error });
    },
    loseNextReply: (operation) => state.plan(operation, { kind: "lose" }),
    duplicateNext: (operation) => state.plan(operation, { kind: "duplicate" }),
    failSomeOfNext: (failing) => state.planPlaces(failing),
    delayResponses: (ms) => void (lateMs = ms),
    dropConnections: () =>
      state.cut((operation) =>
        new InjectedFault(
          operation === "receive" ? "connection" : "unknown-outcome",
          "Injected fault: the connection broke",
        )
      ),
    kill: () => state.kill(),
    bury: () => state.bury(),
  };
  return alterDriver(driver, members) as FaultyDriver;
}
