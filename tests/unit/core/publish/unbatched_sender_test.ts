import { test } from "node:test";
import assert from "node:assert/strict";
import { DriverBackend } from "../../../../core/driver_backend.ts";
import { PublishError } from "../../../../core/errors.ts";
import type { QueueObserver } from "../../../../core/observer.ts";
import { UnbatchedSender } from "../../../../core/publish/unbatched_sender.ts";
import { failure, type Script, ScriptedDriver } from "../../../doubles/scripted_driver.ts";

function setUp(script: Script, observer: QueueObserver = {}) {
  const driver = new ScriptedDriver(script);
  return { driver, backend: new DriverBackend(driver, { observer }, (context) => new UnbatchedSender(context)) };
}

const PAYLOADS = [{ payload: { n: 0 }, id: "Ev0" }, { payload: { n: 1 }, id: "Ev1" }, { payload: { n: 2 }, id: "Ev2" }];

test("UnbatchedSender hands over each call by itself, in the order of calls", async () => {
  const { backend, driver } = setUp({});
  const publishing = Promise.all([
    backend.publishBatch("k", PAYLOADS),
    backend.publish("k", { n: 3 }, { id: "Ev3" }),
  ]);
  assert.deepEqual(driver.sent.map((batch) => batch.map(({ id }) => id)), [["Ev0", "Ev1", "Ev2"], ["Ev3"]]);
  const added = (id: string) => ({ id, outcome: "added" });
  assert.deepEqual(await publishing, [["Ev0", "Ev1", "Ev2"].map(added), added("Ev3")]);
});

test("UnbatchedSender tells which messages of a call were refused", async () => {
  const published: unknown[] = [];
  const refused = { error: failure("queue-full") };
  const { backend } = setUp(
    { send: () => Promise.resolve([{ outcome: "added" }, refused, { outcome: "duplicate" }]) },
    { published: ({ id }) => void published.push(id) },
  );
  await assert.rejects(backend.publishBatch("k", PAYLOADS), (error) => {
    assert.ok(error instanceof PublishError);
    assert.equal(error.code, "queue-full");
    const [first, second, third] = error.outcomes!;
    assert.deepEqual([first, third], [{ id: "Ev0", outcome: "added" }, { id: "Ev2", outcome: "duplicate" }]);
    assert.ok(second instanceof PublishError);
    assert.equal(second.id, "Ev1");
    return true;
  });
  assert.deepEqual(published, ["Ev0", "Ev2"]);
});

test("UnbatchedSender rejects with the code of what the driver threw, reported once", async () => {
  const failed: unknown[] = [];
  const { backend, driver } = setUp(
    { send: () => Promise.reject(failure("unavailable")) },
    { failed: ({ operation, error }) => void failed.push([operation, error.code]) },
  );
  await assert.rejects(backend.publishBatch("k", PAYLOADS), (error) => {
    assert.ok(error instanceof PublishError);
    assert.equal(error.code, "unavailable");
    assert.deepEqual(error.outcomes!.map((one) => one.id), ["Ev0", "Ev1", "Ev2"]);
    return true;
  });
  assert.equal(driver.sent.length, 1);
  assert.deepEqual(failed, [["publish", "unavailable"]]);
});
