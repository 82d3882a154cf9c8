/**
 * Publishing and pulling from anywhere, through the HTTP API.
 *
 * @module
 */
import { DEFAULT_TIMEOUT_MS } from "../../core/defaults.ts";
import { checkOptions, checkValue, count, func, positive, text, type Validators } from "../../core/util/validate.ts";
import { BACKEND_CHECKS, type BackendOptions } from "../../core/backend_options.ts";
import { type Clock, monotonic, systemClock } from "../../core/util/clock.ts";
import type {
  ConnectionListener,
  DriverDepth,
  DriverMessage,
  DriverReceiveOptions,
  QueueDriver,
  RawDelivery,
  SendResult,
  Settlement,
} from "../../core/driver.ts";
import { type ErrorCode, QueueError } from "../../core/errors.ts";
import type { Capabilities, Finding } from "../../core/protocol.ts";
import { CAPABILITIES, LIMITS } from "./platform.ts";
import { CloudflareClient } from "./client.ts";
import { diagnoseQueue } from "./diagnose.ts";
import { deadLettersOf } from "./dead_letters.ts";
import { Counts } from "./counts.ts";
import { deliveryOf, type Lease, toDeadLetter } from "./http_lease.ts";
import { type ApiMessage, batchText, inBatches, type Packed, sendAll } from "./messages.ts";
import { byKey, type CloudflareHttpOptions } from "./options.ts";
import { inspectionOf } from "./inspection.ts";
import { Poll, pullsPerHour } from "./poll.ts";
import { Queues } from "./queues.ts";
import { wholeSeconds } from "../../core/consume/push.ts";

const OWN_CHECKS: Validators<Omit<CloudflareHttpOptions, keyof BackendOptions>> = {
  accountId: text,
  apiToken: text,
  queues: byKey,
  maxPollMs: positive,
  requestLimit: count,
  apiUrl: text,
  fetch: func,
};

/** The longest lease: 12 hours. */
const MAX_LEASE_MS = 43_200_000;

const FREE = { free: true };

/** A driver over the HTTP API. */
export class HttpDriver implements QueueDriver {
  readonly name = "cloudflare";
  readonly capabilities: Capabilities;
  readonly maxBatchMessages: number = LIMITS.maxBatchMessages;
  readonly maxBatchBytes: number = LIMITS.maxBatchBytes;
  readonly maxDelayMs: number = LIMITS.maxDelayMs;
  readonly maxSettleBatch = 100;
  readonly secrets: readonly string[];
  readonly deadLetters: QueueDriver["deadLetters"];
  readonly inspect: QueueDriver["inspect"];
  readonly #client: CloudflareClient;
  readonly #queues: Queues;
  readonly #clock: Clock;
  readonly #maxPollMs: number;
  readonly #polls = new Map<string, Poll>();
  readonly #counts = new Map<string, Counts>();
  #listener: ConnectionListener | undefined;

