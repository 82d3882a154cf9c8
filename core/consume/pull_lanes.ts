/**
 * The pull loop of a consumer whose handlers run in lanes: by `orderBy`, in turns by `gather`, or both.
 *
 * @module
 */
import type { Delivery, LeasingBackend } from "../protocol.ts";
import type { Clock } from "../util/clock.ts";
import { ConsumeError } from "../errors.ts";
import { eachInLanes } from "./lanes.ts";
import type { Releasable } from "./processor.ts";
import type { Turns } from "./turns.ts";

/** How a consumer orders its handlers. */
export interface LaneSettings {
  /** Returns the lane of a delivery; `undefined`: its ordering key decides. */
  readonly orderBy: ((delivery: Delivery) => string | undefined) | undefined;
  /** The turns of `gather`; `undefined`: each delivery is handled by itself. */
  readonly turns: Turns | undefined;
  /** The most deliveries of one turn. */
  readonly max: number;
  readonly quietMs: number;
}

/** The consumer as the loop sees it. */
export interface LaneWork {
  /** The most turns that are handled at once. */
  readonly concurrency: number;
  readonly clock: Clock;
  /** Processes one delivery: calls the handler and settles. */
  process(delivery: Delivery): Promise<void>;
  /** Reports a failure of `orderBy`. */
  reportFailure(delivery: Delivery, error: unknown): void;
  /** Stops the iteration. */
  stop(): void;
  /** True once the run was stopped from outside. */
  stopped(): boolean;
}

/** The ordering keys whose last message was seen once, at the most, before a turn begins. */
const MAX_REMEMBERED = 10_000;

/**
 * Refuses to gather where neither the backend nor the consumer knows what belongs together.
 *
 * @throws {ConsumeError} `"unsupported"`.
 */
export function checkGather(backend: LeasingBackend, key: string, { turns, orderBy }: LaneSettings): void {
  if (turns === undefined || orderBy !== undefined || backend.capabilities?.orderingKeys) return;
  const reason = `the ${backend.name} backend keeps no ordering keys; give createConsumer an orderBy`;
  throw new ConsumeError("unsupported", `Cannot gather turns of "${key}": ${reason}`, { backend: backend.name, key });
}

/** Handles deliveries in lanes until the iteration ends. */
export async function pullInLanes(
  deliveries: AsyncIterableIterator<Delivery>,
  backend: LeasingBackend,
  settings: LaneSettings,
  work: LaneWork,
): Promise<void> {
  const { orderBy, turns, max } = settings;
  // While a turn is out, the broker hands out no more of its ordering key. So before a quiet turn begins, it is given
  // back once: what comes then has the messages that arrived meanwhile.
  const asksAgain = turns !== undefined && settings.quietMs > 0 && max > 1 && orderBy === undefined &&
    backend.capabilities?.release === true;
  const lastSeen = new Map<string, string>();
  const isComplete = (items: readonly Delivery[]) => {
    const last = items.at(-1)!;
    return last.orderingKey === undefined || items.length >= max || lastSeen.get(last.orderingKey) === last.id;
  };
  await eachInLanes(deliveries, {
    concurrency: work.concurrency,
    max,
    clock: work.clock,
    quietMs: (items) => asksAgain && isComplete(items) ? 0 : settings.quietMs,
    laneOf: (delivery) => {
      try {
        const lane = orderBy?.(delivery);
        if (lane !== undefined && typeof lane !== "string") throw new TypeError("orderBy must return a string");
        return lane ?? (turns ? delivery.orderingKey : undefined);
      } catch (error) {
        work.reportFailure(delivery, error);
        return undefined;
      }
    },
    stop: () => work.stop(),
    stopped: () => work.stopped(),
    giveBack,
    handle: async (items) => {
      if (asksAgain && !isComplete(items)) {
        const last = items.at(-1)!;
        if (lastSeen.size >= MAX_REMEMBERED) lastSeen.clear(); // taken by other consumers: they ask once more
        lastSeen.set(last.orderingKey!, last.id);
        return await giveBack(items);
      }
      lastSeen.delete(items[0]!.orderingKey ?? "");
      if (turns) await turns.run(items, (delivery) => work.process(delivery));
      else await work.process(items[0]!);
    },
  });
}

async function giveBack(deliveries: readonly Delivery[]): Promise<void> {
  await Promise.all(deliveries.map((one: Releasable) => one.release ? one.release() : one.retry()));
}
