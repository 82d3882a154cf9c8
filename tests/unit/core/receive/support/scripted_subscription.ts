/**
 * A consumer of a backend over a scripted driver, to take deliveries one by one.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createBackend } from "../../../../../core/backend.ts";
import type { BackendOptions } from "../../../../../core/backend_options.ts";
import type { Delivery, LeasingBackend } from "../../../../../core/protocol.ts";
import { HandClock } from "../../../../doubles/hand_clock.ts";
import { type Script, ScriptedDriver } from "../../../../doubles/scripted_driver.ts";

export interface Setup {
  readonly backend: LeasingBackend;
  readonly driver: ScriptedDriver;
  readonly clock: HandClock;
}

export function setUp(script: Script = {}, options: BackendOptions = {}): Setup {
  const clock = new HandClock();
  const driver = new ScriptedDriver(script);
  return { driver, clock, backend: createBackend(driver, { clock, random: () => 0.5, ...options }) };
}

export function bodies(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, n) => `{"n":${n + from}}`);
}

export async function take(deliveries: AsyncIterator<Delivery>, count: number): Promise<Delivery[]> {
  const taken: Delivery[] = [];
  while (taken.length < count) {
    const { done, value } = await deliveries.next();
    assert.ok(!done, `ended after ${taken.length} of ${count}`);
    taken.push(value);
  }
  return taken;
}
