/**
 * The driver on SQL tables: the delivery contract once, over a {@link SqlPort}.
 *
 * Each operation is a fixed list of statements, run as one transaction, so it happens whole or not at all. The tables
 * are described in `sql/schema.sql`.
 *
 * @module
 */
import { decodeUtf8 } from "../../core/util/bytes.ts";
import { type Clock, monotonic } from "../../core/util/clock.ts";
import type {
  DriverDeadLetters,
  DriverInspection,
  DriverMessage,
  DriverReceiveOptions,
  QueueDriver,
  RawDelivery,
  SendResult,
  Settlement,
} from "../../core/driver.ts";
import { type ErrorCode, QueueError } from "../../core/errors.ts";
import type { Capabilities, Finding, QueueDepth } from "../../core/protocol.ts";
import { bodiesOf } from "./bodies.ts";
import { SqlDeadLetters } from "./dead_letters.ts";
import { diagnoseTables } from "./diagnose.ts";
import { type GroupIds, Ids } from "./ids.ts";
import { SqlInspection } from "./inspection.ts";
import type { SqlOptions } from "./options.ts";
import { type QueueLimits, readOutcomes, sendList, STEP } from "./outgoing.ts";
import { bind, type BoundStatement, type Row, type SqlPort, textOf } from "./port.ts";
import { type Lease, rounds, settledSeqs, settleList } from "./settling.ts";
import {
  CLOCK_BACK,
  DEPTH,
  DROP,
  EXPIRE,
  EXTEND,
  LEASE,
  MESSAGE_BODIES,
  PING,
  PROBE,
  PROMOTE,
  PULL,
  RETURN,
  TOUCH,
} from "./statements.ts";

/** What a backend on this engine declares. */
export interface SqlDriverOptions extends SqlOptions {
  /** The backend's name. */
  readonly name: string;
  /** The largest payload in bytes. */
  readonly maxPayloadBytes: number;
  /** Transactions that an idle consumer costs in an hour. */
  readonly idleCostPerHour: number;
  /**
   * Tells the time. Its time of day is read once, and from then on its monotonic reading counts.
   *
   * @default the platform's time of day, which all processes on a computer share
   */
  readonly clock?: Clock | undefined;
}

/** The most bytes of body in one batch: one transaction holds the process for a few tens of milliseconds. */
const MAX_BATCH_BYTES = 4_000_000;

/** Milliseconds by which a clock may go back without being corrected: no lease is that short. */
const CLOCK_TOLERANCE_MS = 1_000;

/** Milliseconds after which a consumer looks again where others have taken what it had found. */
const RACE_MS = 10;

/** The most messages that one step passes by while they wait behind others of their ordering keys. */
const PULL_STEP = 2_000;

/** When something becomes deliverable by itself, in epoch milliseconds. */
interface NothingReady {
  readonly nextAt: number;
}

/** Moves messages in and out of SQL tables. */
export class SqlDriver implements QueueDriver {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly maxBatchBytes: number = MAX_BATCH_BYTES;
  readonly deadLetters: DriverDeadLetters;
  readonly inspect: DriverInspection;
  readonly #port: SqlPort;
  readonly #now: () => number;
  readonly #limits: QueueLimits;
  readonly #ids: Ids;
  /** The tokens of batches that have no generated id. */
  readonly #tokens: WeakMap<DriverMessage, string> = new WeakMap();

