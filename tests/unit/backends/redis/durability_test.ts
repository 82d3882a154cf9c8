import { test } from "node:test";
import assert from "node:assert/strict";
import { WriteGuard } from "../../../../backends/redis/durability.ts";
import type { QueueError } from "../../../../core/errors.ts";

const AOF = "aof_enabled:1\r\n";
/** Of each test: workerd keeps what one request has made from the others. */
const never = () => new AbortController().signal;

/** A server that syncs once a second, with all of its writes handed over, and what each of its commands runs first. */
function server(before: Readonly<Record<string, () => void>> = {}) {
  const calls: string[] = [];
  const call = (command: string) => {
    calls.push(command);
    before[command]?.();
    if (command === "CONFIG") return Promise.resolve(["appendfsync", "everysec"]);
    if (command === "INFO") return Promise.resolve("aof_current_size:100\r\naof_buffer_length:0\r\n");
    return Promise.resolve(1);
  };
  return { calls, call };
}

const lost = (error: QueueError) =>
  error.code === "unknown-outcome" && /connection was lost before it was safe/.test(error.message);

test("redis: a write is safe when its connection has said that the buffer is empty", async () => {
  const { calls, call } = server();
  const guard = new WriteGuard(call, { durable: true, replicas: 0, replicaWaitMs: 100 });
  await guard.prepare(AOF);
  await guard.written(guard.connection, "probe", never());
  assert.deepEqual(calls, ["CONFIG", "INFO"]);
});

test("redis: a write of a lost connection is not safe, whatever the next one says", async () => {
  const { calls, call } = server();
  const guard = new WriteGuard(call, { durable: true, replicas: 1, replicaWaitMs: 100 });
  await guard.prepare(AOF);
  const { connection } = guard;
  guard.reset();
  await guard.prepare(AOF);
  calls.length = 0;
  await assert.rejects(guard.written(connection, "probe", never()), lost);
  assert.deepEqual(calls, [], "nothing that another connection answers can help");
});

for (const [command, replicas] of [["WAIT", 1], ["INFO", 0]] as const) {
  test(`redis: a connection that is lost while ${command} is answered has made nothing safe`, async () => {
    let cut = () => {};
    const { call } = server({ [command]: () => cut() });
    const guard = new WriteGuard(call, { durable: true, replicas, replicaWaitMs: 100 });
    await guard.prepare(AOF);
    cut = () => guard.reset();
    await assert.rejects(guard.written(guard.connection, "probe", never()), lost);
  });
}
