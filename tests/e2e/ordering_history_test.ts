// The judge of the ordering soaks catches each kind of fault: a soak that finds none must be believed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LeaseHistory } from "./support/lease_history.ts";
import { OrderingLedger } from "./support/ordering_ledger.ts";
import { readTransactions } from "./support/redis_history.ts";

/** Two messages, 0 and 1, of one ordering key, the first leased to `a` until 1,000. */
function leasedOnce(): { history: LeaseHistory; ledger: OrderingLedger } {
  const history = new LeaseHistory();
  history.accepted("1-0", "k", 0);
  history.accepted("2-0", "k", 1);
  history.leased("1-0", { lease: "a", attempts: 1, at: 0 });
  history.lasts("a", 1_000);
  return { history, ledger: new OrderingLedger(1) };
}

/** The first message is leased once more, to `b`. */
function leasedAgain(history: LeaseHistory, { from, until }: { readonly from: number; readonly until: number }): void {
  history.leased("1-0", { lease: "b", attempts: 2, at: from });
  history.lasts("b", until);
}

/** The second message is leased and settled in order, by consumer 9. */
function finish(history: LeaseHistory, ledger: OrderingLedger, at: number): void {
  history.leased("2-0", { lease: "z", attempts: 1, at });
  history.lasts("z", at + 1_000);
  for (const line of [`b 1 1 ${at}`, `d 1 1 ${at + 1}`, `1 1 1 ${at + 2}`]) ledger.note(9, line);
  history.settled("2-0");
  history.end();
}

function wrong(history: LeaseHistory, ledger: OrderingLedger): Record<string, number> {
  const { lost, inversions, overlaps, lies } = ledger.judge(history, 2);
  return { lost: lost.length, inversions: inversions.length, overlaps: overlaps.length, lies: lies.length };
}

const NOTHING = { lost: 0, inversions: 0, overlaps: 0, lies: 0 };

test("the ordering judge finds nothing where all is in order", () => {
  const { history, ledger } = leasedOnce();
  for (const line of ["b 0 1 1", "d 0 1 5", "1 0 1 6"]) ledger.note(1, line);
  history.settled("1-0");
  finish(history, ledger, 5);
  assert.deepEqual(wrong(history, ledger), NOTHING);
});

test("the ordering judge finds nothing where a late ack was refused", () => {
  const { history, ledger } = leasedOnce();
  ledger.note(1, "b 0 1 1");
  leasedAgain(history, { from: 1_000, until: 2_000 });
  for (const line of ["b 0 2 1001", "d 0 2 1005", "1 0 2 1006"]) ledger.note(2, line);
  for (const line of ["d 0 1 1500", "0 0 1 1501"]) ledger.note(1, line);
  history.settled("1-0");
  finish(history, ledger, 1_010);
  assert.deepEqual(wrong(history, ledger), NOTHING);
  assert.equal(ledger.judge(history, 2).outlived, 1);
});

test("the ordering judge finds a message that is leased while the one before it is", () => {
  const { history, ledger } = leasedOnce();
  ledger.note(1, "b 0 1 1");
  history.leased("2-0", { lease: "b", attempts: 1, at: 10 });
  history.lasts("b", 1_010);
  for (const line of ["b 1 1 10", "d 1 1 11", "1 1 1 12"]) ledger.note(2, line);
  history.settled("2-0");
  for (const line of ["d 0 1 20", "1 0 1 21"]) ledger.note(1, line);
  history.settled("1-0");
  history.end();
  // The lease is out of order and beside another, and so is the handler.
  assert.deepEqual(wrong(history, ledger), { ...NOTHING, inversions: 2, overlaps: 1 });
});

test("the ordering judge finds a key that is freed when a lease ends, unsettled", () => {
  const { history, ledger } = leasedOnce();
  ledger.note(1, "b 0 1 1");
  for (const line of ["d 0 1 1500", "1 0 1 1501"]) ledger.note(1, line);
  history.leased("2-0", { lease: "b", attempts: 1, at: 1_200 });
  history.lasts("b", 2_200);
  for (const line of ["b 1 1 1200", "d 1 1 1201", "1 1 1 1202"]) ledger.note(2, line);
  history.settled("2-0");
  history.settled("1-0");
  history.end();
  assert.deepEqual(wrong(history, ledger), { ...NOTHING, inversions: 2 });
});

