/**
 * Settlements as statements: all kinds in one transaction.
 *
 * @module
 */
import type { Settlement } from "../../core/driver.ts";
import { bind, type BoundStatement, type Row } from "./port.ts";
import { ACK, DEAD, FREE, RELEASE, RETRY, TOUCH } from "./statements.ts";

/** What finds a lease again, and no other. */
export interface Lease {
  /** The message's place in the order. */
  readonly seq: number;
  /** Names the call that leased it. */
  readonly token: string;
  /** The message has an ordering key: others may wait for it. */
  readonly ordered: boolean;
}

/** Settlements of a group as one transaction. */
export interface SettleList {
  readonly list: readonly BoundStatement[];
  /** The places of the answers that name what was settled. */
  readonly settledAt: readonly number[];
}

/** Settlements that may travel together: a message that was leased twice is not twice among them. */
export function rounds(settlements: readonly Settlement[]): (readonly number[])[] {
  const found: number[][] = [];
  const seen = new Map<number, number>();
  for (const [place, { lease }] of settlements.entries()) {
    const { seq } = lease as Lease;
    const round = seen.get(seq) ?? 0;
    seen.set(seq, round + 1);
    (found[round] ??= []).push(place);
  }
  return found;
}

/** The statements that settle. `k` and `g` are the numbers of key and group. */
export function settleList(k: number, g: number, settlements: readonly Settlement[], now: number): SettleList {
  const retried: unknown[] = [];
  const released: unknown[] = [];
  const dead: unknown[] = [];
  const ended: unknown[] = [];
  let frees = false;
  for (const settlement of settlements) {
    const { seq, token, ordered } = settlement.lease as Lease;
    frees ||= ordered;
    switch (settlement.kind) {
      case "retry":
        retried.push([seq, token, settlement.delayMs > 0 ? Math.ceil(now + settlement.delayMs) : 0]);
        break;
      case "release":
        released.push([seq, token]);
        break;
      case "dead":
        dead.push([seq, token, settlement.cause.name, settlement.cause.message]);
        ended.push([seq, token]);
        break;
      case "ack":
        ended.push([seq, token]);
        break;
    }
  }
  const list: BoundStatement[] = frees ? bind(TOUCH, { now }) : []; // when what waits behind them is free
  const settledAt: number[] = [];
  const add = (statements: typeof ACK, leases: readonly unknown[], answers: boolean) => {
    if (leases.length === 0) return;
    if (answers) settledAt.push(list.length);
    list.push(...bind(statements, { k, g, now, leases: JSON.stringify(leases) }));
  };
  add(RETRY, retried, true);
  add(RELEASE, released, true);
  add(DEAD, dead, false);
  add(ACK, ended, true);
  add(FREE, ended, false);
  return { list, settledAt };
}

/** The places in the order that the answers name. */
export function settledSeqs(answers: readonly (readonly Row[])[], settledAt: readonly number[]): Set<number> {
  return new Set(settledAt.flatMap((at) => answers[at]!.map(({ seq }) => Number(seq))));
}
