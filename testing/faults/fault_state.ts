/**
 * The state of a faulty driver: planned faults, calls in flight, and whether its consumer was killed.
 *
 * @module
 */
/** The operations of a driver that can be made to fail. `deadLetters` stands for list, replay and purge. */
export type DriverOperation = "send" | "receive" | "settle" | "extend" | "depth" | "deadLetters" | "ping";

/** One fault of one call. */
export interface PlannedFault {
  /** The fault of the call. */
  readonly kind: "none" | "fail" | "lose" | "duplicate";
  /** The error that it fails with. */
  readonly error?: Error | undefined;
}

interface Flight {
  readonly operation: DriverOperation;
  /** Ends the call with an error, or leaves it hanging where there is none. */
  cut(error: Error | undefined): void;
}

/** The state behind one faulty driver. */
export class FaultState {
  /** How often each operation was called. */
  readonly calls: Record<DriverOperation, number> = {
    send: 0,
    receive: 0,
    settle: 0,
    extend: 0,
    depth: 0,
    deadLetters: 0,
    ping: 0,
  };
  /** Whether the consumer was killed. */
  dead = false;
  #buried = false;
  readonly #planned = new Map<DriverOperation, PlannedFault[]>();
  readonly #places: (readonly number[])[] = [];
  readonly #flights = new Set<Flight>();
  readonly #hanging = new Set<() => void>();

  /** Puts a fault at the end of the operation's line. */
  plan(operation: DriverOperation, fault: PlannedFault): void {
    const line = this.#planned.get(operation) ?? [];
    line.push(fault);
    this.#planned.set(operation, line);
  }

  /** The fault whose turn it is. */
  nextFault(operation: DriverOperation): PlannedFault | undefined {
    return this.#planned.get(operation)?.shift();
  }

  /** Puts the places of a partial failure at the end of the line. */
  planPlaces(places: readonly number[]): void {
    this.#places.push(places);
  }

  /** The places whose turn it is. */
  nextPlaces(): readonly number[] | undefined {
    return this.#places.shift();
  }

  /** Runs a call that `cut` and `kill` can reach. A receive that is cut is aborted too, so that it leases nothing. */
  inTheAir<T>(
    operation: DriverOperation,
    signal: AbortSignal,
    nothing: () => T | Promise<T>,
    call: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const controller = new AbortController();
      const flight: Flight = {
        operation,
        cut: (error) => {
          this.#flights.delete(flight);
          if (operation === "receive") controller.abort(error);
          if (error) reject(error);
          else resolve(this.hang(nothing));
        },
      };
      this.#flights.add(flight);
      // A reply after a cut finds the promise settled: it is lost, as it would be on the wire.
      call(AbortSignal.any([signal, controller.signal])).then(resolve, reject)
        .finally(() => this.#flights.delete(flight));
    });
  }

  /** Ends every call in flight with an error. */
  cut(error: (operation: DriverOperation) => Error): void {
    for (const flight of [...this.#flights]) flight.cut(error(flight.operation));
  }

  /** Nothing goes out or comes in from now on. */
  kill(): void {
    this.dead = true;
    for (const flight of [...this.#flights]) flight.cut(undefined);
  }

  /** Waits until the burial, then ends with nothing. */
  async hang<T>(nothing: () => T | Promise<T>): Promise<T> {
    if (!this.#buried) await new Promise<void>((resolve) => this.#hanging.add(resolve));
    return await nothing();
  }

  /** Lets what hangs end. */
  bury(): void {
    this.dead = true;
    this.#buried = true;
    for (const resume of this.#hanging) resume();
    this.#hanging.clear();
  }
}
