// not on workerd: a command runs where there is a process
import assert from "node:assert/strict";
import { test } from "node:test";
import { Progress, table } from "../../../cli/render.ts";
import { FakeClock } from "../../../testing/mod.ts";
import { cliIo } from "../../doubles/cli_io.ts";

test("table: columns are aligned, numbers to the right, and nothing trails", () => {
  const rows = [["a", "1"], ["bcd", "1000"]];
  assert.equal(
    table([{ title: "KEY" }, { title: "READY", align: "right" }], rows),
    "KEY  READY\na        1\nbcd   1000\n",
  );
});

test("table: on a terminal that is too narrow the widest column is cut", () => {
  const rows = [["Ev1", "a reason that is far too long"]];
  const text = table([{ title: "ID" }, { title: "REASON", cut: true }], rows, 20);
  assert.equal(text, "ID   REASON\nEv1  a reason that …\n");
  assert.ok(table([{ title: "ID" }, { title: "REASON", cut: true }], rows).includes("far too long"));
});

test("table: control characters of a stranger do not reach the terminal", () => {
  assert.equal(table([{ title: "ID" }], [["\u001b[2Jx\ny"]]), "ID\n [2Jx y\n");
});

test("Progress: draws at most ten times a second on a terminal, and removes itself", () => {
  const clock = new FakeClock();
  const io = cliIo({ isTTY: true, clock });
  const progress = new Progress(io, "moved", 100);
  for (let done = 0; done < 50; done++) progress.show(done);
  assert.equal(io.err.split("\r").length - 1, 1);
  progress.end();
  assert.match(io.err, /\r +\r$/);
});

test("Progress: writes nothing where nobody looks", () => {
  const io = cliIo();
  const progress = new Progress(io, "moved");
  progress.show(1);
  progress.end();
  assert.equal(io.err, "");
});
