import { test } from "node:test";
import assert from "node:assert/strict";
import { madeParts, rangesOf, SentBatches } from "../../../../backends/streams/sent_batches.ts";
import type { DriverMessage } from "../../../../core/driver.ts";

const PREFIX = "0b5a9c1e-6f5d-4c53-9d0e-1f2a3b4c5d6e";

function ranges(...ids: string[]): string {
  return rangesOf(ids.map((id) => ({ id }) as DriverMessage));
}

test("rangesOf joins ids that follow one another and no others", () => {
  assert.equal(
    ranges(`${PREFIX}-8`, `${PREFIX}-9`, `${PREFIX}-a`, `${PREFIX}-c`, `${PREFIX}-zz`, `${PREFIX}-100`),
    "8:a c zz:100",
  );
  assert.equal(ranges(`${PREFIX}-3`, `${PREFIX}-2`, `${PREFIX}-1`), "3 2 1");
});

test("rangesOf leaves out ids of another shape", () => {
  assert.equal(ranges(`${PREFIX}-1`, "order-1.2", "order-A", "a:b c", `${PREFIX}-2`), "1:2");
});

test("madeParts takes apart made ids alone", () => {
  assert.deepEqual(madeParts(`${PREFIX}-3f`), { publisher: PREFIX, own: "3f" });
  for (const id of ["Ev0PV52K21", "order-17", PREFIX, `${PREFIX}-`, `${PREFIX}-3F`]) {
    assert.equal(madeParts(id), undefined);
  }
});

test("SentBatches reuses a field only after its batch and some others are answered", () => {
  const batches = new SentBatches("t");
  const lost = batches.field("lost");
  batches.ended("lost", lost, true, false);
  const fields = new Set<string>();
  for (let n = 0; n < 100; n++) {
    const field = batches.field(`token-${n}`);
    fields.add(field);
    batches.ended(`token-${n}`, field, false, true);
  }
  assert.ok(!fields.has(lost), "a batch without an answer keeps its field");
  assert.ok(fields.size <= 10, `${fields.size} fields`);
  assert.equal(batches.field("lost"), lost, "the batch that is sent again has its own");
  batches.ended("lost", lost, false, false);
  assert.equal(batches.field("lost"), lost, "an attempt that sent nothing says nothing of the one before");
});

test("SentBatches forgets the oldest of a thousand batches without an answer", () => {
  const batches = new SentBatches("t");
  const fields = Array.from({ length: 1_001 }, (_, n) => {
    const field = batches.field(`token-${n}`);
    batches.ended(`token-${n}`, field, true, false);
    return field;
  });
  assert.equal(new Set(fields).size, 1_001);
  assert.equal(batches.field("another"), fields[0]);
});
