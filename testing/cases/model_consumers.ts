/**
 * The consumers of a random run: they come and go, and take their leases with them.
 *
 * @module
 */
import { DEFAULT_GROUP, type Delivery, type LeasingBackend } from "../../core/protocol.ts";
import type { CaseContext } from "../case.ts";
import type { GroupModel } from "../model.ts";
import type { Entry } from "../model_entry.ts";
import type { Reader } from "../reader.ts";

/** How many consumers live at once. */
export const SLOTS = 4;

/** A delivery that is not settled. */
export interface Held {
  readonly delivery: Delivery;
  readonly entry: Entry;
  readonly group: string;
  readonly slot: number;
  readonly reader: Reader<Delivery>;
}

/** The consumers of a run, and the model of each group. */
export class RunConsumers {
  readonly t: CaseContext;
  readonly key: string;
  readonly groups: Map<string, GroupModel> = new Map();
  readonly slots: LeasingBackend[] = [];
  readonly strict: boolean;
  leaseMs: number;
  renewed = true;
  held: Held[] = [];

  /** Creates a run without consumers. */
  constructor(t: CaseContext) {
    this.t = t;
    this.key = t.key();
    this.strict = t.broker.clock !== undefined;
    this.leaseMs = t.leaseMs;
  }

  /** Kills a consumer: its leases end by themselves. */
  async kill(): Promise<void> {
    // Leases that are not renewed end only after the run: their consumers live.
    if (!this.t.broker.kill || !this.renewed) return;
    const slot = this.t.random.below(SLOTS);
    const lost = await this.renewAll(slot);
    this.crash();
    await this.t.kill(this.backend(slot));
    for (const held of this.drop(slot)) {
      const model = this.groups.get(held.group)!;
      if (lost.has(held)) model.doubtful(held.entry);
      else model.orphaned(held.entry, this.t.now());
    }
    await this.open(slot);
  }

  /** Closes a consumer in good order, and opens another in its place. */
  async reopen(): Promise<void> {
    const slot = this.t.random.below(SLOTS);
    await this.close(slot);
    await this.open(slot);
  }

  /** On a busy machine a lease may be about to end. Renews those of a slot; returns the ones that were lost. */
  async renewAll(slot: number): Promise<Set<Held>> {
    const lost = new Set<Held>();
    if (this.strict || !this.renewed) return lost;
    const all = this.held.filter((held) => held.slot === slot);
    const kept = await this.t.settles(
      Promise.all(all.map(({ delivery }) => delivery.extend(this.leaseMs))),
      "the renewals",
    );
    for (const [i, held] of all.entries()) if (!kept[i]) lost.add(held);
    return lost;
  }

  /** Closes a consumer: what it held is given back. */
  async close(slot: number): Promise<void> {
    const backend = this.backend(slot);
    const lost = await this.renewAll(slot);
    const before = this.t.now();
    await this.t.settles(backend.close(), "a close");
    // One that took as long as what is left of a lease may have come too late to give anything back.
    const inTime = this.strict || this.t.now() - before < this.leaseMs / 2;
    const certain = backend.capabilities.release && inTime;
    for (const held of this.drop(slot)) {
      const model = this.groups.get(held.group)!;
      if (certain && !lost.has(held)) model.back(held.entry, before, 0, false);
      else model.doubtful(held.entry);
    }
  }

  /** Restarts the broker or cuts the connections, where the harness can. */
  async disturb(): Promise<void> {
    const { broker, random } = this.t;
    const durable = this.backend(0).capabilities.durable;
    const before = this.t.now();
    this.crash();
    if (durable && broker.restartBroker && random.next() < 0.3) {
      await this.t.settles(broker.restartBroker(), "a restart");
    } else if (broker.dropConnections) await broker.dropConnections();
    else return;
    // An operation that cannot be repeated, such as a replay, must not be the first over a broken connection.
    for (const slot of this.slots) await this.t.settles(slot.health(), "a look at the health");
    if (broker.leasesEndWithConnection) await this.disconnect(before);
  }

  /** Lets messages that were being copied at this moment come twice, where the backend copies. */
  crash(): void {
    if (!this.t.broker.copiesDelayed) return;
    for (const model of this.groups.values()) model.crashed(this.t.now());
  }

  /** Every lease has ended with its connection: the holders learn it, and the messages come again, counted. */
  async disconnect(at: number): Promise<void> {
    const lost = this.held;
    this.held = [];
    for (const { entry, delivery, group, reader } of lost) {
      await this.t.becomes(
        () => delivery.signal.aborted,
        `the holder of message ${entry.n} learns that its connection is broken`,
      );
      this.groups.get(group)!.back(entry, at, 0, true);
      await reader.leave();
    }
    for (const model of this.groups.values()) model.disconnected();
  }

  /** Opens a consumer. */
  async open(slot: number): Promise<void> {
    // Tries enough for a broker that is being restarted.
    this.slots[slot] = await this.t.connect({
      leaseMs: this.leaseMs,
      maxRetries: 20,
      timeoutMs: 30_000,
      // On a busy machine an answer may come after its lease; where the clock is ours it never does.
      ...!this.strict && {
        observer: {
          leaseLost: ({ id, group }) =>
            this.groups.get(group ?? DEFAULT_GROUP)?.unseen(Number(id.replace("message-", ""))),
        },
      },
    });
  }

  /** Returns the consumer of a slot. */
  backend(slot: number): LeasingBackend {
    return this.slots[slot]!;
  }

  /** Returns a consumer at random. */
  anyone(): LeasingBackend {
    return this.backend(this.t.random.below(SLOTS));
  }

  /** Takes the deliveries of a slot off the list. */
  drop(slot: number): Held[] {
    const dropped = this.held.filter((held) => held.slot === slot);
    this.held = this.held.filter((held) => held.slot !== slot);
    return dropped;
  }

  /** Returns the options that name a group, unless it is the default. */
  named(group: string): { readonly group?: string } {
    return group === DEFAULT_GROUP ? {} : { group };
  }
}
