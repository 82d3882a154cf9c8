/**
 * A backend over a scripted driver, and what its publishes reject with.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createBackend } from "../../../../../core/backend.ts";
import type { SendResult } from "../../../../../core/driver.ts";
import type { PublishError } from "../../../../../core/errors.ts";
import type { BackendOptions } from "../../../../../core/backend_options.ts";
import { HandClock } from "../../../../doubles/hand_clock.ts";
import { type Script, ScriptedDriver } from "../../../../doubles/scripted_driver.ts";

export function setUp(script: Script = {}, options: BackendOptions = {}) {
  const clock = new HandClock();
  const driver = new ScriptedDriver(script);
  return { driver, clock, backend: createBackend(driver, { clock, random: () => 0.5, ...options }) };
}

export const ADDED: SendResult = { outcome: "added" };

export function payloads(count: number): { payload: { n: number } }[] {
  return Array.from({ length: count }, (_, n) => ({ payload: { n } }));
}

export async function rejected(promise: Promise<unknown>): Promise<PublishError> {
  return await promise.then(() => assert.fail("it resolved"), (error) => error);
}
