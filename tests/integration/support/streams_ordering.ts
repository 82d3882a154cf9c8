/**
 * Messages with ordering keys for tests of the streams engine.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { DriverMessage, RawDelivery, Settlement } from "../../../core/driver.ts";
import { groupKeys } from "../../../backends/streams/keys.ts";
import type { RedisServer } from "../../servers/redis_server.ts";
import { GROUP, KEY, message, NEVER, numbers, type TestDriver } from "./streams.ts";

/** Messages of one ordering key. */
export function ordered(orderingKey: string, ...values: number[]): DriverMessage[] {
  return values.map((n) => message(n, { orderingKey }));
}

/** Publishes messages in one batch. */
export async function send(driver: TestDriver, ...batch: readonly DriverMessage[]): Promise<void> {
  await driver.send(KEY, batch, NEVER);
}

/** Leases what may be leased, and checks that it is this. */
export async function leases(driver: TestDriver, ...expected: number[]): Promise<RawDelivery[]> {
  const found = await driver.take(100);
  assert.deepEqual(numbers(found), expected);
  return found;
}

/** Takes messages one after the other, each after the ack of the one before; then nothing must be left. */
export async function inTurn(driver: TestDriver, ...expected: number[]): Promise<void> {
  for (const n of expected) await driver.all(await leases(driver, n));
  await leases(driver);
}

/** Settles one delivery. */
export function settle(
  driver: TestDriver,
  { lease }: RawDelivery,
  how: Omit<Extract<Settlement, { kind: "retry" }>, "lease"> | { readonly kind: "ack" | "release" } | Dead,
): Promise<unknown> {
  return driver.settle(KEY, GROUP, [{ ...how, lease } as Settlement], NEVER);
}

type Dead = Omit<Extract<Settlement, { kind: "dead" }>, "lease">;

/** A retry after so many milliseconds. */
export const again = (delayMs: number) => ({ kind: "retry", delayMs, cause: undefined }) as const;

/** Gives a message up. */
export const DEAD: Dead = { kind: "dead", cause: { name: "Error", message: "no" } };

/** Puts all dead letters of the group back. */
export function replay(driver: TestDriver): Promise<number> {
  return driver.deadLetters.replay!(KEY, { group: GROUP, ids: undefined, limit: Infinity }, NEVER);
}

/** Makes the delays of retries and of publishes end now. */
export async function passDelays(redis: RedisServer): Promise<void> {
  const { again, delayed } = groupKeys(KEY, GROUP);
  for (const [i, set] of [again, delayed].entries()) {
    const members = await redis.call("ZRANGE", set, "0", "-1") as string[];
    for (const [n, member] of members.entries()) await redis.call("ZADD", set, String(1_000 * i + n), member);
  }
}

/** Makes a message's time to live end now. */
export async function passTimeToLive(redis: RedisServer, id: string): Promise<void> {
  const { expiring } = groupKeys(KEY, GROUP);
  await redis.call("ZADD", expiring, "1", id);
}

/** What the server keeps of the ordering keys of a group: how many messages wait, and how many keys are in hand. */
export async function kept(redis: RedisServer, group: string = GROUP): Promise<[waiting: number, inHand: number]> {
  const { lanes, turns } = groupKeys(KEY, group);
  return [Number(await redis.call("ZCARD", lanes)), Number(await redis.call("HLEN", turns))];
}