  /** Nothing is opened and nothing asked before it is needed. */
  constructor(options: CloudflareHttpOptions) {
    checkOptions("cloudflare options", options, { ...BACKEND_CHECKS, ...OWN_CHECKS });
    checkValue("accountId", options.accountId, text);
    checkValue("apiToken", options.apiToken, text);
    const { accountId, apiToken, apiUrl = "https://api.cloudflare.com/client/v4", maxPollMs = 10_000 } = options;
    this.#clock = options.clock ?? systemClock;
    this.#maxPollMs = maxPollMs;
    this.#client = new CloudflareClient({
      accountId,
      apiToken,
      apiUrl: apiUrl.replace(/\/+$/, ""),
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      requestLimit: options.requestLimit ?? 1_200,
      clock: this.#clock,
      // Called without a receiver: a Worker's fetch is particular about it.
      fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    });
    this.#queues = new Queues(this.#client, options.queues);
    this.secrets = [apiToken];
    this.capabilities = {
      ...CAPABILITIES,
      deadLetters: true,
      replay: true,
      depth: true,
      inspect: true,
      consume: "pull",
      idleCostPerHour: pullsPerHour(maxPollMs),
    };
    this.inspect = inspectionOf(this.#client, this.#queues, options.queues);
    this.deadLetters = deadLettersOf(this.#client, this.#queues, (key) => this.#polls.get(key)?.expect(0));
  }

  observeConnection(listener: ConnectionListener): void {
    this.#listener = listener;
  }

  connect(key: string, signal: AbortSignal): Promise<void> | undefined {
    const { reachability } = this.#client;
    return reachability.problem && this.#queues.path(key, signal).then(() => reachability.connect(signal));
  }

  async send(key: string, messages: readonly DriverMessage[], signal: AbortSignal): Promise<SendResult[]> {
    const path = await this.#queues.path(key, signal);
    const results = await sendAll(
      messages,
      (batch) => this.#client.ask(`${path}/messages/batch`, signal, batchText(batch), { sending: true }),
    );
    for (const { delayMs } of messages) if (delayMs) this.#count(key).waits(wholeSeconds(delayMs) * 1000);
    this.#polls.get(key)?.expect(Math.min(...messages.map(({ delayMs }) => delayMs)));
    return results;
  }

  async receive(key: string, { max, leaseMs, waitMs, signal }: DriverReceiveOptions): Promise<RawDelivery[]> {
    if (leaseMs > MAX_LEASE_MS) {
      throw new QueueError("invalid", `a lease lasts at most ${MAX_LEASE_MS} ms, asked for ${leaseMs}`);
    }
    const poll = this.#poll(key);
    const giveUpAt = monotonic(this.#clock) + waitMs;
    const body = JSON.stringify({ batch_size: Math.min(max, 100), visibility_timeout_ms: Math.ceil(leaseMs) });
    while (!signal.aborted) {
      const left = giveUpAt - monotonic(this.#clock);
      if (waitMs > 0 && poll.dueMs > 0) {
        if (left <= 0) break;
        await poll.sleep(Math.min(poll.dueMs, left), signal);
        continue;
      }
      const askedAt = monotonic(this.#clock);
      const leasedUntil = askedAt + leaseMs;
      const messages = await this.#pull(key, body);
      this.#listener?.back();
      poll.pulled(messages.length);
      for (const { lease_id } of messages) this.#count(key).leased(lease_id!, leasedUntil);
      if (messages.length === 0 && left > 0) continue;
      const deliveries = await Promise.all(messages.map(deliveryOf));
      const leasedForMs = monotonic(this.#clock) - askedAt;
      return deliveries.map((delivery) => ({ ...delivery, leasedForMs }));
    }
    return [];
  }

  async settle(
    key: string,
    _group: string,
    settlements: readonly Settlement[],
    signal: AbortSignal,
  ): Promise<boolean[]> {
    const path = await this.#queues.path(key, signal);
    await this.#keepDead(key, path, settlements, signal);
    const acks: { lease_id: string }[] = [];
    const retries: { lease_id: string; delay_seconds: number }[] = [];
    for (const settlement of settlements) {
      const { id: lease_id, kept, stays } = settlement.lease as Lease;
      if (settlement.kind === "ack" || kept) acks.push({ lease_id });
      else if (settlement.kind === "retry") retries.push({ lease_id, delay_seconds: wholeSeconds(settlement.delayMs) });
      else if (settlement.kind === "release") retries.push({ lease_id, delay_seconds: 0 });
      else if (stays) retries.push({ lease_id, delay_seconds: wholeSeconds(LIMITS.maxDelayMs) });
    }
    let warnings: unknown = {};
    if (acks.length + retries.length > 0) {
      const answer = await this.#client.ask(`${path}/messages/ack`, signal, JSON.stringify({ acks, retries }), FREE);
      warnings = (answer as { warnings?: unknown }).warnings ?? {};
    }
    const counts = this.#count(key);
    for (const { lease_id } of [...acks, ...retries]) counts.settled(lease_id);
    for (const { delay_seconds } of retries) {
      counts.waits(delay_seconds * 1000);
      this.#polls.get(key)?.expect(delay_seconds * 1000);
    }
    return settlements.map(({ kind, lease }) => {
      const { id, kept, stays } = lease as Lease;
      return (kind !== "dead" || kept === true || stays === true) && !Object.hasOwn(warnings as object, id);
    });
  }

  async depth(key: string, _group: string, signal: AbortSignal): Promise<DriverDepth> {
    const path = await this.#queues.path(key, signal);
    const deadPath = await this.#queues.deadLetters(key, signal);
    const [backlog = 0, dead = 0] = await Promise.all([path, deadPath].map(async (queue) => {
      if (queue === undefined) return 0;
      const metrics = await this.#client.ask(`${queue}/metrics`, signal) as { backlog_count?: number };
      return metrics.backlog_count;
    }));
    const { inFlight, delayed } = this.#count(key);
    return { ready: Math.max(0, backlog - inFlight - delayed), inFlight, delayed, dead };
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.#client.ask("?page=1", signal, undefined, { spare: true });
  }

  async diagnose(key: string, _group: string, signal: AbortSignal): Promise<readonly Finding[]> {
    return diagnoseQueue(key, await this.#queues.describe(key, signal));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  classify(error: unknown): ErrorCode {
    return error instanceof QueueError ? error.code : "internal";
  }

  #count(key: string): Counts {
    let counts = this.#counts.get(key);
    if (!counts) this.#counts.set(key, counts = new Counts(this.#clock));
    return counts;
  }

  #poll(key: string): Poll {
    let poll = this.#polls.get(key);
    if (!poll) this.#polls.set(key, poll = new Poll(this.#clock, this.#maxPollMs));
    return poll;
  }

  async #pull(key: string, body: string): Promise<ApiMessage[]> {
    // Not to be aborted: what it leases would be nobody's for the whole of the lease.
    const { signal } = new AbortController();
    const path = await this.#queues.path(key, signal);
    const answer = await this.#client.ask(`${path}/messages/pull`, signal, body, FREE) as { messages?: ApiMessage[] };
    return answer.messages ?? [];
  }

  /** Puts what is dead into the dead letter queue, marking each lease whose message is safe there. */
  async #keepDead(key: string, own: string, settlements: readonly Settlement[], signal: AbortSignal): Promise<void> {
    const dead = settlements.flatMap((settlement) =>
      settlement.kind === "dead" && !(settlement.lease as Lease).kept
        ? [{ lease: settlement.lease as Lease, cause: settlement.cause }]
        : []
    );
    const path = dead.length > 0 ? await this.#queues.deadLetters(key, signal) : undefined;
    if (path === undefined) return; // no dead letter queue: the message stays where it is
    if (path === own) {
      for (const { lease } of dead) lease.stays = true;
      return;
    }
    const now = this.#clock.now();
    const letters: (Packed & { readonly lease: Lease })[] = [];
    for (const { lease, cause } of dead) {
      const letter = await toDeadLetter(lease, key, cause, now);
      // One that the API does not take stays where it is: after max_retries the platform moves it, whole.
      if (letter) letters.push({ ...letter, lease });
    }
    for (const batch of inBatches(letters)) {
      await this.#client.ask(`${path}/messages/batch`, signal, batchText(batch), { sending: true });
      for (const { lease } of batch) lease.kept = true;
    }
  }
}
