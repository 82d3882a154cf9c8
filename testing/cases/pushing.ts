/**
 * The cases of platforms that push: the rules as `handleBatch` keeps them.
 *
 * @module
 */
import { PermanentError } from "../../core/errors.ts";
import type { ConformanceCase } from "../case.ts";
import { atLeast, atMost, check, equal } from "../check.ts";
import { type Call, pushCases, pushedInto } from "./pushed.ts";
import { numbers, put, putNumbers } from "./support.ts";

function fail(): never {
  throw new TypeError("no such user");
}

/** The cases of all rules that a pushed consumer can break. */
export const pushing: readonly ConformanceCase[] = [
  ...pushCases(2, [
    {
      id: "push-arrives",
      title: "what is published is pushed into the handler, each message once and at attempt 1",
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        await pushedInto(t, key, () => {}, {}, async ({ calls }) => {
          await putNumbers(t, backend, key, t.size(50));
          await t.becomes(() => calls.length >= t.size(50), "every message");
          equal(calls.map(({ payload }) => payload.n).sort(ascending), numbers(t.size(50)), "the messages");
          equal(calls.filter(({ attempts }) => attempts !== 1), [], "those of another attempt");
        });
      },
    },
    {
      id: "push-poison",
      title: "a message that always fails holds none of the others of its batch back",
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        const poison = ({ payload }: Call) => payload.n === 3 && fail();
        await pushedInto(t, key, poison, { maxAttempts: 3 }, async ({ calls, dead }) => {
          await putNumbers(t, backend, key, 10);
          await t.becomes(() => dead.length > 0 && calls.length >= 12, "the dead letter and the others");
          const good = calls.filter(({ payload }) => payload.n !== 3);
          equal(good.map(({ payload }) => payload.n).sort(ascending), [0, 1, 2, 4, 5, 6, 7, 8, 9], "the others");
          equal(good.filter(({ attempts }) => attempts !== 1), [], "those that were pushed again");
        });
      },
    },
    {
      id: "push-sink-fails",
      title: "a message that could not be put into the dead letters is pushed again, and not lost",
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        let tries = 0;
        const deadLetter = () => ++tries === 1 ? Promise.reject(new Error("the sink is down")) : Promise.resolve();
        await pushedInto(t, key, fail, { maxAttempts: 1, deadLetter }, async ({ calls }) => {
          await put(t, backend, key, { n: 1 });
          await t.becomes(() => tries >= 2, "the second try of the sink");
          equal(calls.map(({ payload }) => payload), [{ n: 1 }], "the handler's calls");
        });
      },
    },
    {
      id: "push-headers",
      title: "headers and a chosen id are pushed as they were published",
      proves: "headers",
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        const headers = { "a header": "wörld\u0000" };
        await pushedInto(t, key, () => {}, {}, async ({ calls }) => {
          await put(t, backend, key, { n: 1 }, { id: "Ev1", headers });
          await t.becomes(() => calls.length > 0, "the message");
          equal(calls.map(({ id, headers }) => ({ id, headers })), [{ id: "Ev1", headers }], "the message");
        });
      },
    },
    {
      id: "push-largest",
      title: "a payload of exactly the declared size is pushed whole",
      proves: "maxPayloadBytes",
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        const limit = Math.min(backend.capabilities.maxPayloadBytes, t.size(1_000_000));
        const payload = { text: "x".repeat(limit - '{"text":""}'.length) };
        await pushedInto(t, key, () => {}, {}, async ({ calls }) => {
          await put(t, backend, key, payload);
          await t.becomes(() => calls.length > 0, "the message");
          equal(calls[0]!.payload, payload, "the payload");
        });
      },
    },
  ]),
  ...pushCases(4, [
    {
      id: "push-attempts",
      title: "each push counts one, by the platform",
      proves: "attempts",
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        const twice = ({ attempts }: Call) => attempts < 3 && fail();
        await pushedInto(t, key, twice, { maxAttempts: 5 }, async ({ calls, dead }) => {
          await put(t, backend, key, { n: 1 });
          await t.becomes(() => calls.length >= 3, "the third push");
          equal(calls.map(({ attempts }) => attempts), [1, 2, 3], "the attempts");
          equal(new Set(calls.map(({ id }) => id)).size, 1, "ids of the one message");
          equal(dead, [], "the dead letters");
        });
      },
    },
  ]),
  ...pushCases(5, [
    {
      id: "push-delay",
      title: "a delay of a publish is over before the message is pushed",
      proves: "delay",
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        await pushedInto(t, key, () => {}, {}, async ({ calls }) => {
          const at = t.now();
          await put(t, backend, key, { n: 1 }, { delayMs: t.delayMs });
          await put(t, backend, key, { n: 2 });
          await t.becomes(() => calls.length >= 2, "both messages");
          const late = calls.find(({ payload }) => payload.n === 1)!;
          t.notEarlier(late.at, at + t.delayMs, "the delayed message");
        });
      },
    },
    {
      id: "push-retry-delay",
      title: "a failed message is pushed again when its backoff is over, not before",
      proves: "delay",
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        const once = ({ attempts }: Call) => attempts === 1 && fail();
        await pushedInto(t, key, once, { backoff: () => t.delayMs }, async ({ calls }) => {
          await put(t, backend, key, { n: 1 });
          await t.becomes(() => calls.length >= 2, "the second push");
          t.notEarlier(calls[1]!.at, calls[0]!.at + t.delayMs, "the second push");
        });
      },
    },
  ]),
  ...pushCases(6, [
    {
      id: "push-exactly-n",
      title: "a handler that always fails gets a message maxAttempts times, then the sink has it with the last cause",
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        const failing = ({ attempts }: Call) => {
          throw new RangeError(`failure ${attempts}`);
        };
        await pushedInto(t, key, failing, { maxAttempts: 3 }, async ({ calls, dead }) => {
          await put(t, backend, key, { n: 1 });
          await t.becomes(() => dead.length > 0, "the dead letter");
          equal(calls.map(({ attempts }) => attempts), [1, 2, 3], "the attempts");
          const cause = { name: "RangeError", message: "failure 3" };
          equal(dead, [{ payload: { n: 1 }, attempts: 3, cause, body: undefined }], "the dead letter");
        });
      },
    },
    {
      id: "push-permanent",
      title: "a PermanentError gives a pushed message up at once",
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        const refuse = () => {
          throw new PermanentError("never");
        };
        await pushedInto(t, key, refuse, { maxAttempts: 3 }, async ({ calls, dead }) => {
          await put(t, backend, key, { n: 1 });
          await t.becomes(() => dead.length > 0, "the dead letter");
          equal([calls.length, dead[0]!.cause], [1, { name: "PermanentError", message: "never" }], "calls and cause");
        });
      },
    },
    {
      id: "push-malformed",
      title: "what is no JSON object goes to the sink as it came, no handler sees it, and the next message flows",
      features: ["inject"],
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        await pushedInto(t, key, () => {}, {}, async ({ calls, dead }) => {
          const bodies = ["{no json", "[1,2]", "7", '"text"', ""];
          for (const body of bodies) await t.power("inject")(key, body);
          await put(t, backend, key, { n: 1 });
          await t.becomes(() => dead.length >= bodies.length && calls.length > 0, "the dead letters and the message");
          equal(dead.map(({ body }) => body).sort(), [...bodies].sort(), "the bodies");
          equal(calls.map(({ payload }) => payload), [{ n: 1 }], "the handler's calls");
        });
      },
    },
    {
      id: "push-foreign",
      title: "a plain JSON object that somebody else put there is pushed like any other",
      features: ["inject"],
      async run(t) {
        await t.connect();
        const key = t.key();
        await pushedInto(t, key, () => {}, {}, async ({ calls }) => {
          await t.power("inject")(key, '{"from":"elsewhere"}');
          await t.becomes(() => calls.length > 0, "the message");
          equal(calls.map(({ payload }) => payload), [{ from: "elsewhere" }], "the payload");
        });
      },
    },
  ]),
  ...pushCases(10, [
    {
      id: "push-concurrency",
      title: "no more handlers run at once than the consumer was told, over a large batch",
      async run(t) {
        const backend = await t.connect();
        const key = t.key();
        let running = 0;
        let most = 0;
        const slow = async () => {
          most = Math.max(most, ++running);
          await t.pass(2); // so that handlers overlap
          running--;
        };
        await pushedInto(t, key, slow, { concurrency: 3 }, async ({ calls }) => {
          await putNumbers(t, backend, key, 20);
          await t.becomes(() => calls.length >= 20 && running === 0, "every message");
          atMost(most, 3, "handlers at once");
          atLeast(most, 1, "handlers at once");
          check(calls.every(({ attempts }) => attempts === 1), "a message was pushed again");
        });
      },
    },
  ]),
];

function ascending(a: unknown, b: unknown): number {
  return Number(a) - Number(b);
}
