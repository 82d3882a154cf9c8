// Every rule of delivery, proved for this backend.
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