test("the ordering judge finds a message that is taken from a lease which lasts", () => {
  const { history, ledger } = leasedOnce();
  ledger.note(1, "b 0 1 1");
  history.returned("1-0", 400); // nobody asked for it
  leasedAgain(history, { from: 500, until: 1_500 });
  for (const line of ["b 0 2 501", "d 0 2 502", "1 0 2 503"]) ledger.note(2, line);
  for (const line of ["d 0 1 600", "0 0 1 601"]) ledger.note(1, line);
  history.settled("1-0");
  finish(history, ledger, 700);
  assert.deepEqual(wrong(history, ledger), { ...NOTHING, overlaps: 1 });
});

test("the ordering judge knows who cleared a lease away that had ended", () => {
  const { history, ledger } = leasedOnce();
  ledger.note(1, "b 0 1 1");
  history.returned("1-0", 1_000);
  leasedAgain(history, { from: 1_000, until: 2_000 });
  for (const line of ["b 0 2 1001", "d 0 2 1005", "1 0 2 1006"]) ledger.note(2, line);
  for (const line of ["r 0 1 1500", "0 0 1 1501"]) ledger.note(1, line);
  history.settled("1-0");
  finish(history, ledger, 1_010);
  assert.deepEqual(wrong(history, ledger), NOTHING);
});

test("the ordering judge finds a takeover before the lease has ended", () => {
  const { history, ledger } = leasedOnce();
  leasedAgain(history, { from: 999, until: 2_000 });
  for (const line of ["b 0 2 999", "d 0 2 1000", "1 0 2 1001"]) ledger.note(2, line);
  history.settled("1-0");
  finish(history, ledger, 1_010);
  assert.deepEqual(wrong(history, ledger), { ...NOTHING, overlaps: 1 });
});

test("the ordering judge finds an ack that is believed and was not done", () => {
  const { history, ledger } = leasedOnce();
  ledger.note(1, "b 0 1 1");
  leasedAgain(history, { from: 1_000, until: 2_000 });
  for (const line of ["d 0 1 1100", "1 0 1 1101"]) ledger.note(1, line);
  for (const line of ["b 0 2 1001", "d 0 2 1200", "1 0 2 1201"]) ledger.note(2, line);
  history.settled("1-0");
  finish(history, ledger, 1_300);
  assert.deepEqual(wrong(history, ledger), { ...NOTHING, lies: 1 });
});

test("the ordering judge finds what is settled without a handler, and what never is", () => {
  const { history, ledger } = leasedOnce();
  history.settled("1-0");
  history.end();
  // The first was settled by nobody's handler; the second is in the record and in the ledger as lost.
  assert.deepEqual(wrong(history, ledger), { ...NOTHING, lost: 3 });
});

test("the history of Redis reads what scripts did and what went with a consumer", () => {
  const [key, group, leases] = ["q", "g", "{q}:group:g:leases"];
  const claim = (holder: string, id: string, at: number, count: number) => {
    const options = ["TIME", `${at}`, "RETRYCOUNT", `${count}`, "FORCE", "JUSTID", "LASTID", id];
    return ["XCLAIM", key, group, holder, "0", id, ...options];
  };
  const history = readTransactions(key, group, [
    [["XADD", key, "1-0", "data", '{"n":0}', "orderingKey", "k"]],
    [["XADD", key, "2-0", "data", '{"n":1}', "orderingKey", "k"]],
    [claim("lease:a", "1-0", 10, 1), claim("lease:a", "2-0", 10, 1), claim("given-back", "2-0", 10, 0), [
      "ZADD",
      leases,
      "100",
      "lease:a",
    ]],
    [claim("lease:b", "1-0", 100, 2), ["ZADD", leases, "200", "lease:b"], [
      "XGROUP",
      "DELCONSUMER",
      key,
      group,
      "lease:a",
    ]],
    [["XACK", key, group, "1-0"], ["XTRIM", key, "MINID", "2-0"]],
    [claim("lease:b", "2-0", 110, 1)],
    [["XGROUP", "DELCONSUMER", key, group, "lease:b"]],
  ]);
  assert.deepEqual([history.inversions, history.overlaps, history.lost], [[], [], [
    "1 was removed before it was settled",
  ]]);
  assert.deepEqual([history.grant(0, 1)?.over, history.grant(0, 2)?.over], ["expired", "acked"]);
});
