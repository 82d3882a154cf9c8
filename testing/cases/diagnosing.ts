/**
 * Rule 13, looks for what is wrong: they change nothing, and a queue that was a try leaves nothing.
 *
 * Both are optional: where a backend does not offer one, its case has nothing to show.
 *
 * @module
 */
import { casesOf, type ConformanceCase } from "../case.ts";
import { check, equal } from "../check.ts";
import { ack, ackAll, ns, numbers, put, putNumbers } from "./support.ts";

/** The cases of rule 13 about `diagnose` and `dropQueue`. */
export const diagnosing: readonly ConformanceCase[] = casesOf(13, [
  {
    id: "diagnose-nothing-changes",
    title: "diagnose leases nothing, counts no attempt, keeps the order, and says what to do about each finding",
    async run(t) {
      const backend = await t.connect();
      if (!backend.diagnose) return;
      const { depth, order } = backend.capabilities;
      await putNumbers(t, backend, t.key(), 6);
      await t.settles(backend.diagnose(t.key()), "diagnose before any consumer");
      const reader = t.receive(backend, t.key(), { prefetch: 6 });
      const held = await reader.take(2, "two messages");
      const before = depth ? await t.settles(backend.depth(t.key()), "the depth") : undefined;
      const findings = await t.settles(backend.diagnose(t.key()), "diagnose");
      for (const finding of findings) {
        const { severity, setting, problem, repair } = finding;
        check(severity === "error" || severity === "warning", `the severity of a finding is ${severity}`);
        check(setting !== "" && problem !== "" && repair !== "", "a finding lacks its setting, problem or repair");
      }
      if (depth) equal({ ...await t.settles(backend.depth(t.key()), "the depth") }, { ...before }, "the depth");
      held.push(...await reader.take(4, "the others"));
      equal(held.map(({ attempts }) => attempts), numbers(6).map(() => 1), "the attempts");
      if (order === "fifo") equal(ns(held), numbers(6), "the messages in their order");
      await ackAll(t, held);
    },
  },
  {
    id: "drop-queue",
    title: "a queue that is dropped leaves nothing, not even its ids, and another key keeps what it has",
    async run(t) {
      const backend = await t.connect();
      if (!backend.dropQueue) return;
      const { depth, dedup, delay, deadLetters } = backend.capabilities;
      const [key, other] = [t.key(), t.key("other")];
      await put(t, backend, other, { n: 100 });
      await put(t, backend, key, { n: 0 }, dedup ? { id: "chosen" } : {});
      await put(t, backend, key, { n: 1 });
      if (delay) await put(t, backend, key, { n: 2 }, { delayMs: t.longMs });
      const reader = t.receive(backend, key);
      const first = await reader.next("the first message");
      await t.settles(deadLetters ? first.deadLetter("no") : first.ack(), "the dead letter");
      await ack(t, await reader.next("the second message"));
      await reader.leave();
      await put(t, backend, key, { n: 3 });
      await t.settles(backend.dropQueue(key), "dropping the queue");
      if (depth) {
        const counts = await t.settles(backend.depth(key), "the depth");
        equal({ ...counts }, { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 }, "what is left");
      }
      const again = await put(t, backend, key, { n: 4 }, dedup ? { id: "chosen" } : {});
      equal(again.outcome, "added", "a publish with an id of before");
      equal(ns(await t.drain(backend, key)), [4], "what the key has afterwards");
      equal(ns(await t.drain(backend, other)), [100], "what another key has");
    },
  },
]);
