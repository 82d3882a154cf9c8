/**
 * The history of a broker within this process: {@link RecordingBroker}.
 *
 * @module
 */
import { MemoryBroker, type QueueLimits } from "../../../backends/memory/broker.ts";
import type { Lease } from "../../../backends/memory/leases.ts";
import type { DriverMessage, DriverReceiveOptions, RawDelivery, SendResult, Settlement } from "../../../core/driver.ts";
import { LeaseHistory } from "./lease_history.ts";

/** A microsecond, since a sum of floating-point numbers may be a little less than its parts. */
const ROUNDING_MS = 0.001;

/**
 * A broker that records the leases of its messages, which are `{ n }` with ordering keys. Settlements are recorded as they
 * are done; a lease is recorded when it is returned, with the times that the broker gave it.
 */
export class RecordingBroker extends MemoryBroker {
  readonly history: LeaseHistory = new LeaseHistory();
  readonly #names: Map<Lease, string> = new Map();

  override send(key: string, messages: readonly DriverMessage[], limits: QueueLimits): SendResult[] {
    const results = super.send(key, messages, limits);
    for (const { id, orderingKey, payload } of messages) {
      this.history.accepted(id, orderingKey!, (payload as { readonly n: number }).n);
    }
    return results;
  }

  override async receive(key: string, options: DriverReceiveOptions): Promise<RawDelivery[]> {
    const taken = await super.receive(key, options);
    for (const lease of taken as Lease[]) {
      const name = `lease ${this.history.leases}`;
      this.#names.set(lease, name);
      const { id, attempts, until } = lease;
      this.history.leased(id, { lease: name, attempts, at: until - options.leaseMs + ROUNDING_MS });
      this.history.lasts(name, until);
    }
    return taken;
  }

  override settle(key: string, group: string, settlements: readonly Settlement[]): boolean[] {
    const results = super.settle(key, group, settlements);
    for (const [i, { lease, kind }] of settlements.entries()) {
      if (!results[i]) continue;
      const { id } = lease as Lease;
      if (kind === "ack") this.history.settled(id);
      else this.history.returned(id, Infinity);
      this.#names.delete(lease as Lease);
    }
    return results;
  }

  override extend(key: string, group: string, leases: readonly unknown[], leaseMs: number): boolean[] {
    const results = super.extend(key, group, leases, leaseMs);
    for (const [i, lease] of (leases as readonly Lease[]).entries()) {
      if (results[i]) this.history.lasts(this.#names.get(lease)!, lease.until);
    }
    return results;
  }
}
