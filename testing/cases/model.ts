/**
 * A random run: publish, settle, kill, restart, in any order, held against a simple model.
 *
 * @module
 */
import { DEFAULT_GROUP, type LeasingBackend, type QueueDepth } from "../../core/protocol.ts";
import { casesOf, type ConformanceCase } from "../case.ts";
import { check, ConformanceError, equal } from "../check.ts";
import { GroupModel } from "../model.ts";
import { RunConsumers, SLOTS } from "./model_consumers.ts";
import { nothingBut, put } from "./support.ts";

/** Steps of a run: many where time is free. */
const STEPS = { fake: 3_000, real: 120 } as const;

/** Milliseconds of a lease that cannot be renewed: longer than a run, and the most that the platforms grant. */
const UNRENEWED_MS = 43_200_000;

class Run extends RunConsumers {
  #published = 0;

  async start(): Promise<void> {
    await this.open(0);
    const { groups, order, attempts, extend } = this.backend(0).capabilities;
    if (!extend) {
      this.renewed = false;
      this.leaseMs = UNRENEWED_MS;
    }
    for (let slot = 0; slot < SLOTS; slot++) await this.open(slot);
    const { countsUnseen } = this.t.broker;
    const skewMs = this.strict ? 0 : 10;
    const rules = { fifo: order === "fifo", attempts, countsUnseen, skewMs, leaseMs: this.t.leaseMs };
    for (const group of groups ? ["bots", "audit"] : [DEFAULT_GROUP]) {
      this.groups.set(group, new GroupModel(rules));
      // A look, so that the group is there before the first message is.
      await this.t.drain(this.backend(0), this.key, this.named(group));
    }
  }

  /** One step of what a queue goes through. */
  async step(): Promise<void> {
    const { random } = this.t;
    const roll = random.next();
    if (roll < 0.3) await this.#publish(random.next() < 0.25 ? 1 + random.below(3 * this.t.delayMs) : 0);
    else if (roll < 0.6) await this.#take();
    else if (roll < 0.86) await this.#settle();
    else if (roll < 0.92) await this.#pass();
    else if (roll < 0.95) await this.#look();
    else if (roll < 0.97) await this.kill();
    else if (roll < 0.985) await this.reopen();
    else if (roll < 0.995) await this.#replay();
    else await this.disturb();
  }

  /** Everything that is not settled must come now, once, and nothing else. */
  async end(): Promise<void> {
    const t = this.t;
    for (const slot of this.slots.keys()) await this.close(slot);
    const last = await t.connect();
    const doubtful = new Set<string>();
    for (const [group, model] of this.groups) {
      const waiting = [...model.entries.values()].filter(({ state }) => state === "waiting" || state === "orphaned");
      const certain = new Set(waiting.filter(({ readyBy }) => readyBy < Infinity).map(({ n }) => n));
      const reader = t.receive(last, this.key, { ...this.named(group), prefetch: 1 });
      while (certain.size > 0) {
        const delivery = await reader.next(
          `${certain.size} messages of ${group} that are left, ${certain.values().take(5).toArray()} among them`,
        );
        const n = Number(delivery.payload.n);
        model.done(model.delivered(n, delivery.attempts, t.now(), last));
        certain.delete(n);
        check(await t.settles(delivery.ack(), "an ack"), `the ack of message ${n} was refused`);
      }
      await reader.leave();
      if (model.repeats || waiting.some(({ state }) => state === "orphaned")) doubtful.add(group);
    }
    for (const [group, model] of this.groups) {
      if (doubtful.has(group)) continue;
      if (last.capabilities.depth) {
        const depth = await t.settles(last.depth(this.key, this.named(group)), "the depth");
        const dead = model.in("dead").length;
        equal(
          { ...depth, ready: 0 },
          { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead },
          `the depth of ${group} at the end`,
        );
      }
      // The other groups' markers are for this group too.
      const left = await t.drain(last, this.key, this.named(group));
      equal(
        left.filter(({ payload }) => !payload.marker).map(({ payload }) => payload),
        [],
        `what is left in ${group}`,
      );
      await nothingBut(t, last, this.key, `in ${group} at the end`, group);
    }
  }

