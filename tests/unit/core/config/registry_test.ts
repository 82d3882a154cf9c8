import { test } from "node:test";
import assert from "node:assert/strict";
import { MemoryBackend } from "../../../../backends/memory/mod.ts";
import { ConfigError } from "../../../../core/errors.ts";
import { type Env, isLeasing, type LeasingBackend, type QueueBackend } from "../../../../core/protocol.ts";
import {
  type BackendMap,
  defineRegistry,
  type FromEnvOptions,
  type LifecycleStep,
} from "../../../../core/config/registry.ts";

/** A registry whose steps and warnings are noted; `loaded` says which modules were imported. */
function setUp(more: BackendMap = {}) {
  const steps: LifecycleStep[] = [];
  const warnings: string[] = [];
  const loaded: string[] = [];
  const module = (name: string) => () => {
    loaded.push(name);
    return Promise.resolve({ fromEnv: (_env: Env) => new MemoryBackend() });
  };
  const registry = defineRegistry(
    { memory: module("memory"), redis: module("redis"), my_queue: module("my_queue"), ...more },
    { onStep: (step) => void steps.push(step), warn: (message) => void warnings.push(message) },
  );
  return { registry, steps, warnings, loaded };
}

function problem(pattern: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof ConfigError && error.code === "config" && pattern.test(error.message);
}

test("Registry reports its four steps in order, and imports only the selected module", async () => {
  const { registry, steps, warnings, loaded } = setUp();
  assert.deepEqual(registry.names, ["memory", "redis", "my_queue"]);
  const backend = await registry.load({ QUEUE_BACKEND: "redis" });
  assert.deepEqual(steps, [
    { step: "discovery", names: ["memory", "redis", "my_queue"] },
    { step: "selection", name: "redis", fallback: false },
    { step: "instantiation", name: "redis" },
    { step: "operation", name: "redis", backend },
  ]);
  assert.deepEqual([loaded, warnings], [["redis"], []]);
});

test("Registry takes unset, empty and blank for memory, with one warning in all", async () => {
  const { registry, steps, warnings, loaded } = setUp();
  for (const QUEUE_BACKEND of [undefined, null, "", "  "]) await registry.load({ QUEUE_BACKEND });
  await registry.load({});
  assert.deepEqual(loaded, Array(5).fill("memory"));
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /^QUEUE_BACKEND is not set: using "memory", whose messages die with this process$/);
  assert.ok(steps.every((one) => one.step !== "selection" || one.fallback && one.name === "memory"));
  const asked = setUp();
  await asked.registry.load({ QUEUE_BACKEND: " memory " });
  assert.deepEqual([asked.loaded, asked.warnings], [["memory"], []]);
});

test("defineRegistry names sqlite in its warning where it is among the names", async () => {
  const warnings: string[] = [];
  const load = () => Promise.resolve({ fromEnv: () => new MemoryBackend() });
  const registry = defineRegistry({ memory: load, sqlite: load }, { warn: (message) => warnings.push(message) });
  await registry.load({});
  assert.deepEqual(warnings, [
    'QUEUE_BACKEND is not set: using "memory", whose messages die with this process; QUEUE_BACKEND=sqlite keeps them in a file',
  ]);
});

test("Registry warns on the console where no other function is given", async () => {
  const { warn } = console;
  const said: unknown[] = [];
  console.warn = (...args: unknown[]) => void said.push(...args);
  try {
    await defineRegistry({ memory: () => Promise.resolve({ fromEnv: () => new MemoryBackend() }) }).load({});
  } finally {
    console.warn = warn;
  }
  assert.equal(said.length, 1);
});

test("Registry reports an unset name as such where memory is not in the map", async () => {
  const registry = defineRegistry({ redis: () => assert.fail("imported") });
  await assert.rejects(registry.load({}), problem(/^QUEUE_BACKEND is not set: it must be one of redis$/));
  await assert.rejects(
    defineRegistry({}).load({ QUEUE_BACKEND: "x" }),
    problem(/one of \(the registry is empty\), found "x"/),
  );
});

