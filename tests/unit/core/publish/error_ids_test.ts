import { test } from "node:test";
import assert from "node:assert/strict";
import { createBackend } from "../../../../core/backend.ts";
import type { BackendOptions } from "../../../../core/backend_options.ts";
import { PublishError } from "../../../../core/errors.ts";
import { HandClock, turn } from "../../../doubles/hand_clock.ts";
import { failure, hang, type Script, ScriptedDriver } from "../../../doubles/scripted_driver.ts";

function setUp(script: Script, options: BackendOptions = {}) {
  const clock = new HandClock();
  const driver = new ScriptedDriver(script);
  return { driver, clock, backend: createBackend(driver, { clock, maxRetries: 0, timeoutMs: 1_000, ...options }) };
}

/** The ids under which a driver was given its messages. */
function sentIds(driver: ScriptedDriver): unknown[] {
  return driver.sent.flat().map(({ id }) => id);
}

async function errorOf(publish: Promise<unknown>): Promise<PublishError> {
  const error = await publish.then(() => assert.fail("it resolved"), (error: unknown) => error);
  assert.ok(error instanceof PublishError);
  return error;
}

const PAYLOADS = [{ payload: { n: 0 } }, { payload: { n: 1 } }, { payload: { n: 2 }, id: "Ev2" }];

/** What leaves the outcome unknown: the driver says so, or the time is over. */
const CAUSES: Readonly<Record<string, { readonly script: Script; readonly ms: number }>> = {
  "is lost": { script: { send: () => Promise.reject(failure("unknown-outcome")) }, ms: 0 },
  "is late": { script: { send: hang }, ms: 60_000 },
};

for (const [cause, { script, ms }] of Object.entries(CAUSES)) {
  test(`PublishError names the id of each joined publish whose answer ${cause}`, async () => {
    const { backend, driver, clock } = setUp(script);
    const errors = Promise.all(PAYLOADS.map(({ payload, ...rest }) => errorOf(backend.publish("k", payload, rest))));
    await turn();
    await clock.advance(ms);
    const ids = (await errors).map(({ code, id }) => [code, id]);
    assert.deepEqual(ids, sentIds(driver).map((id) => ["unknown-outcome", id]));
    assert.equal(new Set(ids.map(([, id]) => id)).size, 3);
  });

  test(`PublishError.outcomes name the id of each message of a batch whose answer ${cause}`, async () => {
    const { backend, driver, clock } = setUp(script);
    const failed = errorOf(backend.publishBatch("k", PAYLOADS));
    await turn();
    await clock.advance(ms);
    const { id, outcomes } = await failed;
    assert.equal(id, undefined);
    assert.deepEqual(outcomes!.map((one) => one.id), sentIds(driver));
  });
}