  async #publish(delayMs: number): Promise<void> {
    const backend = this.anyone();
    const n = this.#published++;
    const wait = backend.capabilities.delay ? delayMs : 0;
    const orderingKey = this.#orderingKey(backend);
    const id = `message-${n}`;
    const before = this.t.now();
    const { outcome } = await put(this.t, backend, this.key, { n }, {
      id,
      ...wait > 0 && { delayMs: wait },
      ...orderingKey !== undefined && { orderingKey },
    });
    equal(outcome, "added", `the outcome of message ${n}`);
    const span = { from: before, by: this.t.now() };
    for (const model of this.groups.values()) model.published(n, span, wait, orderingKey);
    if (backend.capabilities.dedup && this.t.random.next() < 0.1) {
      equal((await put(this.t, backend, this.key, { n: -1 }, { id })).outcome, "duplicate", `message ${n} again`);
    }
  }

  /** Two of three messages belong to one of a few conversations, where the backend keeps them. */
  #orderingKey(backend: LeasingBackend): string | undefined {
    const roll = this.t.random.below(9);
    return backend.capabilities.orderingKeys && roll < 6 ? `thread-${roll}` : undefined;
  }

  async #take(): Promise<void> {
    const t = this.t;
    const slot = t.random.below(SLOTS);
    const group = t.random.pick([...this.groups.keys()]);
    const model = this.groups.get(group)!;
    const options = { ...this.named(group), prefetch: 1, stopWhenEmpty: true };
    const reader = t.receive(this.backend(slot), this.key, options);
    const before = t.now();
    const step = await reader.step("a look for a message");
    if (step.done) {
      const late = this.strict ? model.overdue(before) : [];
      const story = late[0]?.story.slice(-8).join(", ");
      check(
        late.length === 0,
        `nothing came to ${group}, and ${late.length} messages are ready; ${late[0]?.n}: ${story}`,
      );
      return;
    }
    const delivery = step.value;
    if (!this.strict) await this.#loseLease(Number(delivery.payload.n), group);
    const entry = model.delivered(Number(delivery.payload.n), delivery.attempts, t.now(), slot);
    this.held.push({ delivery, entry, group, slot, reader });
  }

  /**
   * A busy machine may renew a lease too late: its holder then learns that the lease is lost. A holder that does not
   * learn it is a second delivery under a live lease.
   */
  async #loseLease(n: number, group: string): Promise<void> {
    const held = this.held.find(({ entry, group: of }) => entry.n === n && of === group);
    if (!held || this.groups.get(group)!.mayRepeat(n)) return;
    await this.t.becomes(
      () => held.delivery.signal.aborted,
      `the holder of message ${n} learns that its lease is lost`,
    );
    this.held.splice(this.held.indexOf(held), 1);
    this.groups.get(group)!.doubtful(held.entry);
    await held.reader.leave();
  }

  async #settle(): Promise<void> {
    const t = this.t;
    if (this.held.length === 0) return;
    const [held] = this.held.splice(t.random.below(this.held.length), 1);
    const { delivery, entry, group, reader, slot } = held!;
    const model = this.groups.get(group)!;
    const { deadLetters, delay } = this.backend(slot).capabilities;
    const roll = t.random.next();
    const before = t.now();
    const delayMs = delay && t.random.next() < 0.5 ? 1 + t.random.below(2 * t.leaseMs) : 0;
    const kind = roll < 0.6 || entry.twin ? "ack" : roll < 0.9 || !deadLetters ? "retry" : "deadLetter";
    const settled = await t.settles(
      kind === "ack"
        ? delivery.ack()
        : kind === "retry"
        ? delivery.retry({ delayMs, reason: "random" })
        : delivery.deadLetter("random"),
      `the ${kind} of message ${entry.n}`,
    );
    if (!settled) {
      // On a busy machine a renewal may come too late; where the clock is ours it never does.
      check(!this.strict, `the ${kind} of message ${entry.n} was refused; ${entry.story.slice(-8).join(", ")}`);
      model.doubtful(entry);
    } else if (kind === "retry") {
      model.back(entry, before, delayMs, true);
    } else if (kind === "ack") {
      model.done(entry);
    } else {
      model.died(entry);
    }
    await reader.leave();
  }

  async #pass(): Promise<void> {
    const { random, leaseMs, delayMs } = this.t;
    await this.t.pass(random.below(!this.renewed ? delayMs : this.strict ? 2 * leaseMs : leaseMs / 4));
  }

  /** Looking must find what is there, and change nothing. */
  async #look(): Promise<void> {
    const backend = this.anyone();
    if (!backend.capabilities.depth || !this.strict) return;
    for (const [group, model] of this.groups) {
      const expected = model.depth(this.t.now());
      const depth = await this.t.settles(backend.depth(this.key, this.named(group)), "the depth");
      if (!expected) continue;
      if (this.renewed) equal({ ...depth }, expected, `the depth of ${group}`);
      // A platform that gives no hand on a lease does not count them for others either: the sum must be right.
      else equal([unsettled(depth), depth.dead], [unsettled(expected), expected.dead], `the depth of ${group}`);
    }
  }

  async #replay(): Promise<void> {
    const backend = this.anyone();
    if (!backend.capabilities.replay) return;
    for (const [group, model] of this.groups) {
      const from = this.t.now();
      const replayed = await this.t.settles(backend.deadLetters.replay(this.key, this.named(group)), "a replay");
      equal(replayed, model.in("dead").length, `how many dead letters of ${group} were replayed`);
      model.replayed({ from, by: this.t.now() });
    }
  }
}

function unsettled({ ready, inFlight, delayed }: QueueDepth): number {
  return ready + inFlight + delayed;
}

/** The random run. */
export const model: readonly ConformanceCase[] = casesOf(2, [
  {
    id: "random",
    title: "a random run of publishing, settling, killing and restarting keeps to a simple model",
    async run(t) {
      const run = new Run(t);
      await run.start();
      const steps = t.size(t.broker.clock ? STEPS.fake : STEPS.real);
      for (let step = 0; step < steps; step++) {
        try {
          await run.step();
        } catch (cause) {
          const reason = cause instanceof Error ? cause.message : String(cause);
          throw new ConformanceError(`step ${step} of ${steps}: ${reason}`, { cause });
        }
      }
      await run.end();
    },
  },
]);