test("Registry lists names for an unknown one, suggests the nearest, and loads nothing", async () => {
  const { registry, loaded, warnings } = setUp();
  await assert.rejects(registry.load({ QUEUE_BACKEND: "reddis" }), (error: ConfigError) => {
    assert.ok(error instanceof ConfigError);
    assert.deepEqual(error.message.split("\n"), [
      `QUEUE_BACKEND must be one of memory, redis, my_queue, found "reddis"; did you mean "redis"?`,
      `To add a backend of that name, write one line in defineRegistry and one in the import map:`,
      `  reddis: () => import("@acme/reddis"),`,
      `  "@acme/reddis": "jsr:@acme/reddis@^1.0.0",`,
    ]);
    return true;
  });
  for (
    const [asked, near] of [["Redis", "redis"], ["MEMORY", "memory"], ["myqueue", "my_queue"], [
      "memroy",
      "memory",
    ]] as const
  ) {
    await assert.rejects(registry.load({ QUEUE_BACKEND: asked }), problem(new RegExp(`did you mean "${near}"\\?`)));
  }
  for (const far of ["kafka", "sqs", "x"]) {
    await assert.rejects(
      registry.load({ QUEUE_BACKEND: far }),
      (error: Error) => !error.message.includes("did you mean"),
    );
  }
  assert.deepEqual([loaded, warnings], [[], []]);
});

