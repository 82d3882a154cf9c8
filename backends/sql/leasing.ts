/**
 * Leases the next messages of a group: finds what there is to do, does what is due, and takes what is ready.
 *
 * @module
 */
import { decodeUtf8 } from "../../core/util/bytes.ts";
import type { DriverReceiveOptions, RawDelivery } from "../../core/driver.ts";
import { bodiesOf } from "./bodies.ts";
import type { GroupIds, Ids } from "./ids.ts";
import { STEP } from "./outgoing.ts";
import { bind, type BoundStatement, type Row, type SqlPort, textOf } from "./port.ts";
import type { Lease } from "./settling.ts";
import { CLOCK_BACK, EXPIRE, LEASE, MESSAGE_BODIES, PROBE, PROMOTE, PULL, RETURN, TOUCH } from "./statements.ts";

/** Milliseconds by which a clock may go back without being corrected: no lease is that short. */
const CLOCK_TOLERANCE_MS = 1_000;

/** Milliseconds after which a consumer looks again where others have taken what it had found. */
const RACE_MS = 10;

/** The most messages that one step passes by while they wait behind others of their ordering keys. */
const PULL_STEP = 2_000;

/** When something becomes deliverable by itself, in epoch milliseconds. */
export interface NothingReady {
  readonly nextAt: number;
}

/** The tables, and the time that they go by. */
export interface Tables {
  readonly port: SqlPort;
  readonly ids: Ids;
  readonly now: () => number;
}

/** Leases up to `max` messages that are ready. Does not wait for any. */
export async function leaseReady(
  { port, ids, now: timeNow }: Tables,
  group: GroupIds,
  { max, leaseMs, signal }: DriverReceiveOptions,
): Promise<RawDelivery[] | NothingReady> {
  const { k, g, generation } = group;
  for (let fruitless = 0; !signal.aborted;) {
    const now = timeNow();
    const probe = await probeGroup(port, group, now, signal);
    const due = (at: unknown) => typeof at === "number" && at <= now;
    const chores: BoundStatement[] = [];
    if (probe.expired === 1) chores.push(...bind([...TOUCH, ...EXPIRE], { k, now, limit: STEP }));
    if (due(probe.scheduled)) chores.push(...bind(PROMOTE, { k, now, limit: STEP }));
    if (due(probe.due)) chores.push(...bind(RETURN, { g, now, limit: Math.max(STEP, max) }));
    if (chores.length === 0 && probe.ready !== 1) return { nextAt: earliest(probe) };
    if (fruitless > 0) chores.push(...bind(PULL, { k, g, now, limit: PULL_STEP }));
    const token = crypto.randomUUID();
    const lease = bind(LEASE, { k, g, now, until: Math.ceil(now + leaseMs), token, max });
    const answers = await port.run([...chores, ...lease], { mode: "write", signal, generation });
    const rows = answers.at(-1)!;
    if (rows.length > 0) {
      const numberOf = ({ seq }: Row) => Number(seq);
      const options = { numberOf, statements: MESSAGE_BODIES, signal, generation };
      const bodyOf = await bodiesOf(port, rows, options);
      return rows.map((row) => deliveryOf(row, token, bodyOf(row)));
    }
    const moved = answers.at(-2)![0]?.moved;
    // The group is not there any more: its numbers are asked for again.
    if (moved === undefined) ids.forget();
    // Messages that were passed by wait behind others of their ordering keys: what comes after them may not.
    if (moved === undefined || moved === 0 && fruitless > 0) return { nextAt: now + RACE_MS };
    fruitless = moved === 0 ? fruitless + 1 : 1;
  }
  return [];
}

/** Finds what there is to do. A clock that was set back is corrected first. */
async function probeGroup(
  port: SqlPort,
  { k, g, generation }: GroupIds,
  now: number,
  signal: AbortSignal,
): Promise<Row> {
  for (let corrected = false;; corrected = true) {
    const [rows] = await port.run(bind(PROBE, { k, g, now }), { mode: "read", signal, generation });
    const probe = rows![0]!;
    if (corrected || Number(probe.at) - now <= CLOCK_TOLERANCE_MS) return probe;
    const list = bind(CLOCK_BACK, { now, tolerance: CLOCK_TOLERANCE_MS });
    await port.run(list, { mode: "write", signal, generation });
  }
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
