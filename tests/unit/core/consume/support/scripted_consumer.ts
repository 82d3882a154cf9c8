/**
 * A consumer of a backend over a scripted driver.
 *
 * @module
 */
import { createBackend } from "../../../../../core/backend.ts";
import { type ConsumerOptions, createConsumer } from "../../../../../core/consume/consumer.ts";
import type { BackendOptions } from "../../../../../core/backend_options.ts";
import { HandClock } from "../../../../doubles/hand_clock.ts";
import { type Script, ScriptedDriver } from "../../../../doubles/scripted_driver.ts";

export function setUp(script: Script = {}, options: BackendOptions = {}) {
  const clock = new HandClock();
  const driver = new ScriptedDriver(script);
  const backend = createBackend(driver, { clock, random: () => 0.5, ...options });
  const consumer = (options: ConsumerOptions) => createConsumer({ clock, random: () => 0.5, ...options });
  return { driver, clock, backend, consumer };
}

export function bodies(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `{"n":${n}}`);
}
