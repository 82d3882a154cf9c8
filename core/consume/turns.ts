/**
 * Turns: what waits of one conversation, handed to the handler together.
 *
 * @module
 */
import type { Delivery } from "../protocol.ts";

/** How the messages of one ordering key are gathered into a turn. */
export interface GatherOptions {
  /**
   * The most messages of one turn.
   *
   * @default 100
   */
  readonly max?: number | undefined;
  /**
   * Milliseconds without a new message of its ordering key after which a turn begins. A turn of `max` messages begins at
   * once. With more than one message, waiting counts from the last one.
   *
   * @default 0
   */
  readonly quietMs?: number | undefined;
}

/**
 * Handles the messages of one ordering key together, in their order: one message at least. Returning acknowledges all;
 * throwing retries all that the handler has not settled itself.
 */
export type TurnHandler = (deliveries: readonly Delivery[]) => unknown;

/** A delivery that tells whether it is settled, as those of the portable layer do. */
type Settleable = Delivery & { readonly over?: boolean };

/**
 * Lets a consumer's single-delivery processing run a turn: each delivery of the turn is processed by itself, and all of
 * them share the one call of the turn's handler.
 */
export class Turns {
  readonly #handler: TurnHandler;
  #turn: { readonly deliveries: Delivery[]; readonly result: Promise<unknown> } | undefined;

  constructor(handler: TurnHandler) {
    this.#handler = handler;
  }

  /** The handler of a single delivery: joins it to the turn that is being started, and follows the turn's outcome. */
  readonly handleOne = async (delivery: Delivery): Promise<void> => {
    const turn = this.#turn ??= this.#start();
    turn.deliveries.push(delivery);
    try {
      await turn.result;
    } catch (error) {
      if (!(delivery as Settleable).over) throw error; // else the handler has settled it by itself
    }
  };

  /** Processes the deliveries of a turn; `processOne` must call {@link handleOne} before it returns. */
  async run<T>(deliveries: readonly Delivery[], processOne: (delivery: Delivery) => Promise<T>): Promise<T[]> {
    this.#turn = undefined;
    const processing = deliveries.map(processOne);
    this.#turn = undefined;
    return await Promise.all(processing);
  }

  #start() {
    const deliveries: Delivery[] = [];
    // A microtask later, when all deliveries of the turn have joined.
    const result = Promise.resolve().then(() => this.#handler(Object.freeze(deliveries)));
    return { deliveries, result };
  }
}
