/**
 * Settlements and renewals as arguments of their scripts, and the answers read.
 *
 * @module
 */
import type { Settlement, SettleResult } from "../../core/driver.ts";
import { QueueError } from "../../core/errors.ts";
import { type Lease, type LeaseGroup, type LeasePart, partsOfLeases, type Run } from "./lease_groups.ts";
import { classifyReply } from "./transport.ts";

/** Arguments of the settle script, and the settlement that each character of its answer is for. */
export interface SettleArguments {
  readonly args: string[];
  readonly order: number[];
  /** For each run of which it settles messages: whether it settles all of them. */
  readonly wholes: readonly boolean[];
}

/** Acknowledgements that the server can treat alike, by their places in a list. */
interface Acknowledged {
  /** As `lua/settle.lua` has it. */
  readonly word: "ack" | "next" | "turn" | "part";
  /** The run that the server keeps as one of which they are the whole, or a part. */
  readonly run: Run | undefined;
  readonly some: number[];
}

/** What decoding makes of bytes that are no UTF-8: the server has to look what the ordering key is. */
const LOST = "\uFFFD";

/** Whether the server can treat it alike with others: the acknowledgement of a message whose ordering key is known. */
function isAlike({ kind }: Settlement, { orderingKey }: Lease): boolean {
  return kind === "ack" && !orderingKey?.includes(LOST);
}

/** Sorts acknowledgements: entries of the stream, those with ordering keys by themselves and by run, and replayed ones. */
function acknowledged(places: readonly number[], leases: readonly Lease[]): Iterable<Acknowledged> {
  const known = new Map<string | Run, Acknowledged>();
  for (const place of places) {
    const { member, orderingKey, together, run } = leases[place]!;
    const kept = run?.kept ? run : undefined;
    const word = orderingKey === undefined ? "ack" : together ? "turn" : kept ? "part" : "next";
    const kind = kept ?? (member.startsWith("r") ? `${word} replayed` : word);
    let part = known.get(kind);
    if (part === undefined) known.set(kind, part = { word, run: kept, some: [] });
    part.some.push(place);
  }
  return known.values();
}

function wholesOf(leases: readonly Lease[]): boolean[] {
  const counts = new Map<Run, number>();
  for (const { run } of leases) if (run) counts.set(run, (counts.get(run) ?? 0) + 1);
  return [...counts].map(([run, count]) => run.count === count);
}

/** The arguments for settlements, each lease's together and its acknowledgements in one. */
export function settleArguments(settlements: readonly Settlement[]): SettleArguments {
  const args: string[] = [];
  const order: number[] = [];
  const leases = settlements.map((settlement) => settlement.lease as Lease);
  for (const { group, other, unanswered, places } of partsOfLeases(leases)) {
    args.push("lease", group.name, other?.name ?? "", unanswered ? "1" : "0");
    const [alike, single]: [number[], number[]] = [[], []];
    for (const place of places) (isAlike(settlements[place]!, leases[place]!) ? alike : single).push(place);
    for (const { word, run, some } of acknowledged(alike, leases)) {
      const whole = run?.count === some.length;
      args.push(whole ? "run" : word, String(some.length));
      for (const place of some) {
        args.push(leases[place]!.member);
        order.push(place);
      }
      if (whole) args.push(run.names);
      else if (word !== "ack") args.push(JSON.stringify(some.map((place) => leases[place]!.orderingKey)));
    }
    if (single.some((place) => leases[place]!.run?.kept)) args.push("spread");
    for (const place of single) {
      const settlement = settlements[place]!;
      const { member, orderingKey = "" } = leases[place]!;
      args.push(settlement.kind === "ack" ? "one" : settlement.kind, member, orderingKey);
      if (settlement.kind === "retry") args.push(String(Math.ceil(settlement.delayMs)));
      else if (settlement.kind === "dead") args.push(settlement.cause.name, settlement.cause.message);
      order.push(place);
    }
  }
  return { args, order, wholes: wholesOf(leases) };
}

/** Reads the settle script's answer. */
export function readSettled(answer: unknown, order: readonly number[]): SettleResult[] {
  const [said, ...reasons] = Array.isArray(answer) ? answer.map(String) : [String(answer)];
  const results: SettleResult[] = new Array(order.length);
  let refused = 0;
  for (let i = 0; i < order.length; i++) {
    if (said![i] === "x") {
      const reason = reasons[refused++] ?? "the server gave no reason";
      results[order[i]!] = { error: new QueueError(classifyReply(reason), reason) };
    } else {
      results[order[i]!] = said![i] === "1";
    }
  }
  return results;
}

/** Arguments of the renewal script, and its parts: each has another lease that its entries may move to. */
export function extendArguments(
  leases: readonly Lease[],
  fresh: () => LeaseGroup,
): { readonly args: string[]; readonly parts: readonly LeasePart[] } {
  const args: string[] = [];
  const parts = partsOfLeases(leases);
  for (const { group, other, places } of parts) {
    // Named again until there is an answer: a repetition finds what the first run did.
    const next = other ?? fresh();
    args.push(group.name, next.name, String(places.length));
    for (const place of places) {
      const lease = leases[place]!;
      lease.other = next;
      lease.renewals += 1;
      args.push(lease.member);
    }
  }
  return { args, parts };
}

/** Notes that a renewal has no answer. */
export function renewalLost(leases: readonly Lease[]): void {
  for (const lease of leases) {
    lease.renewals -= 1;
    lease.renewalLost = true;
  }
}

/** Reads the renewal script's answer, and notes which lease has each entry now. */
export function readExtended(
  answers: readonly string[],
  parts: readonly LeasePart[],
  leases: readonly Lease[],
): boolean[] {
  const kept: boolean[] = new Array(leases.length);
  for (const [i, { places }] of parts.entries()) {
    const answer = answers[i]!;
    for (const [n, place] of places.entries()) {
      const lease = leases[place]!;
      kept[place] = answer[n + 1] === "1";
      lease.renewals -= 1;
      const moved = answer[0] === "m" && lease.other !== undefined;
      if (moved) lease.group = lease.other!;
      if (lease.renewals === 0 && (moved || !lease.renewalLost)) lease.other = undefined;
    }
  }
  return kept;
}