  /** A driver over a database. */
  constructor(port: SqlPort, options: SqlDriverOptions) {
    const { maxLength = Infinity, overflow = "reject", dedupWindowMs = 3_600_000 } = options;
    this.name = options.name;
    this.capabilities = capabilitiesOf(options);
    this.#ids = new Ids(port);
    this.deadLetters = new SqlDeadLetters(port, this.#ids, () => this.#now());
    this.inspect = new SqlInspection(port, this.#ids, () => this.#now());
    this.#port = port;
    this.#now = timeOf(options.clock);
    this.#limits = { maxLength, dropOldest: overflow === "drop-oldest", dedupWindowMs };
  }

  /** Adds a batch in one transaction. */
  async send(key: string, messages: readonly DriverMessage[], signal: AbortSignal): Promise<SendResult[]> {
    const { k, generation } = await this.#ids.queue(key, signal);
    const batch = { k, messages, token: this.#tokenOf(messages), now: this.#now() };
    const { list, outcomesAt } = sendList(batch, this.#limits);
    const bytes = messages.reduce((sum, { body }) => sum + body.length, 0);
    const answers = await this.#port.run(list, { mode: "write", signal, generation, bytes });
    this.#port.ring();
    return readOutcomes(answers[outcomesAt]![0], messages, {
      backend: this.name,
      key,
      maxLength: this.#limits.maxLength,
    });
  }

  /** Leases messages; waits for the first where there is none. */
  async receive(key: string, options: DriverReceiveOptions): Promise<RawDelivery[]> {
    const until = this.#now() + options.waitMs;
    try {
      while (!options.signal.aborted) {
        const { version } = this.#port;
        const found = await this.#lease(await this.#ids.group(key, options.group, options.signal), options);
        if (Array.isArray(found)) return found;
        const now = this.#now();
        if (now >= until) break;
        await this.#port.wait(version, Math.max(1, Math.min(until, found.nextAt) - now), options.signal);
      }
    } catch (error) {
      if (!options.signal.aborted) throw error;
    }
    return [];
  }

  /** Settles in one transaction. */
  async settle(
    key: string,
    name: string,
    settlements: readonly Settlement[],
    signal: AbortSignal,
  ): Promise<boolean[]> {
    const { k, g, generation } = await this.#ids.group(key, name, signal);
    const settled: boolean[] = new Array(settlements.length).fill(false);
    for (const places of rounds(settlements)) {
      const some = places.map((place) => settlements[place]!);
      const { list, settledAt } = settleList(k, g, some, this.#now());
      const seqs = settledSeqs(await this.#port.run(list, { mode: "write", signal, generation }), settledAt);
      for (const place of places) settled[place] = seqs.has((settlements[place]!.lease as Lease).seq);
    }
    // What is given back is deliverable to others, and so is what waited behind an ordering key.
    if (settlements.some(({ kind, lease }) => kind !== "ack" && kind !== "dead" || (lease as Lease).ordered)) {
      this.#port.ring();
    }
    return settled;
  }

  /** Makes leases end `leaseMs` from now, in one transaction. */
  async extend(
    key: string,
    name: string,
    leases: readonly unknown[],
    leaseMs: number,
    signal: AbortSignal,
  ): Promise<boolean[]> {
    const { g, generation } = await this.#ids.group(key, name, signal);
    const all = leases as readonly Lease[];
    const now = this.#now();
    const values = {
      g,
      now,
      until: Math.ceil(now + leaseMs),
      leases: JSON.stringify(all.map(({ seq, token }) => [seq, token])),
    };
    const [rows] = await this.#port.run(bind(EXTEND, values), { mode: "write", signal, generation });
    const kept = new Set(rows!.map(({ seq }) => Number(seq)));
    return all.map(({ seq }) => kept.has(seq));
  }

  /** Counts the messages of a group by state. */
  async depth(key: string, group: string, signal: AbortSignal): Promise<QueueDepth> {
    const found = await this.#ids.lookUp(key, group, signal);
    if (found === undefined) return { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 };
    const { k, g, generation } = found;
    const list = bind(DEPTH, { k, g, now: this.#now() });
    const [rows] = await this.#port.run(list, { mode: "read", signal, generation });
    const count = (name: string) => Number(rows![0]![name]);
    return {
      ready: count("ready"),
      inFlight: count("leased"),
      delayed: count("delayed"),
      blocked: count("blocked"),
      dead: count("dead"),
    };
  }

  /** Reads the version of the tables. */
  async ping(signal: AbortSignal): Promise<void> {
    await this.#port.run(bind(PING, {}), { mode: "read", signal });
  }

  /** Looks into the tables and at the disk. */
  async diagnose(key: string, _group: string, signal: AbortSignal): Promise<readonly Finding[]> {
    const found = await diagnoseTables(this.#port, key, this.#now(), signal);
    return [...this.#port.diagnose?.() ?? [], ...found];
  }

  /** Removes a key with everything that belongs to it, all its groups included. */
  async dropQueue(key: string, _group: string, signal: AbortSignal): Promise<void> {
    await this.#port.run(bind(DROP, { key }), { mode: "write", signal });
    this.#ids.forget();
  }

  /** Closes what the port opened. */
  close(): Promise<void> {
    return this.#port.close();
  }

  /** Names an error. */
  classify(error: unknown): ErrorCode {
    return error instanceof QueueError ? error.code : this.#port.classify(error);
  }

  async #lease(
    ids: GroupIds,
    { max, leaseMs, signal }: DriverReceiveOptions,
  ): Promise<RawDelivery[] | NothingReady> {
    const { k, g, generation } = ids;
    for (let fruitless = 0; !signal.aborted;) {
      const now = this.#now();
      const probe = await this.#probe(ids, now, signal);
      const due = (at: unknown) => typeof at === "number" && at <= now;
      const chores: BoundStatement[] = [];
      if (probe.expired === 1) chores.push(...bind([...TOUCH, ...EXPIRE], { k, now, limit: STEP }));
      if (due(probe.scheduled)) chores.push(...bind(PROMOTE, { k, now, limit: STEP }));
      if (due(probe.due)) chores.push(...bind(RETURN, { g, now, limit: Math.max(STEP, max) }));
      if (chores.length === 0 && probe.ready !== 1) return { nextAt: earliest(probe) };
      if (fruitless > 0) chores.push(...bind(PULL, { k, g, now, limit: PULL_STEP }));
      const token = crypto.randomUUID();
      const lease = bind(LEASE, { k, g, now, until: Math.ceil(now + leaseMs), token, max });
      const answers = await this.#port.run([...chores, ...lease], { mode: "write", signal, generation });
      const rows = answers.at(-1)!;
      if (rows.length > 0) {
        const numberOf = ({ seq }: Row) => Number(seq);
        const options = { numberOf, statements: MESSAGE_BODIES, signal, generation };
        const bodyOf = await bodiesOf(this.#port, rows, options);
        return rows.map((row) => deliveryOf(row, token, bodyOf(row)));
      }
      const moved = answers.at(-2)![0]?.moved;
      // The group is not there any more: its numbers are asked for again.
      if (moved === undefined) this.#ids.forget();
      // Messages that were passed by wait behind others of their ordering keys: what comes after them may not.
      if (moved === undefined || moved === 0 && fruitless > 0) return { nextAt: now + RACE_MS };
      fruitless = moved === 0 ? fruitless + 1 : 1;
    }
    return [];
  }

  /** Finds what there is to do. A clock that was set back is corrected first. */
  async #probe({ k, g, generation }: GroupIds, now: number, signal: AbortSignal): Promise<Row> {
    for (let corrected = false;; corrected = true) {
      const [rows] = await this.#port.run(bind(PROBE, { k, g, now }), { mode: "read", signal, generation });
      const probe = rows![0]!;
      if (corrected || Number(probe.at) - now <= CLOCK_TOLERANCE_MS) return probe;
      const list = bind(CLOCK_BACK, { now, tolerance: CLOCK_TOLERANCE_MS });
      await this.#port.run(list, { mode: "write", signal, generation });
    }
  }

  /** Returns the token of a batch: its first generated id, else one that its first message keeps. */
  #tokenOf(messages: readonly DriverMessage[]): string {
    const made = messages.find((message) => !message.explicitId);
    if (made) return made.id;
    let token = this.#tokens.get(messages[0]!);
    if (token === undefined) this.#tokens.set(messages[0]!, token = crypto.randomUUID());
    return token;
  }
}

/** Returns a function that tells the time of the tables, in whole epoch milliseconds. */
function timeOf(clock: Clock | undefined): () => number {
  // The time of day is the same in all processes, and a step back is corrected in the tables.
  if (clock === undefined) return Date.now;
  const offset = clock.now() - monotonic(clock);
  return () => Math.floor(monotonic(clock) + offset);
}

function capabilitiesOf({ maxPayloadBytes, idleCostPerHour }: SqlDriverOptions): Capabilities {
  return Object.freeze<Capabilities>({
    durable: true,
    delay: true,
    ttl: true,
    dedup: true,
    groups: true,
    deadLetters: true,
    replay: true,
    fencing: true,
    extend: true,
    release: true,
    attempts: true,
    headers: true,
    maxLength: true,
    depth: true,
    inspect: true,
    orderingKeys: true,
    order: "fifo",
    consume: "pull",
    maxPayloadBytes,
    idleCostPerHour,
  });
}

function earliest({ scheduled, due, expires }: Row): number {
  return Math.min(...[scheduled, due, expires].map((at) => typeof at === "number" ? at : Infinity));
}

function deliveryOf(row: Row, token: string, body: string | Uint8Array): RawDelivery {
  const orderingKey = textOf(row.okey);
  const headers = textOf(row.headers);
  const lease: Lease = { seq: Number(row.seq), token, ordered: orderingKey !== undefined };
  return {
    id: textOf(row.id)!,
    lease,
    body: typeof body === "string" ? body : decodeUtf8(body),
    attempts: Number(row.attempts),
    orderingKey,
    blockedMs: typeof row.blocked === "number" ? row.blocked : undefined,
    headers: headers === undefined ? undefined : JSON.parse(headers),
    publishedAt: Number(row.at),
  };
}
