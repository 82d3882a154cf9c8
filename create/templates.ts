// deno-fmt-ignore-file
/**
 * The text of each generated file. Written by `deno task templates` out of the folder `templates`.
 *
 * @module
 */

/** The version of this package, which a generated one depends on. */
export const VERSION = "0.1.0";

/** Files by their paths: those of every package, and those of each transport. */
export const TEMPLATES: Readonly<Record<"common" | "pull" | "push" | "plain", Readonly<Record<string, string>>>> = {
  common: {
    ".github/workflows/ci.yml": `name: CI
on:
  push:
    branches: [main]
  pull_request:
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: denoland/setup-deno@v2
        with:
          deno-version: v2.x
      - uses: oven-sh/setup-bun@v2
      - run: deno task ok
      - run: deno task test
      - run: deno task test:bun
`,
    ".github/workflows/publish.yml": `name: Publish
on:
  push:
    tags: ["v*"]
jobs:
  publish:
    runs-on: ubuntu-latest
    permissions:
      contents: read
      id-token: write # signs the provenance
    steps:
      - uses: actions/checkout@v4
      - uses: denoland/setup-deno@v2
        with:
          deno-version: v2.x
      - run: deno task ok
      - run: deno task test
      - run: deno publish
`,
    ".gitignore": `.env
coverage/
dist/
node_modules/
`,
    "CHANGELOG.md": `# Changelog

## Unreleased

- The first version.
`,
    "LICENSE": `MIT License

Copyright (c) MY_YEAR the authors of @my-scope/my-queue

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
`,
    "docker-compose.yml": `services:
  broker: # the generated code keeps messages in memory; put your broker here, and its health check
    image: \${BROKER_IMAGE:-redis:7-alpine}
  service:
    image: denoland/deno:2.9.6
    working_dir: /app
    volumes: [".:/app"]
    env_file: [".env"]
    command: deno task start
    depends_on: [broker]
`,
    "main.ts": `/**
 * A service that consumes what others publish: \`deno task start\`.
 *
 * @module
 */
import "@std/dotenv/load";
import { ambientEnv, createConsumer, defineRegistry } from "@slack-mcp/queue";

const registry = defineRegistry({
  memory: () => import("@slack-mcp/queue/memory"),
  my_queue: () => import("./mod.ts"), // elsewhere: import("@my-scope/my-queue"), and one line in the import map
});
const env = ambientEnv();
const backend = await registry.load({ QUEUE_BACKEND: "my_queue", ...env });
const key = String(env.SLACK_EVENTS_TOPIC ?? "slack_events");
const consumer = createConsumer({ handler: ({ id, payload }) => console.log("handled", id, payload.type) });
const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => stopping.abort());
console.log(\`waiting for messages of \${key}\`);
await consumer.run(backend, key, { signal: stopping.signal });
await backend.close();
`,
    "tests/options_test.ts": `// The environment: what is read, and what is refused with a sentence that names the variable.
import { test } from "node:test";
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ConfigError } from "@slack-mcp/queue";
import { fromEnv } from "../mod.ts";
import { readOptions } from "../options.ts";

test("readOptions reads the variables", () => {
  const options = readOptions({
    MY_QUEUE_URL: "memory://app:secret@here/",
    MY_QUEUE_TIMEOUT: "2.5",
  });
  assertEquals([options.url, options.username, options.password], ["memory://here/", "app", "secret"]);
  assertEquals(options.timeoutMs, 2_500);
});

test("readOptions refuses variables that are wrong or do not apply, all at once", () => {
  const env = {
    MY_QUEUE_URL: "https://here",
    MY_QUEUE_TIMEOUT: "soon",
    MY_QUEUE_MESSAGE_TTL: "60",
  };
  const error = assertThrows(() => readOptions(env), ConfigError);
  for (const name of Object.keys(env)) assertStringIncludes(error.message, name);
});

test("fromEnv makes a backend that publishes and consumes, without any variable", async () => {
  await using backend = await fromEnv({});
  assertEquals((await backend.publish("options", { n: 1 })).outcome, "added");
});
`,
  },
  pull: {
    "driver.ts": `/**
 * The driver: it moves messages between the portable layer and the broker, and names errors.
 *
 * @module
 */
import { type Capabilities, type ErrorCode, type QueueDepth, QueueError } from "@slack-mcp/queue";
import {
  type Clock,
  type DriverDeadLetters,
  type DriverMessage,
  type DriverReceiveOptions,
  type QueueDriver,
  type RawDelivery,
  type SendResult,
  type Settlement,
  systemClock,
} from "@slack-mcp/queue/driver";
import type { MyQueueOptions } from "./options.ts";
import { type Client, Store } from "./store.ts";

// ---- Your client goes here --------------------------------------------------------------------------------------
// As generated, all drivers of the process share a store in its memory. Replace \`Store\` by your broker's client, and
// each call of it below by a command. Then correct \`capabilities\`: the conformance kit holds the driver to them.
let shared: Store | undefined;

function connect(options: MyQueueOptions): Client {
  return options.client ?? (shared ??= new Store(systemClock));
}
// ------------------------------------------------------------------------------------------------------------------

const CAPABILITIES: Capabilities = {
  durable: false,
  delay: true,
  ttl: false,
  dedup: false,
  groups: false,
  deadLetters: true,
  replay: false,
  fencing: true,
  extend: true,
  release: true,
  attempts: true,
  headers: true,
  maxLength: true,
  depth: true,
  orderingKeys: false,
  order: "fifo",
  consume: "pull",
  maxPayloadBytes: 1_000_000,
  idleCostPerHour: 300,
  costPerMessage: 1,
};

/** Moves messages to and from the broker. */
export class MyQueueDriver implements QueueDriver {
  /** The name that errors and logs show. */
  readonly name = "my_queue";
  /** The capabilities, which the conformance kit proves. */
  readonly capabilities: Capabilities = CAPABILITIES;
  /** The portable layer takes these texts out of every error. */
  readonly secrets: readonly string[];
  /** Lists and removes messages that were given up. */
  readonly deadLetters: DriverDeadLetters;
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #maxLength: number;

  /** Connects with these options. */
  constructor(options: MyQueueOptions = {}) {
    this.#client = connect(options);
    this.#clock = options.clock ?? systemClock;
    this.#maxLength = options.maxLength ?? Infinity;
    this.secrets = options.password ? [options.password] : [];
    const chosen = (key: string, ids: readonly string[] | undefined, limit: number) =>
      this.#client.letters(key).filter(({ id }) => ids?.includes(id) ?? true).slice(0, limit);
    this.deadLetters = {
      list: (key, { ids, limit }) => Promise.resolve({ letters: chosen(key, ids, limit), cursor: undefined }),
      purge: (key, { ids, limit }) => Promise.resolve(this.#client.purge(key, chosen(key, ids, limit))),
    };
  }

  /** Sends a batch; resolves when the broker has confirmed it. */
  async send(key: string, messages: readonly DriverMessage[], _signal: AbortSignal): Promise<SendResult[]> {
    const added = await this.#client.add(key, messages, this.#maxLength);
    return added.map((fits): SendResult =>
      fits ? { outcome: "added" } : { error: new QueueError("queue-full", "the queue has reached its maxLength") }
    );
  }

  /** Leases messages; waits where none is ready. */
  async receive(key: string, options: DriverReceiveOptions): Promise<RawDelivery[]> {
    const { max, leaseMs, waitMs, signal } = options;
    for (const end = this.#clock.now() + waitMs; !signal.aborted;) {
      const leased = await this.#client.take(key, max, leaseMs);
      const left = end - this.#clock.now();
      if (leased.length > 0 || left <= 0) {
        return leased.map(({ message: { id, body, headers }, publishedAt, attempts, lease }) => {
          return { id, body, headers, publishedAt, attempts, lease };
        });
      }
      await this.#client.changed(key, left, signal);
    }
    return [];
  }

  /** Settles deliveries in one round trip. */
  settle(key: string, group: string, settlements: readonly Settlement[], _signal: AbortSignal): Promise<boolean[]> {
    return this.#client.settle(key, group, settlements);
  }

  /** Makes leases longer. */
  extend(key: string, _group: string, leases: readonly unknown[], leaseMs: number): Promise<boolean[]> {
    return this.#client.extend(key, leases, leaseMs);
  }

  /** Counts messages. */
  depth(key: string): Promise<QueueDepth> {
    return this.#client.depth(key);
  }

  /** Asks whether the broker answers. */
  ping(): Promise<void> {
    return Promise.resolve();
  }

  /** Closes what the driver opened. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Names an error of the client. \`"unknown-outcome"\`: a send whose bytes left and whose reply did not come. */
  classify(error: unknown): ErrorCode {
    if (error instanceof QueueError) return error.code;
    return "internal";
  }
}
`,
    "mod.ts": `/**
 * MY_DESCRIPTION
 *
 * ## Delivery semantics
 *
 * At least once: a message leaves the queue when it is acknowledged or given up. A consumer that is killed loses its
 * lease, and the message comes again. Say here where your broker differs.
 *
 * @example
 * \`\`\`ts
 * import { MyQueueBackend } from "@my-scope/my-queue";
 *
 * await using backend = new MyQueueBackend();
 * await backend.publish("slack_events", { type: "event_callback" });
 * for await (const delivery of backend.receive("slack_events")) {
 *   await delivery.ack();
 *   break;
 * }
 * \`\`\`
 *
 * @module
 */
import type { Env, FromEnvOptions } from "@slack-mcp/queue";
import { checkDriver, PortableBackend } from "@slack-mcp/queue/driver";
import { MyQueueDriver } from "./driver.ts";
import { type MyQueueOptions, portableOptions, readOptions } from "./options.ts";

export { MyQueueDriver, type MyQueueOptions };
export { type Client, Store } from "./store.ts";

/** A backend for \`@slack-mcp/queue\`. */
export class MyQueueBackend extends PortableBackend {
  /** Opens the backend. */
  constructor(options: MyQueueOptions = {}) {
    super(checkDriver(new MyQueueDriver(options)), portableOptions(options));
  }
}

/**
 * Makes the backend that the environment describes. The registry calls it where \`QUEUE_BACKEND\` is \`my_queue\`.
 *
 * @param env Variables such as \`MY_QUEUE_URL\`.
 * @param options The observer, which the portable layer tells of everything.
 * @returns The backend.
 * @throws {ConfigError} A variable that is wrong or does not apply.
 */
export function fromEnv(env: Env, { observer }: FromEnvOptions = {}): MyQueueBackend {
  return new MyQueueBackend({ ...readOptions(env), observer });
}
`,
    "options.ts": `/**
 * The options, and the environment variables that they are read from.
 *
 * @module
 */
import type { Env } from "@slack-mcp/queue";
import { type BackendOptions, EnvReader, readQueueFields } from "@slack-mcp/queue/driver";
import type { Client } from "./store.ts";

/** Options of the backend: its own, and those of the portable layer. */
export interface MyQueueOptions extends BackendOptions {
  /** Where the broker is, without user and password. */
  readonly url?: string | undefined;
  /** The broker's user. */
  readonly username?: string | undefined;
  /** The broker's password. No error shows it. */
  readonly password?: string | undefined;
  /** Whether to encrypt the connection. */
  readonly ssl?: boolean | undefined;
  /** The most messages of a key that are not settled. */
  readonly maxLength?: number | undefined;
  /** A client to use in place of the process's own: for tests. */
  readonly client?: Client | undefined;
}

/** Variables of \`@slack-mcp/queue\` that this backend has no use for, each with the reason. */
const REFUSED: Readonly<Record<string, string>> = {
  MY_QUEUE_MESSAGE_TTL: "messages have no time to live",
  MY_QUEUE_DURABLE: "messages live in the memory of this process",
};

/**
 * Reads the options.
 *
 * @throws {ConfigError} Every variable that is wrong or does not apply, in one error.
 */
export function readOptions(env: Env): MyQueueOptions {
  const reader = new EnvReader(env);
  const fields = readQueueFields(reader, "MY_QUEUE", ["memory:"]); // your broker's schemes
  for (const [name, reason] of Object.entries(REFUSED)) {
    if (reader.raw(name) !== undefined) reader.problem(\`\${name} does not apply: \${reason}\`);
  }
  reader.check();
  const { url, username, password, ssl, timeoutMs, maxRetries, retryDelayMs, maxLength } = fields;
  return { url, username, password, ssl, timeoutMs, maxRetries, retryDelayMs, maxLength };
}

/** The options that are this backend's own. */
const OWN: ReadonlySet<string> = new Set(["url", "username", "password", "ssl", "maxLength", "client"]);

/** Leaves the portable layer's options. */
export function portableOptions(options: MyQueueOptions): BackendOptions {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !OWN.has(name)));
}
`,
    "store.ts": `/**
 * A queue in this process. It stands where your broker's client goes.
 *
 * @module
 */
import type { DeadLetter, FailureCause, QueueDepth } from "@slack-mcp/queue";
import type { Clock, DriverMessage, Settlement } from "@slack-mcp/queue/driver";

/** One message in the store. */
interface Item {
  readonly message: DriverMessage;
  readonly publishedAt: number;
  /** How often it was delivered. */
  attempts: number;
  /** Epoch milliseconds: a delay or a lease ends then. */
  readyAt: number;
  /** The lease that is out, or the last one. */
  lease: number;
  leased: boolean;
}

/** A message under lease, as the store hands it out. */
export interface Leased {
  readonly message: DriverMessage;
  readonly publishedAt: number;
  readonly attempts: number;
  readonly lease: number;
}

/** The part of the store that the driver uses: a test puts a network of its own in between. */
export type Client = { readonly [Name in keyof Store]: Store[Name] };

/** Lists of messages, one for each key. */
export class Store {
  readonly #clock: Clock;
  readonly #lists: Map<string, Item[]> = new Map();
  readonly #dead: Map<string, DeadLetter[]> = new Map();
  readonly #waiting: Set<() => void> = new Set();
  #leases = 0;

  /** Makes an empty store that goes by this clock. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Adds messages in their order, up to \`maxLength\` in the list. Resolves with \`false\` for each that did not fit. */
  add(key: string, messages: readonly DriverMessage[], maxLength: number): Promise<boolean[]> {
    const now = this.#clock.now();
    const list = this.#list(key);
    const added = messages.map((message) => {
      if (list.length >= maxLength) return false;
      const readyAt = now + message.delayMs;
      list.push({ message, publishedAt: now, attempts: 0, readyAt, lease: 0, leased: false });
      return true;
    });
    this.#wake();
    return Promise.resolve(added);
  }

  /** Leases up to \`max\` messages that are ready. */
  take(key: string, max: number, leaseMs: number): Promise<Leased[]> {
    const now = this.#clock.now();
    const ready = this.#list(key).filter((item) => item.readyAt <= now).slice(0, max);
    for (const item of ready) {
      item.attempts += 1;
      item.readyAt = now + leaseMs;
      item.lease = ++this.#leases;
      item.leased = true;
    }
    return Promise.resolve(ready.map(({ message, publishedAt, attempts, lease }) => {
      return { message, publishedAt, attempts, lease };
    }));
  }

  /** Resolves when a message may be ready, after \`ms\` milliseconds, or when the signal aborts. */
  async changed(key: string, ms: number, signal: AbortSignal): Promise<void> {
    const now = this.#clock.now();
    const next = Math.min(...this.#list(key).map(({ readyAt }) => Math.max(0, readyAt - now)), ms);
    const { promise, resolve } = Promise.withResolvers<void>();
    // A timer holds 31 bits. A receive that wakes too early waits again.
    const timer = this.#clock.setTimeout(resolve, Math.min(next, 2 ** 31 - 1));
    this.#waiting.add(resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) resolve();
    await promise;
    this.#clock.clearTimeout(timer);
    this.#waiting.delete(resolve);
  }

  /** Settles leases. Resolves with \`false\` for each that has run out or was replaced. */
  settle(key: string, group: string, settlements: readonly Settlement[]): Promise<boolean[]> {
    const answers = settlements.map((settlement) => {
      const item = this.#held(key, settlement.lease);
      if (!item) return false;
      item.leased = false;
      if (settlement.kind === "retry") {
        item.readyAt = this.#clock.now() + settlement.delayMs;
      } else if (settlement.kind === "release") {
        item.readyAt = 0;
        item.attempts -= 1;
      } else {
        this.#remove(key, item);
        if (settlement.kind === "dead") this.#bury(key, group, item, settlement.cause);
      }
      return true;
    });
    this.#wake();
    return Promise.resolve(answers);
  }

  /** Makes leases end \`leaseMs\` from now. Resolves with \`false\` for each that has run out or was replaced. */
  extend(key: string, leases: readonly unknown[], leaseMs: number): Promise<boolean[]> {
    return Promise.resolve(leases.map((lease) => {
      const item = this.#held(key, lease);
      if (item) item.readyAt = this.#clock.now() + leaseMs;
      return item !== undefined;
    }));
  }

  /** Counts the messages of a key. */
  depth(key: string): Promise<QueueDepth> {
    const now = this.#clock.now();
    const waiting = this.#list(key).filter(({ readyAt }) => readyAt > now);
    const inFlight = waiting.filter(({ leased }) => leased).length;
    const ready = this.#list(key).length - waiting.length;
    const dead = this.letters(key).length;
    return Promise.resolve({ ready, inFlight, delayed: waiting.length - inFlight, blocked: 0, dead });
  }

  /** The dead letters of a key, the oldest first. */
  letters(key: string): DeadLetter[] {
    return this.#dead.get(key) ?? [];
  }

  /** Removes dead letters. */
  purge(key: string, letters: readonly DeadLetter[]): number {
    this.#dead.set(key, this.letters(key).filter((letter) => !letters.includes(letter)));
    return letters.length;
  }

  #list(key: string): Item[] {
    let list = this.#lists.get(key);
    if (!list) this.#lists.set(key, list = []);
    return list;
  }

  #held(key: string, lease: unknown): Item | undefined {
    const now = this.#clock.now();
    return this.#list(key).find((item) => item.leased && item.lease === lease && item.readyAt > now);
  }

  #remove(key: string, item: Item): void {
    const list = this.#list(key);
    list.splice(list.indexOf(item), 1);
  }

  #bury(key: string, group: string, { message, publishedAt, attempts }: Item, cause: FailureCause): void {
    const { id: messageId, body, headers = {} } = message;
    const letters = this.letters(key);
    letters.push({
      id: crypto.randomUUID(),
      messageId,
      key,
      group,
      body,
      payload: undefined, // the portable layer parses the body
      headers,
      attempts,
      publishedAt: new Date(publishedAt),
      diedAt: new Date(this.#clock.now()),
      cause,
    });
    this.#dead.set(key, letters);
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
  }
}
`,
    "tests/conformance_test.ts": `// Every rule of delivery, proved for this backend.
import { test } from "node:test";
import type { QueueDriver } from "@slack-mcp/queue/driver";
import { driverHarness, FakeClock, testBackend } from "@slack-mcp/queue/testing";
import { type Client, MyQueueDriver, Store } from "../mod.ts";

const PASSWORD = "correct-horse-battery-staple";

/** The network between one driver and the store: it counts commands, and can hold settlements and renewals back. */
class Network implements Client {
  commands = 0;
  readonly #store: Store;
  #open: Promise<void> | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Holds requests back until the returned function is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#open = promise;
    return () => {
      this.#open = undefined;
      resolve();
    };
  }

  add: Client["add"] = (...args) => (this.commands++, this.#store.add(...args));
  take: Client["take"] = (...args) => (this.commands++, this.#store.take(...args));
  changed: Client["changed"] = (...args) => this.#store.changed(...args);
  depth: Client["depth"] = (...args) => this.#store.depth(...args);
  letters: Client["letters"] = (...args) => this.#store.letters(...args);
  purge: Client["purge"] = (...args) => this.#store.purge(...args);

  settle: Client["settle"] = async (...args) => {
    this.commands++;
    await this.#open;
    return await this.#store.settle(...args);
  };

  extend: Client["extend"] = async (...args) => {
    this.commands++;
    await this.#open;
    return await this.#store.extend(...args);
  };
}

await testBackend({
  test,
  harness: driverHarness({
    name: "my_queue",
    open: () => {
      const clock = new FakeClock(); // leave it out with a real broker
      const store = new Store(clock);
      const networks = new Map<QueueDriver, Network>();
      return {
        clock,
        secrets: [PASSWORD],
        driver: ({ maxLength }) => {
          const client = new Network(store);
          const driver = new MyQueueDriver({ client, clock, maxLength, password: PASSWORD });
          networks.set(driver, client);
          return driver;
        },
        holdRequests: (driver) => networks.get(driver)!.hold(),
        cost: () => [...networks.values()].reduce((sum, { commands }) => sum + commands, 0),
        inject: async (key, body) => {
          const absent = { orderingKey: undefined, ttlMs: undefined, headers: undefined };
          const message = { id: crypto.randomUUID(), explicitId: false, body, payload: {}, delayMs: 0 };
          await store.add(key, [{ ...message, ...absent }], Infinity);
        },
      };
    },
  }),
});
`,
    "tests/driver_test.ts": `// Faults on purpose: how the backend behaves when its broker does not.
import { test } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { PublishError } from "@slack-mcp/queue";
import { createBackend } from "@slack-mcp/queue/driver";
import { FakeClock, faultyDriver } from "@slack-mcp/queue/testing";
import { MyQueueDriver, Store } from "../mod.ts";

function setUp() {
  const clock = new FakeClock();
  const driver = faultyDriver(new MyQueueDriver({ client: new Store(clock), clock }), { clock });
  return { clock, driver, backend: createBackend(driver, { clock }) };
}

test("publish is tried again while the broker is unavailable", async () => {
  const { clock, driver, backend } = setUp();
  driver.failNext("send", "unavailable", 2);
  assertEquals((await clock.until(backend.publish("slack_events", { n: 1 }))).outcome, "added");
  assertEquals(driver.calls.send, 3);
  await clock.until(backend.close());
});

test("publish rejects when the broker refuses the credentials", async () => {
  const { clock, driver, backend } = setUp();
  driver.failNext("send", "unauthorized");
  const error = await assertRejects(() => clock.until(backend.publish("slack_events", { n: 1 })), PublishError);
  assertEquals(error.code, "unauthorized");
  await clock.until(backend.close());
});
`,
  },
  push: {
    "driver.ts": `/**
 * The driver: it sends messages to the platform, which pushes them to a consumer, and names errors.
 *
 * @module
 */
import { type Capabilities, type ErrorCode, QueueError } from "@slack-mcp/queue";
import { type DriverMessage, type QueueDriver, type SendResult, systemClock } from "@slack-mcp/queue/driver";
import type { MyQueueOptions } from "./options.ts";
import { Platform } from "./platform.ts";

// ---- Your client goes here --------------------------------------------------------------------------------------
// As generated, all drivers of the process share a platform in its memory. Replace \`Platform\` by your platform's
// client. Then correct \`capabilities\`: the conformance kit holds the driver to them.
let shared: Platform | undefined;

/** Returns the platform that the process shares: connect its pushes to a consumer's \`handleBatch\`. */
export function sharedPlatform(): Platform {
  return shared ??= new Platform(systemClock);
}
// ------------------------------------------------------------------------------------------------------------------

const CAPABILITIES: Capabilities = {
  durable: false,
  delay: true,
  ttl: false,
  dedup: false,
  groups: false,
  deadLetters: false,
  replay: false,
  fencing: false,
  extend: false,
  release: false,
  attempts: true,
  headers: false,
  maxLength: false,
  depth: false,
  orderingKeys: false,
  order: "best-effort",
  consume: "push",
  maxPayloadBytes: 128_000,
  idleCostPerHour: 0,
};

/** Sends messages to the platform. */
export class MyQueueDriver implements QueueDriver {
  /** The name that errors and logs show. */
  readonly name = "my_queue";
  /** The capabilities, which the conformance kit proves. */
  readonly capabilities: Capabilities = CAPABILITIES;
  /** The portable layer takes these texts out of every error. */
  readonly secrets: readonly string[];
  readonly #client: Platform;

  /** Connects with these options. */
  constructor(options: MyQueueOptions = {}) {
    this.#client = options.client ?? sharedPlatform();
    this.secrets = options.password ? [options.password] : [];
  }

  /** Sends a batch; resolves when the platform has confirmed it. */
  async send(key: string, messages: readonly DriverMessage[], _signal: AbortSignal): Promise<SendResult[]> {
    await this.#client.add(key, messages.map(({ id, payload: body, delayMs }) => ({ id, body, delayMs })));
    return messages.map(() => ({ outcome: "added" }));
  }

  /** Asks whether the platform answers. */
  ping(): Promise<void> {
    return Promise.resolve();
  }

  /** Closes what the driver opened. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Names an error of the client. \`"unknown-outcome"\`: a send whose bytes left and whose reply did not come. */
  classify(error: unknown): ErrorCode {
    if (error instanceof QueueError) return error.code;
    return "internal";
  }
}
`,
    "main.ts": `/**
 * A service that handles what the platform pushes: \`deno task start\`.
 *
 * @module
 */
import "@std/dotenv/load";
import { ambientEnv, createConsumer, defineRegistry } from "@slack-mcp/queue";
import { sharedPlatform } from "./mod.ts";

const registry = defineRegistry({
  memory: () => import("@slack-mcp/queue/memory"),
  my_queue: () => import("./mod.ts"), // elsewhere: import("@my-scope/my-queue"), and one line in the import map
});
const env = ambientEnv();
const backend = await registry.load({ QUEUE_BACKEND: "my_queue", ...env });
const key = String(env.SLACK_EVENTS_TOPIC ?? "slack_events");
const consumer = createConsumer({ handler: ({ id, payload }) => console.log("handled", id, payload.type) });
const stopped = Promise.withResolvers<void>();
for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => stopped.resolve());
const disconnect = sharedPlatform().connect(key, consumer); // in production: the platform calls handleBatch
console.log(\`waiting for messages of \${key}\`);
await stopped.promise;
await disconnect();
await backend.close();
`,
    "mod.ts": `/**
 * MY_DESCRIPTION
 *
 * ## Delivery semantics
 *
 * The platform pushes batches to a consumer's \`handleBatch\`. At least once: a message leaves the platform when the
 * consumer acknowledges it or gives it up. Say here where your platform differs.
 *
 * @example
 * \`\`\`ts
 * import { createConsumer } from "@slack-mcp/queue";
 * import { MyQueueBackend, sharedPlatform } from "@my-scope/my-queue";
 *
 * const { promise, resolve } = Promise.withResolvers<void>();
 * const stop = sharedPlatform().connect("slack_events", createConsumer({ handler: () => resolve() }));
 * await using backend = new MyQueueBackend();
 * await backend.publish("slack_events", { type: "event_callback" });
 * await promise;
 * await stop();
 * \`\`\`
 *
 * @module
 */
import type { Env, FromEnvOptions } from "@slack-mcp/queue";
import { checkDriver, PortableBackend } from "@slack-mcp/queue/driver";
import { MyQueueDriver } from "./driver.ts";
import { type MyQueueOptions, portableOptions, readOptions } from "./options.ts";

export { MyQueueDriver, type MyQueueOptions };
export { sharedPlatform } from "./driver.ts";
export { type Outgoing, Platform } from "./platform.ts";

/** A backend for \`@slack-mcp/queue\`. */
export class MyQueueBackend extends PortableBackend {
  /** Opens the backend. */
  constructor(options: MyQueueOptions = {}) {
    super(checkDriver(new MyQueueDriver(options)), portableOptions(options));
  }
}

/**
 * Makes the backend that the environment describes. The registry calls it where \`QUEUE_BACKEND\` is \`my_queue\`.
 *
 * @param env Variables such as \`MY_QUEUE_URL\`.
 * @param options The observer, which the portable layer tells of everything.
 * @returns The backend.
 * @throws {ConfigError} A variable that is wrong or does not apply.
 */
export function fromEnv(env: Env, { observer }: FromEnvOptions = {}): MyQueueBackend {
  return new MyQueueBackend({ ...readOptions(env), observer });
}
`,
    "options.ts": `/**
 * The options, and the environment variables that they are read from.
 *
 * @module
 */
import type { Env } from "@slack-mcp/queue";
import { type BackendOptions, EnvReader, readQueueFields } from "@slack-mcp/queue/driver";
import type { Platform } from "./platform.ts";

/** Options of the backend: its own, and those of the portable layer. */
export interface MyQueueOptions extends BackendOptions {
  /** Where the broker is, without user and password. */
  readonly url?: string | undefined;
  /** The broker's user. */
  readonly username?: string | undefined;
  /** The broker's password. No error shows it. */
  readonly password?: string | undefined;
  /** Whether to encrypt the connection. */
  readonly ssl?: boolean | undefined;
  /** A client to use in place of the process's own: for tests. */
  readonly client?: Platform | undefined;
}

/** Variables of \`@slack-mcp/queue\` that this backend has no use for, each with the reason. */
const REFUSED: Readonly<Record<string, string>> = {
  MY_QUEUE_MESSAGE_TTL: "messages have no time to live",
  MY_QUEUE_MAX_LENGTH: "the platform bounds its queues itself",
  MY_QUEUE_DURABLE: "messages live in the memory of this process",
};

/**
 * Reads the options.
 *
 * @throws {ConfigError} Every variable that is wrong or does not apply, in one error.
 */
export function readOptions(env: Env): MyQueueOptions {
  const reader = new EnvReader(env);
  const fields = readQueueFields(reader, "MY_QUEUE", ["memory:"]); // your broker's schemes
  for (const [name, reason] of Object.entries(REFUSED)) {
    if (reader.raw(name) !== undefined) reader.problem(\`\${name} does not apply: \${reason}\`);
  }
  reader.check();
  const { url, username, password, ssl, timeoutMs, maxRetries, retryDelayMs } = fields;
  return { url, username, password, ssl, timeoutMs, maxRetries, retryDelayMs };
}

/** The options that are this backend's own. */
const OWN: ReadonlySet<string> = new Set(["url", "username", "password", "ssl", "client"]);

/** Leaves the portable layer's options. */
export function portableOptions(options: MyQueueOptions): BackendOptions {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !OWN.has(name)));
}
`,
    "platform.ts": `/**
 * A platform that pushes, in this process. It stands where your platform's client goes.
 *
 * @module
 */
import type { Consumer, PushMessage } from "@slack-mcp/queue";
import type { Clock } from "@slack-mcp/queue/driver";

/** One message of the platform. */
interface Item {
  readonly id: string;
  readonly body: unknown;
  readonly publishedAt: number;
  /** How often it was pushed. */
  attempts: number;
  /** Epoch milliseconds before which it is not pushed. */
  readyAt: number;
}

/** One message as it is sent. */
export interface Outgoing {
  /** Names the message. */
  readonly id: string;
  /** The JSON value to push. */
  readonly body: unknown;
  /** Milliseconds before which it is not pushed. */
  readonly delayMs: number;
}

/** The most messages of one batch. */
const BATCH = 10;

/** Lists of messages, one for each key, which are pushed to whatever consumer is connected. */
export class Platform {
  readonly #clock: Clock;
  readonly #lists: Map<string, Item[]> = new Map();
  readonly #waiting: Set<() => void> = new Set();

  /** Makes a platform without messages that goes by this clock. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Adds messages in their order. */
  add(key: string, messages: readonly Outgoing[]): Promise<void> {
    const publishedAt = this.#clock.now();
    for (const { id, body, delayMs } of messages) {
      this.#list(key).push({ id, body, publishedAt, attempts: 0, readyAt: publishedAt + delayMs });
    }
    for (const resolve of this.#waiting) resolve();
    return Promise.resolve();
  }

  /** Pushes messages of a key into a consumer until the returned function is called. */
  connect(key: string, consumer: Pick<Consumer, "handleBatch">): () => Promise<void> {
    const stop = new AbortController();
    const pushing = this.#push(key, consumer, stop.signal);
    return async () => {
      stop.abort();
      await pushing;
    };
  }

  async #push(key: string, consumer: Pick<Consumer, "handleBatch">, signal: AbortSignal): Promise<void> {
    const list = this.#list(key);
    while (!signal.aborted) {
      const now = this.#clock.now();
      const batch = list.filter(({ readyAt }) => readyAt <= now).slice(0, BATCH);
      if (batch.length === 0) {
        await this.#changed(Math.min(...list.map(({ readyAt }) => readyAt - now), 30_000), signal);
        continue;
      }
      const retries = new Map<Item, number>();
      for (const item of batch) item.attempts += 1;
      await consumer.handleBatch({ queue: key, messages: batch.map((item) => toMessage(item, retries)) });
      for (const item of batch) {
        const delayMs = retries.get(item);
        if (delayMs === undefined) list.splice(list.indexOf(item), 1);
        else item.readyAt = this.#clock.now() + delayMs;
      }
    }
  }

  #list(key: string): Item[] {
    let list = this.#lists.get(key);
    if (!list) this.#lists.set(key, list = []);
    return list;
  }

  async #changed(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.setTimeout(resolve, ms);
    this.#waiting.add(resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    this.#clock.clearTimeout(timer);
    this.#waiting.delete(resolve);
  }
}

/** The message as a consumer sees it: the first of \`ack\` and \`retry\` wins. */
function toMessage(item: Item, retries: Map<Item, number>): PushMessage {
  let settled = false;
  const settle = (delayMs: number | undefined) => {
    if (!settled && delayMs !== undefined) retries.set(item, delayMs);
    settled = true;
  };
  return {
    id: item.id,
    timestamp: new Date(item.publishedAt),
    body: item.body,
    attempts: item.attempts,
    ack: () => settle(undefined),
    retry: ({ delaySeconds = 0 } = {}) => settle(delaySeconds * 1_000),
  };
}
`,
    "tests/conformance_test.ts": `// Every rule of delivery that a platform which pushes can show, proved for this one.
import { test } from "node:test";
import { driverHarness, FakeClock, testBackend } from "@slack-mcp/queue/testing";
import { MyQueueDriver, Platform } from "../mod.ts";

const PASSWORD = "correct-horse-battery-staple";

await testBackend({
  test,
  harness: driverHarness({
    name: "my_queue",
    open: () => {
      const clock = new FakeClock(); // leave it out with a real platform
      const client = new Platform(clock);
      return {
        clock,
        secrets: [PASSWORD],
        driver: () => new MyQueueDriver({ client, password: PASSWORD }),
        push: (key, consumer) => Promise.resolve(client.connect(key, consumer)),
        inject: (key, body) => client.add(key, [{ id: crypto.randomUUID(), body, delayMs: 0 }]),
      };
    },
  }),
});
`,
    "tests/driver_test.ts": `// Faults on purpose: how the backend behaves when its broker does not.
import { test } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { PublishError } from "@slack-mcp/queue";
import { createBackend } from "@slack-mcp/queue/driver";
import { FakeClock, faultyDriver } from "@slack-mcp/queue/testing";
import { MyQueueDriver, Platform } from "../mod.ts";

function setUp() {
  const clock = new FakeClock();
  const driver = faultyDriver(new MyQueueDriver({ client: new Platform(clock) }), { clock });
  return { clock, driver, backend: createBackend(driver, { clock }) };
}

test("publish is tried again while the broker is unavailable", async () => {
  const { clock, driver, backend } = setUp();
  driver.failNext("send", "unavailable", 2);
  assertEquals((await clock.until(backend.publish("slack_events", { n: 1 }))).outcome, "added");
  assertEquals(driver.calls.send, 3);
  await clock.until(backend.close());
});

test("publish rejects when the broker refuses the credentials", async () => {
  const { clock, driver, backend } = setUp();
  driver.failNext("send", "unauthorized");
  const error = await assertRejects(() => clock.until(backend.publish("slack_events", { n: 1 })), PublishError);
  assertEquals(error.code, "unauthorized");
  await clock.until(backend.close());
});
`,
  },
  plain: {
    "backend.ts": `/**
 * The backend: publish, consume and close, and no more.
 *
 * @module
 */
import {
  type JsonObject,
  type PublishOptions,
  type PublishReceipt,
  type QueueBackend,
  QueueError,
} from "@slack-mcp/queue";
import type { MyQueueOptions } from "./options.ts";

// ---- Your client goes here --------------------------------------------------------------------------------------
// As generated, messages are lists in the memory of the process, which all backends share. Replace the lists by your
// broker's client, and each use of them below by a command.
const shared: Lists = new Map();

/** Texts of messages, by their key. */
export type Lists = Map<string, string[]>;
// ------------------------------------------------------------------------------------------------------------------

/** How long an empty list is left alone, in milliseconds. */
const POLL_MS = 10;

interface InHand {
  readonly list: string[];
  readonly text: string;
}

/** A backend for \`@slack-mcp/queue\`: asking for the next message acknowledges the one before. */
export class MyQueueBackend implements QueueBackend {
  /** The name that errors and logs show. */
  readonly name = "my_queue";
  readonly #lists: Lists;
  readonly #inHand: Set<InHand> = new Set();
  #closed = false;

  /** Opens the backend. */
  constructor(options: MyQueueOptions = {}) {
    this.#lists = options.lists ?? shared;
  }

  /** Resolves when the message is in the queue. */
  // deno-lint-ignore require-await -- so that errors reject
  async publish(key: string, payload: JsonObject, options: PublishOptions = {}): Promise<PublishReceipt> {
    options.signal?.throwIfAborted();
    if (this.#closed) throw new QueueError("closed", \`Cannot publish to "\${key}": the backend is closed\`);
    if (typeof key !== "string" || key === "") throw new TypeError("key must be non-empty text");
    if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
      throw new TypeError("payload must be a JSON object");
    }
    for (const name of ["delayMs", "ttlMs", "headers", "orderingKey"] as const) {
      if (options[name] !== undefined) throw new QueueError("unsupported", \`my_queue does not support \${name}\`);
    }
    this.#list(key).push(JSON.stringify(payload));
    return { id: options.id ?? crypto.randomUUID(), outcome: "added" };
  }

  /** Yields payloads; leaving the loop gives back the one in hand. */
  async *consume(
    key: string,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<JsonObject, undefined> {
    const list = this.#list(key);
    while (!this.#closed && !signal?.aborted) {
      const text = list.shift();
      if (text === undefined) {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        continue;
      }
      const inHand: InHand = { list, text };
      this.#inHand.add(inHand);
      let done = false;
      try {
        yield JSON.parse(text);
        done = true;
      } finally {
        if (done) this.#inHand.delete(inHand);
        else this.#giveBack(inHand);
      }
    }
  }

  /** Gives back what is in hand. */
  close(): Promise<void> {
    this.#closed = true;
    for (const inHand of this.#inHand) this.#giveBack(inHand);
    return Promise.resolve();
  }

  /** As \`close\`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #list(key: string): string[] {
    let list = this.#lists.get(key);
    if (!list) this.#lists.set(key, list = []);
    return list;
  }

  #giveBack(inHand: InHand): void {
    if (this.#inHand.delete(inHand)) inHand.list.unshift(inHand.text);
  }
}
`,
    "mod.ts": `/**
 * MY_DESCRIPTION
 *
 * ## Delivery semantics
 *
 * Asking for the next message acknowledges the one before. Leaving the loop gives back the one in hand. There are no
 * leases: a process that is killed loses what it has in hand.
 *
 * @example
 * \`\`\`ts
 * import { MyQueueBackend } from "@my-scope/my-queue";
 *
 * await using backend = new MyQueueBackend();
 * await backend.publish("slack_events", { type: "event_callback" });
 * for await (const event of backend.consume("slack_events")) {
 *   console.log(event.type);
 *   break;
 * }
 * \`\`\`
 *
 * @module
 */
import type { Env } from "@slack-mcp/queue";
import { MyQueueBackend } from "./backend.ts";
import { type MyQueueOptions, readOptions } from "./options.ts";

export { MyQueueBackend, type MyQueueOptions };
export type { Lists } from "./backend.ts";

/**
 * Makes the backend that the environment describes. The registry calls it where \`QUEUE_BACKEND\` is \`my_queue\`.
 *
 * @param env Variables such as \`MY_QUEUE_URL\`.
 * @throws {ConfigError} A variable that is wrong or does not apply.
 */
export function fromEnv(env: Env): MyQueueBackend {
  return new MyQueueBackend(readOptions(env));
}
`,
    "options.ts": `/**
 * The options, and the environment variables that they are read from.
 *
 * @module
 */
import type { Env } from "@slack-mcp/queue";
import { EnvReader, readQueueFields } from "@slack-mcp/queue/driver";
import type { Lists } from "./backend.ts";

/** Options of the backend. */
export interface MyQueueOptions {
  /** Where the broker is, without user and password. */
  readonly url?: string | undefined;
  /** The broker's user. */
  readonly username?: string | undefined;
  /** The broker's password. */
  readonly password?: string | undefined;
  /** Whether to encrypt the connection. */
  readonly ssl?: boolean | undefined;
  /** Milliseconds to wait for the broker. */
  readonly timeoutMs?: number | undefined;
  /** Lists to use in place of the process's own: for tests. */
  readonly lists?: Lists | undefined;
}

/** Variables of \`@slack-mcp/queue\` that this backend has no use for, each with the reason. */
const REFUSED: Readonly<Record<string, string>> = {
  MY_QUEUE_MAX_RETRIES: "nothing is tried again",
  MY_QUEUE_RETRY_DELAY: "nothing is tried again",
  MY_QUEUE_MESSAGE_TTL: "messages have no time to live",
  MY_QUEUE_MAX_LENGTH: "the queue has no bound",
  MY_QUEUE_DURABLE: "messages live in the memory of this process",
};

/**
 * Reads the options.
 *
 * @throws {ConfigError} Every variable that is wrong or does not apply, in one error.
 */
export function readOptions(env: Env): MyQueueOptions {
  const reader = new EnvReader(env);
  const { url, username, password, ssl, timeoutMs } = readQueueFields(reader, "MY_QUEUE", ["memory:"]);
  for (const [name, reason] of Object.entries(REFUSED)) {
    if (reader.raw(name) !== undefined) reader.problem(\`\${name} does not apply: \${reason}\`);
  }
  reader.check();
  return { url, username, password, ssl, timeoutMs };
}
`,
    "tests/conformance_test.ts": `// The rules that a backend without leases must keep, proved for this one.
import { test } from "node:test";
import { testBackend } from "@slack-mcp/queue/testing";
import { type Lists, MyQueueBackend } from "../mod.ts";

await testBackend({
  test,
  harness: {
    name: "my_queue",
    open: () => {
      const lists: Lists = new Map(); // with a real broker: a namespace that no other case uses
      return { connect: () => new MyQueueBackend({ lists }) };
    },
  },
});
`,
  },
};
