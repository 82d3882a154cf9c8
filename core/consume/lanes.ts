/**
 * Handlers in lanes: items of one lane are handled one turn after the other, those of different lanes side by side.
 *
 * @module
 */
import type { Clock } from "../util/clock.ts";

/** How items are put into lanes and handled. */
export interface LaneOptions<T> {
  /** The most turns that are handled at once. */
  readonly concurrency: number;
  /** The most items of one turn. */
  readonly max: number;
  /** Returns the milliseconds without a new item of the lane after which a turn of these items begins, unless it is full. */
  quietMs(items: readonly T[]): number;
  /** The clock of `quietMs`. */
  readonly clock: Clock;
  /** Returns the lane of an item; `undefined`: a lane of its own. */
  laneOf(item: T): string | undefined;
  /** Handles the items of one turn. The first rejection stops the iteration. */
  handle(items: readonly T[]): Promise<void>;
  /** Stops the iteration. */
  stop(): void;
  /** Gives back items that no handler was called with. */
  giveBack(items: readonly T[]): Promise<void>;
  /** True once the iteration was stopped from outside: what has not begun is given back. */
  stopped(): boolean;
}

interface Lane<T> {
  readonly name: string | undefined;
  waiting: T[];
  /** `"quiet"`: it waits for more. `"ready"`: its turn waits for a free handler. */
  state: "quiet" | "ready" | "running";
  timer: unknown;
}

/**
 * Handles the items of an iteration in lanes, until it ends.
 *
 * @throws The first failure of the iteration or of `handle`, once all that runs is done.
 */
export async function eachInLanes<T>(items: AsyncIterableIterator<T>, options: LaneOptions<T>): Promise<void> {
  const { concurrency, max, clock } = options;
  const lanes = new Map<string, Lane<T>>();
  const ready: Lane<T>[] = [];
  const failures: unknown[] = [];
  let [running, open, ended] = [0, 0, false];
  let onDone: (() => void) | undefined;
  const fail = (error: unknown) => {
    failures.push(error);
    options.stop();
  };
  const begin = (lane: Lane<T>) => {
    clock.clearTimeout(lane.timer);
    lane.state = "ready";
    ready.push(lane);
    pump();
  };
  const gather = (lane: Lane<T>) => {
    if (ended || lane.waiting.length >= max) return begin(lane);
    lane.state = "quiet";
    clock.clearTimeout(lane.timer);
    // Without a quiet time too: the messages of one turn come one after the other, in the same task.
    lane.timer = clock.setTimeout(() => begin(lane), options.quietMs(lane.waiting));
  };
  const close = (lane: Lane<T>) => {
    if (lane.name !== undefined) lanes.delete(lane.name);
    open -= 1;
    if (open === 0) onDone?.();
  };
  const run = async (lane: Lane<T>) => {
    const turn = lane.waiting.splice(0, max);
    try {
      await (options.stopped() || failures.length > 0 ? options.giveBack(turn) : options.handle(turn));
    } catch (error) {
      fail(error);
    }
    running -= 1;
    if (lane.waiting.length > 0) gather(lane);
    else close(lane);
    pump();
  };
  const pump = () => {
    while (running < concurrency && ready.length > 0) {
      const lane = ready.shift()!;
      lane.state = "running";
      running += 1;
      void run(lane);
    }
  };
  const add = (item: T) => {
    const name = options.laneOf(item);
    let lane = name === undefined ? undefined : lanes.get(name);
    if (lane === undefined) {
      lane = { name, waiting: [], state: "quiet", timer: undefined };
      open += 1;
      if (name !== undefined) lanes.set(name, lane);
    }
    lane.waiting.push(item);
    if (lane.state !== "quiet") return;
    if (name === undefined || max === 1) begin(lane);
    else gather(lane);
  };
  try {
    // Not `for await`: leaving it would leave the leases of all that still runs.
    for (let next = await items.next(); !next.done; next = await items.next()) add(next.value);
  } catch (error) {
    fail(error);
  }
  ended = true;
  for (const lane of [...lanes.values()]) if (lane.state === "quiet") begin(lane);
  if (open > 0) await new Promise<void>((resolve) => onDone = resolve);
  if (failures.length > 0) throw failures[0];
}
