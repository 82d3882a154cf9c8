/** What the author of a backend writes: a driver, its options, `fromEnv`, and the kit over it. */
import type { Env, JsonObject, LeasingBackend, QueueBackend } from "@slack-mcp/queue";
import {
  type BackendOptions,
  createBackend,
  type DriverMessage,
  type DriverReceiveOptions,
  EnvReader,
  type QueueDriver,
  type RawDelivery,
  readQueueConfig,
  type SendResult,
  type Settlement,
} from "@slack-mcp/queue/driver";
import { MemoryBroker, MemoryDriver } from "@slack-mcp/queue/memory";
import {
  alterDriver,
  type Broker,
  driverHarness,
  FakeClock,
  faultyDriver,
  type Harness,
  runConformance,
} from "@slack-mcp/queue/testing";

export interface MyOptions extends BackendOptions {
  readonly url?: string;
}

export class MyDriver implements QueueDriver {
  readonly name = "my_queue";
  readonly #memory = new MemoryDriver();
  readonly capabilities = this.#memory.capabilities;
  readonly secrets: readonly string[];

  constructor({ url }: MyOptions = {}) {
    this.secrets = url === undefined ? [] : [url];
  }

  async send(key: string, messages: readonly DriverMessage[]): Promise<SendResult[]> {
    return await this.#memory.send(key, messages);
  }

  async receive(key: string, options: DriverReceiveOptions): Promise<RawDelivery[]> {
    const raws = await this.#memory.receive(key, options);
    return raws.map(({ id, lease, body, attempts, headers }) => ({
      id,
      lease,
      body,
      attempts,
      headers,
      publishedAt: undefined,
    }));
  }

  async settle(key: string, group: string, settlements: readonly Settlement[]): Promise<boolean[]> {
    return await this.#memory.settle(key, group, settlements);
  }

  async close(): Promise<void> {
    await this.#memory.close();
  }

  classify(error: unknown): "connection" | "internal" {
    return error instanceof TypeError ? "connection" : "internal";
  }
}

/** With the record that the registry gives. */
export function fromEnv(env: Env): LeasingBackend {
  const reader = new EnvReader(env);
  const prefetch = reader.integer("MY_QUEUE_PREFETCH", { min: 1 });
  reader.check();
  const { timeoutMs, messageTtlMs } = readQueueConfig(env, "MY_QUEUE");
  return createBackend(new MyDriver({ url: `${env["MY_QUEUE_URL"] ?? ""}` }), { prefetch, timeoutMs, messageTtlMs });
}

/** The smallest backend: three methods. */
export class SmallBackend implements QueueBackend {
  readonly #payloads: JsonObject[] = [];

  publish(_key: string, payload: JsonObject): Promise<{ id: string; outcome: "added" }> {
    this.#payloads.push(payload);
    return Promise.resolve({ id: "1", outcome: "added" });
  }

  async *consume(): AsyncGenerator<JsonObject> {
    yield* await Promise.resolve(this.#payloads);
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

export const harness: Harness = driverHarness({
  name: "my_queue",
  open: () => {
    const clock = new FakeClock();
    const broker = new MemoryBroker({ clock });
    return {
      clock,
      inject: (key, body) => broker.inject(key, body),
      driver: ({ maxLength }) => {
        const driver = new MemoryDriver({ broker, clock, maxLength });
        return alterDriver(faultyDriver(driver, { seed: 1, clock }), { extend: undefined, ping: undefined });
      },
    };
  },
});

export async function prove(only?: readonly string[]): Promise<number> {
  const own: Harness = {
    ...harness,
    leaseMs: undefined,
    open: async (): Promise<Broker> => ({ ...await harness.open() }),
  };
  const report = await runConformance({
    harness: own,
    only,
    seed: undefined,
    onReport: ({ counts }) => console.log(counts),
  });
  return report.cases.filter(({ status, reason }) => status === "failed" && reason !== undefined).length;
}