test("Registry shows a wrong name short, and knows no names of Object.prototype", async () => {
  const { registry } = setUp();
  await assert.rejects(registry.load({ QUEUE_BACKEND: `x"${"y".repeat(100_000)}` }), (error: Error) => {
    assert.ok(error.message.length < 500);
    return /found "x\\"y+…"/.test(error.message) && error.message.includes("my_queue: () => import(");
  });
  for (const name of ["constructor", "toString", "__proto__", "hasOwnProperty"]) {
    await assert.rejects(registry.load({ QUEUE_BACKEND: name }), problem(/^QUEUE_BACKEND must be one of/));
  }
  for (const QUEUE_BACKEND of [1, true, {}, ["redis"]]) {
    await assert.rejects(registry.load({ QUEUE_BACKEND }), problem(/^QUEUE_BACKEND must be a string, found/));
  }
});

test("Registry names a module that cannot be imported, with the cause", async () => {
  const cause = new TypeError("Cannot find module 'ioredis'");
  for (
    const load of [() => Promise.reject(cause), () => {
      throw cause;
    }]
  ) {
    const { registry, loaded, steps } = setUp({ broken: load });
    await assert.rejects(registry.load({ QUEUE_BACKEND: "broken" }), (error: ConfigError) => {
      assert.equal(error.message, `Cannot load backend "broken": its module could not be imported`);
      return error instanceof ConfigError && error.cause === cause;
    });
    assert.deepEqual([loaded, steps.map(({ step }) => step)], [[], ["discovery", "selection"]]);
  }
});

test("Registry names a module without fromEnv", async () => {
  for (const module of [{}, { default: { fromEnv: () => 1 } }, { fromEnv: "no function" }, null, undefined, 7]) {
    const { registry, loaded } = setUp({ odd: () => Promise.resolve(module) });
    const expected = /^Cannot use backend "odd": its module does not export fromEnv\(env\)$/;
    await assert.rejects(registry.load({ QUEUE_BACKEND: "odd" }), problem(expected));
    assert.deepEqual(loaded, []);
  }
});

test("Registry passes on errors of fromEnv, and refuses a result that is no backend", async () => {
  const thrown = new ConfigError("ODD_URL is not set");
  for (
    const fromEnv of [() => Promise.reject(thrown), () => {
      throw thrown;
    }]
  ) {
    const { registry, loaded } = setUp({ odd: () => Promise.resolve({ fromEnv }) });
    await assert.rejects(registry.load({ QUEUE_BACKEND: "odd" }), (error) => error === thrown);
    assert.deepEqual(loaded, []);
  }
  const { publish, consume } = new MemoryBackend();
  const junk: [unknown, string][] = [
    [undefined, "publish"],
    [null, "publish"],
    ["memory", "publish"],
    [{}, "publish"],
    [{ publish }, "consume"],
    [{ publish, consume, close: true }, "close"],
  ];
  for (const [answer, missing] of junk) {
    const { registry, steps } = setUp({ odd: () => Promise.resolve({ fromEnv: () => answer }) });
    const expected = new RegExp(
      `^Cannot use backend "odd": the result of its fromEnv\\(env\\) has no ${missing}\\(\\)$`,
    );
    await assert.rejects(registry.load({ QUEUE_BACKEND: "odd" }), problem(expected));
    assert.ok(steps.every(({ step }) => step !== "operation"));
  }
});

test("Registry passes the environment to fromEnv unchanged, bindings included", async () => {
  const seen: Env[] = [];
  const { registry } = setUp({
    odd: () => Promise.resolve({ fromEnv: (env: Env) => (seen.push(env), Promise.resolve(new MemoryBackend())) }),
  });
  const env = { QUEUE_BACKEND: "odd", MY_QUEUE: { send: () => undefined } };
  await registry.load(env);
  assert.equal(seen[0], env);
  await assert.rejects(registry.load(null as unknown as Env), /^TypeError: env must be an object, found null$/);
});

test("Registry passes the observer to fromEnv, and loads a module that ignores it", async () => {
  const given: unknown[] = [];
  const registry = defineRegistry({
    hears: () =>
      Promise.resolve({
        fromEnv: (_env: Env, options?: FromEnvOptions) => (given.push(options), new MemoryBackend()),
      }),
    ignores: () => Promise.resolve({ fromEnv: () => new MemoryBackend() }),
  });
  const observer = {};
  await registry.load({ QUEUE_BACKEND: "hears" }, { observer });
  await registry.load({ QUEUE_BACKEND: "hears" });
  assert.deepEqual(given, [{ observer }, {}]);
  await registry.load({ QUEUE_BACKEND: "ignores" }, { observer });
  await assert.rejects(registry.load({ QUEUE_BACKEND: "hears" }, { observer: 1 as never }), TypeError);
  await assert.rejects(registry.load({ QUEUE_BACKEND: "hears" }, { clock: {} } as never), TypeError);
});

test("Registry's backend tells the observer that was given by name", async () => {
  const told: string[] = [];
  const registry = defineRegistry({ memory: () => import("../../../../backends/memory/mod.ts") });
  const observer = { published: ({ id }: { id: string }) => void told.push(id) };
  await using backend = await registry.load({ QUEUE_BACKEND: "memory" }, { observer });
  await backend.publish("observed by name", {}, { id: "Ev1" });
  assert.deepEqual(told, ["Ev1"]);
});

test("defineRegistry refuses what is no map of functions", () => {
  for (const map of [null, undefined, [], "redis", new Map()]) {
    assert.throws(
      () => defineRegistry(map as unknown as BackendMap),
      /^TypeError: backends must be a plain object, found/,
    );
  }
  const bad = { redis: Promise.resolve({}) } as unknown as BackendMap;
  assert.throws(
    () => defineRegistry(bad),
    /^TypeError: backends\.redis must be a function that imports the module, found a Promise$/,
  );
});

test("Registry loads the same memory queues twice in one process", async () => {
  const registry = defineRegistry({ memory: () => import("../../../../backends/memory/mod.ts") });
  const key = `registry ${crypto.randomUUID()}`;
  await using webhook = await registry.load({ QUEUE_BACKEND: "memory" });
  await using worker = await registry.load({ QUEUE_BACKEND: "memory", MEMORY_TIMEOUT: "2" });
  await webhook.publish(key, { n: 1 });
  for await (const payload of worker.consume(key)) {
    assert.deepEqual(payload, { n: 1 });
    break;
  }
});

test("Registry loads from an interface environment, as wrangler types writes it", async () => {
  interface WorkerEnv {
    QUEUE_BACKEND: "memory";
    SLACK_EVENTS: { sendBatch(): Promise<void> };
  }
  const env: WorkerEnv = { QUEUE_BACKEND: "memory", SLACK_EVENTS: { sendBatch: () => Promise.resolve() } };
  await using backend = await defineRegistry({ memory: () => import("../../../../backends/memory/mod.ts") }).load(env);
  // That these are there without narrowing is what the type checker proves.
  assert.deepEqual(await backend.depth("slack_events"), { ready: 0, inFlight: 0, delayed: 0, blocked: 0, dead: 0 });
});

test("isLeasing narrows a full backend and refuses one that lacks a member", async () => {
  await using memory = new MemoryBackend();
  const full: QueueBackend = memory;
  assert.ok(isLeasing(full));
  assert.equal((await full.depth("slack_events")).ready, 0);
  const members = ["name", "capabilities", "deadLetters", "publish", "publishBatch", "receive", "depth", "health"];
  for (const missing of members) {
    const less = new Proxy<LeasingBackend>(memory, {
      get: (target, name) => name === missing ? undefined : Reflect.get(target, name, target),
    });
    assert.equal(isLeasing(less), false, missing);
  }
});
