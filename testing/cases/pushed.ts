/**
 * Consumers that a platform pushes into.
 *
 * @module
 */
import { createConsumer } from "../../core/consume/consumer.ts";
import type { ConsumerOptions } from "../../core/consume/options.ts";
import type { FailureCause, JsonObject } from "../../core/protocol.ts";
import { type CaseContext, type CaseDraft, casesOf, type ConformanceCase } from "../case.ts";

/** The arguments of one call of a handler. Plain data: the platform may call it where nothing else of the case may be touched. */
export interface Call {
  readonly id: string;
  readonly key: string;
  readonly payload: JsonObject;
  readonly attempts: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly at: number;
}

/** A dead letter that a sink was given. */
export interface Dead {
  readonly payload: JsonObject;
  readonly attempts: number;
  readonly cause: FailureCause;
  readonly body: unknown;
}

/** The calls and the dead letters of one case. */
export interface Pushed {
  readonly calls: Call[];
  readonly dead: Dead[];
}

/** Has a key pushed into a consumer whose handler is `handle`, and runs the case. */
export async function pushedInto(
  t: CaseContext,
  key: string,
  handle: (call: Call) => unknown,
  options: Omit<ConsumerOptions, "handler">,
  run: (pushed: Pushed) => Promise<void>,
): Promise<void> {
  const pushed: Pushed = { calls: [], dead: [] };
  const consumer = createConsumer({
    backoff: () => 0,
    deadLetter: ({ payload, attempts }, cause, body) => {
      pushed.dead.push({ payload, attempts, cause, body });
      return Promise.resolve();
    },
    ...options,
    handler: async ({ id, key, payload, attempts, headers }) => {
      const call = { id, key, payload, attempts, headers, at: t.now() };
      pushed.calls.push(call);
      await handle(call);
    },
  });
  const stop = await t.power("push")(key, consumer);
  try {
    await run(pushed);
  } finally {
    await stop();
  }
}

/** The cases of a rule, each about a platform that pushes. */
export function pushCases(rule: number, drafts: readonly CaseDraft[]): readonly ConformanceCase[] {
  return casesOf(
    rule,
    drafts.map((draft): CaseDraft => ({
      proves: "push",
      ...draft,
      level: "push",
      features: ["push", ...draft.features ?? []],
    })),
  );
}
