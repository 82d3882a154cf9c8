import { test } from "node:test";
import assert from "node:assert/strict";
import { createBackend } from "../../../core/backend.ts";
import type { ConnectionListener } from "../../../core/driver.ts";
import type { QueueObserver } from "../../../core/observer.ts";
import { HandClock, turn } from "../../doubles/hand_clock.ts";
import { failure, type Script, ScriptedDriver } from "../../doubles/scripted_driver.ts";

function setUp(script: Script) {
  const clock = new HandClock();
  const lines: string[] = [];
  const observer: QueueObserver = {
    disconnected: ({ backend, error }) => lines.push(`lost ${backend} ${error.code}: ${error.message}`),
    connected: ({ backend, downMs, failures }) => lines.push(`back ${backend} ${downMs} ${failures}`),
  };
  const driver = new ScriptedDriver({ secrets: ["hunter2"], ...script });
  const backend = createBackend(driver, { clock, observer, random: () => 0, maxRetries: 100 });
  return { clock, lines, driver, backend };
}

/** Fails the calls up to a number. */
function failing(until: number, code: "connection" | "timeout" | "unavailable" = "connection") {
  return (call: number) => {
    if (call <= until) throw failure(code, "no route to hunter2");
  };
}

test("BackendContext reports a lost broker once and its return once, whatever fails", async () => {
  const away = failing(3);
  const operations: Readonly<Record<string, (run: ReturnType<typeof setUp>) => Promise<unknown>>> = {
    publish: ({ backend }) => backend.publish("k", {}),
    receive: ({ backend, driver }) => (driver.put("{}"), backend.receive("k").next()),
    settle: async ({ backend, driver }) => {
      driver.put("{}");
      return await (await backend.receive("k").next()).value!.ack();
    },
    depth: ({ backend }) => backend.depth("k"),
  };
  let depths = 0;
  const scripts: Readonly<Record<string, Script>> = {
    publish: { send: (messages, _signal, call) => (away(call), messages.map(() => ({ outcome: "added" }))) },
    receive: { receive: (_options, call) => away(call) },
    settle: { settle: (all, _signal, call) => (away(call), all.map(() => true)) },
    depth: {
      // deno-lint-ignore require-await -- so that it rejects
      depth: async () => (away(++depths), { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 }),
    },
  };
  for (const [name, script] of Object.entries(scripts)) {
    const run = setUp(script);
    const done = operations[name]!(run);
    await run.clock.advance(10_000);
    await done;
    assert.equal(run.lines.length, 2, name);
    assert.match(run.lines[0]!, /^lost scripted connection: Cannot .+: no route to /);
    assert.doesNotMatch(run.lines[0]!, /hunter2/);
    assert.match(run.lines[1]!, /^back scripted \d+ 3$/);
  }
});

test("BackendContext tells of a health check that fails, and of the next that does not", async () => {
  let away = true;
  const { backend, lines } = setUp({ ping: () => away ? Promise.reject(failure("connection")) : Promise.resolve() });
  await backend.health();
  await backend.health();
  assert.equal(lines.length, 1);
  away = false;
  await backend.health();
  await backend.health();
  assert.deepEqual(lines.slice(1), ["back scripted 0 2"]);
});

test("BackendContext does not take every failure for a lost broker", async () => {
  const { backend, clock, lines } = setUp({ receive: (_options, call) => failing(2, "unavailable")(call) });
  const next = backend.receive("k").next();
  await clock.advance(10_000);
  assert.deepEqual(lines, []);
  await backend.close();
  await next;
});

test("BackendContext trusts a driver's own connection reports before any call returns", async () => {
  let listener: ConnectionListener | undefined;
  const { backend, clock, lines } = setUp({ observeConnection: (given) => void (listener = given) });
  const next = backend.receive("k").next();
  await turn();
  listener!.lost(failure("connection", "reset by hunter2"));
  listener!.lost(failure("connection", "again"));
  await clock.advance(12_000);
  listener!.back();
  listener!.back();
  assert.equal(lines.length, 2);
  assert.match(lines[0]!, /^lost scripted connection: Cannot keep the connection on scripted: reset by [^h]+$/);
  assert.equal(lines[1], "back scripted 12000 0");
  await backend.close();
  await next;
});

test("BackendContext tells nothing after the backend was closed", async () => {
  let listener: ConnectionListener | undefined;
  const { backend, lines } = setUp({ observeConnection: (given) => void (listener = given) });
  await backend.close();
  listener!.lost(failure("connection"));
  assert.deepEqual(lines, []);
});

test("BackendContext asks a driver for its connection only where somebody observes", () => {
  let asked = 0;
  createBackend(new ScriptedDriver({ observeConnection: () => void asked++ }));
  assert.equal(asked, 0);
});
