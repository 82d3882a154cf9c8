/**
 * Settlements as statements: all kinds in one transaction.
 *
 * @module
 */
import type { Settlement } from "../../core/driver.ts";
import { bind, type BoundStatement, type Row, type StatementList } from "./port.ts";
import { ACK, DEAD, FREE, RELEASE, RETRY, TOUCH } from "./statements.ts";

/** Identifies one lease. */
export interface Lease {
  /** The message's place in the order. */
  readonly seq: number;
  /** Identifies the call that leased it. */
  readonly token: string;
  /** True where the message has an ordering key: others may wait for it. */
  readonly ordered: boolean;
}

/** Settlements of a group as one transaction. */
export interface SettleList {
  readonly list: readonly BoundStatement[];
  /** The indexes of the answers that name what was settled. */
  readonly settledAt: readonly number[];
}

/** Returns the indexes of settlements that may travel together: no round has one message twice. */
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

/** Returns the statements that settle. `k` and `g` are the numbers of key and group. */
export function settleList(k: number, g: number, settlements: readonly Settlement[], now: number): SettleList {
  const retried: unknown[] = [];
  const released: unknown[] = [];
  const dead: unknown[] = [];
  /** Ended messages by the token of their lease: there are few tokens, so a message is one number and not a pair. */
  const ended = new Map<string, number[]>();
  let frees = false;
  const end = ({ seq, token }: Lease) => {
    const seqs = ended.get(token);
    if (seqs === undefined) ended.set(token, [seq]);
    else seqs.push(seq);
  };
  for (const settlement of settlements) {
    const lease = settlement.lease as Lease;
    const { seq, token } = lease;
    frees ||= lease.ordered;
    switch (settlement.kind) {
      case "retry":
        retried.push([seq, token, settlement.delayMs > 0 ? Math.ceil(now + settlement.delayMs) : 0]);
        break;
      case "release":
        released.push([seq, token]);
        break;
      case "dead":
        dead.push([seq, token, settlement.cause.name, settlement.cause.message]);
        end(lease);
        break;
      case "ack":
        end(lease);
        break;
    }
  }
  const list: BoundStatement[] = frees ? bind(TOUCH, { now }) : []; // when what waits behind them is free
  const settledAt: number[] = [];
  const give = (statements: StatementList, leases: readonly unknown[], answers: boolean) => {
    if (leases.length === 0) return;
    if (answers) settledAt.push(list.length);
    list.push(...bind(statements, { g, now, leases: JSON.stringify(leases) }));
  };
  give(RETRY, retried, true);
  give(RELEASE, released, true);
  give(DEAD, dead, false);
  for (const [token, seqs] of ended) {
    settledAt.push(list.length);
    list.push(...bind(ACK, { g, token, now, seqs: JSON.stringify(seqs) }));
  }
  if (ended.size > 0) list.push(...bind(FREE, { k, seqs: JSON.stringify([...ended.values()].flat()) }));
  return { list, settledAt };
}

/** Returns the numbers of the messages that the answers name. */
export function settledSeqs(answers: readonly (readonly Row[])[], settledAt: readonly number[]): Set<number> {
  return new Set(settledAt.flatMap((at) => answers[at]!.map(({ seq }) => Number(seq))));
}
