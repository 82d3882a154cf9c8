/**
 * What a broker did to messages with ordering keys, in the order in which it did it, held against rule 15.
 *
 * - An **inversion**: a message is leased although an earlier one of its ordering key, by the order of acceptance, is not
 *   settled.
 * - An **overlap**: a message is leased although a lease of its ordering key lasts, which nobody settled: that of another
 *   message, or its own former one. A lease lasts until its end by the broker's clock, as it was last renewed.
 * - A **loss**: a message leaves the queue and nobody who leased it settled it.
 *
 * Nothing here depends on what consumers say, and nothing is excused.
 *
 * @module
 */

/** One lease of one message. */
export interface Grant {
  readonly n: number;
  readonly attempts: number;
  /** Its place among all leases of all messages. */
  readonly order: number;
  /** When it was given, in milliseconds of the broker's clock. */
  readonly at: number;
  /** The lease's name: it may change by a renewal. */
  lease: string;
  /** How it ended; `expired`: another took its message over. */
  over?: "acked" | "returned" | "expired";
  /** When its lease ended by itself, or would have ended, where it was not acknowledged. */
  lostAt?: number;
  /** When it was given back, where it was. */
  returnedAt?: number;
}

interface Message {
  readonly id: string;
  readonly n: number;
  readonly queue: { readonly messages: Message[]; first: number; readonly held: Set<Message> };
  grant?: Grant;
  settled: boolean;
}

/** Collects what a broker did, and what was wrong with it. */
export class LeaseHistory {
  readonly inversions: string[] = [];
  readonly overlaps: string[] = [];
  readonly lost: string[] = [];
  readonly #queues: Map<string, Message["queue"]> = new Map();
  readonly #messages: Map<string, Message> = new Map();
  readonly #ends: Map<string, number> = new Map();
  readonly #grants: Map<string, Grant> = new Map();
  #count = 0;

  /** The number of leases. */
  get leases(): number {
    return this.#count;
  }

  /** The number of messages. */
  get messages(): number {
    return this.#messages.size;
  }

  /** Returns the lease of a message with this count of attempts. */
  grant(n: number, attempts: number): Grant | undefined {
    return this.#grants.get(`${n}:${attempts}`);
  }

  /** Whether a message is settled, or unknown. */
  isSettled(id: string): boolean {
    return this.#messages.get(id)?.settled ?? true;
  }

  /** The ids of messages that a lease holds. */
  heldBy(lease: string): string[] {
    const found = [];
    for (const { held } of this.#queues.values()) {
      for (const { id, grant } of held) if (grant!.lease === lease) found.push(id);
    }
    return found;
  }

  /** A message was accepted. */
  accepted(id: string, orderingKey: string, n: number): void {
    let queue = this.#queues.get(orderingKey);
    if (!queue) this.#queues.set(orderingKey, queue = { messages: [], first: 0, held: new Set() });
    const message: Message = { id, n, queue, settled: false };
    queue.messages.push(message);
    this.#messages.set(id, message);
  }

  /** A lease lasts until `end`; an end that is earlier than the known one is only noted where that has passed. */
  lasts(lease: string, end: number): void {
    this.#ends.set(lease, Math.max(end, this.#ends.get(lease) ?? 0));
  }

  /** A lease was given, or, with the same attempts, went over to another name by a renewal. */
  leased(id: string, { lease, attempts, at }: { lease: string; attempts: number; at: number }): void {
    const message = this.#messages.get(id);
    if (!message) return;
    const { queue, grant: former, n } = message;
    if (former && !former.over && former.attempts === attempts) {
      former.lease = lease;
      return;
    }
    if (message.settled) this.inversions.push(`${n} (attempt ${attempts}) was leased after it was settled`);
    while (queue.messages[queue.first]?.settled) queue.first += 1;
    const first = queue.messages[queue.first];
    if (first && first !== message) this.inversions.push(`${n} (attempt ${attempts}) was leased before ${first.n}`);
    for (const other of [...queue.held]) {
      const { grant } = other;
      const end = this.#ends.get(grant!.lease) ?? 0;
      if (end > at) {
        const left = end - at;
        this.overlaps.push(
          `${n} (attempt ${attempts}) was leased ${left} ms before the lease of ${told(grant!)} ended`,
        );
      }
      if (other === message) {
        queue.held.delete(message);
        grant!.over = "expired";
        grant!.lostAt = end;
      }
    }
    const grant: Grant = { n, attempts, order: this.#count++, at, lease };
    message.grant = grant;
    queue.held.add(message);
    const name = `${n}:${attempts}`;
    if (this.#grants.has(name)) this.overlaps.push(`${told(grant)} was leased twice`);
    this.#grants.set(name, grant);
  }

  /** A message was given back: by its holder, or by a consumer that cleared away an ended lease. Only its holder knows. */
  returned(id: string, at: number): void {
    const message = this.#messages.get(id);
    if (!message?.grant || !message.queue.held.delete(message)) return;
    message.grant.over = "returned";
    message.grant.returnedAt = at;
    message.grant.lostAt = this.#ends.get(message.grant.lease) ?? 0;
  }

  /** A message was settled for good, by the holder of its lease. */
  settled(id: string): void {
    const message = this.#messages.get(id);
    if (!message || message.settled) return;
    message.settled = true;
    if (message.queue.held.delete(message)) message.grant!.over = "acked";
    else this.lost.push(`${message.n} was settled and nobody held it`);
  }

  /** A message is gone, settled or not. */
  removed(id: string): void {
    const message = this.#messages.get(id);
    if (!message || message.settled) return;
    message.settled = true;
    message.queue.held.delete(message);
    this.lost.push(`${message.n} was removed before it was settled`);
  }

  /** Notes as lost what is not settled. */
  end(): void {
    for (const { n, settled } of this.#messages.values()) if (!settled) this.lost.push(`${n} was never settled`);
  }
}

function told({ n, attempts, lease }: Grant): string {
  return `${n} (attempt ${attempts}, ${lease})`;
}
