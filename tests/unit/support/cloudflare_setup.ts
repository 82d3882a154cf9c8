/** A backend and a driver over the test server of Cloudflare's API, all in this process and on one clock. */
import type { DriverMessage, DriverReceiveOptions } from "../../../core/driver.ts";
import type { QueueError } from "../../../core/errors.ts";
import { HttpDriver } from "../../../backends/cloudflare/http_driver.ts";
import { CloudflareHttpBackend, type CloudflareHttpOptions } from "../../../backends/cloudflare/mod.ts";
import { AutoClock } from "../../doubles/auto_clock.ts";
import { CloudflareApi, type CloudflareApiOptions } from "../../fakes/cloudflare_api.ts";
import type { QueueSettings, StoredQueue } from "../../fakes/cloudflare_queue.ts";

/** The key whose queue is there. */
export const KEY = "slack_events";

/** What a test may choose: the backend's options, those of the queue, those of the API. */
export interface SetupOptions extends Partial<CloudflareHttpOptions> {
  readonly settings?: QueueSettings;
  readonly api?: CloudflareApiOptions;
}

export interface Setup {
  readonly clock: AutoClock;
  readonly api: CloudflareApi;
  /** The queue of {@link KEY}, with a dead letter queue unless the settings say otherwise. */
  readonly queue: StoredQueue;
  readonly dead: StoredQueue;
  readonly driver: HttpDriver;
  readonly backend: CloudflareHttpBackend;
  /** One more backend. */
  connect(): CloudflareHttpBackend;
}

export function setup({ settings, api: apiOptions, ...options }: SetupOptions = {}): Setup {
  const clock = new AutoClock();
  const api = new CloudflareApi({ clock, ...apiOptions });
  const queue = api.queue("slack-events", { deadLetterQueue: "slack-events-dlq", ...settings });
  const made = {
    accountId: api.accountId,
    apiToken: api.token,
    fetch: api.textFetch as typeof fetch,
    clock,
    random: () => 0.5,
    ...options,
  };
  const connect = () => new CloudflareHttpBackend(made);
  const dead = api.queue("slack-events-dlq");
  return { clock, api, queue, dead, driver: new HttpDriver(made), connect, backend: connect() };
}

/** Made per test: a Worker's signals do not outlive the request that made them. */
export function never(): AbortSignal {
  return new AbortController().signal;
}

/** Options of a driver's receive that waits for nothing. */
export function asked(options: Partial<DriverReceiveOptions> = {}): DriverReceiveOptions {
  return { group: "slack-mcp", max: 10, leaseMs: 30_000, waitMs: 0, signal: never(), ...options };
}

/** A message as the portable layer gives it to a driver. */
export function message(payload: Record<string, number>): DriverMessage {
  return {
    id: "made",
    explicitId: false,
    orderingKey: undefined,
    body: JSON.stringify(payload),
    payload,
    delayMs: 0,
    ttlMs: undefined,
    headers: undefined,
  };
}

/** For `assert.rejects`: an error of this code. */
export function code(expected: string): (error: unknown) => boolean {
  return (error) => (error as QueueError).code === expected;
}
