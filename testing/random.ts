/**
 * Randomness that can be repeated: a seed in, the same numbers out, on every runtime.
 *
 * @module
 */

/** Numbers by a seed. */
export interface SeededRandom {
  /** The seed of the numbers. */
  readonly seed: number;
  /** The next number, from 0 up to, not including, 1. */
  next(): number;
  /** The next whole number from 0 up to, not including, `below`. */
  below(below: number): number;
  /** One of the list. Throws a `RangeError` where it is empty. */
  pick<T>(list: readonly T[]): T;
}

/** A seed that no run before has had, for a run that names it when it fails. */
export function freshSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}

/**
 * Numbers that depend on the seed alone (a Weyl sequence through the finalizer of MurmurHash3).
 *
 * @example
 * ```ts
 * import { seededRandom } from "@slack-mcp/queue/testing";
 *
 * const same = seededRandom(7).next() === seededRandom(7).next();
 * if (!same) throw new Error("a seed must repeat");
 * ```
 */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  function next(): number {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  }
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    seed: seed >>> 0,
    next,
    below,
    pick: <T>(list: readonly T[]): T => {
      if (list.length === 0) throw new RangeError("Cannot pick from an empty list");
      return list[below(list.length)]!;
    },
  };
}
