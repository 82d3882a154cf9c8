/**
 * All cases, in the order of the rules.
 *
 * @module
 */
import type { ConformanceCase } from "../case.ts";
import { atLeastOnce } from "./at_least_once.ts";
import { attempts } from "./attempts.ts";
import { backpressure } from "./backpressure.ts";
import { bounds } from "./bounds.ts";
import { closing } from "./closing.ts";
import { confirmed } from "./confirmed.ts";
import { consuming } from "./consuming.ts";
import { deadLetters } from "./dead_letters.ts";
import { dedup } from "./dedup.ts";
import { delays } from "./delays.ts";
import { diagnosing } from "./diagnosing.ts";
import { groups } from "./groups.ts";
import { idle } from "./idle.ts";
import { inspecting } from "./inspecting.ts";
import { leases } from "./leases.ts";
import { ordering } from "./ordering.ts";
import { orderingLimits } from "./ordering_limits.ts";
import { model } from "./model.ts";
import { payloads } from "./payloads.ts";
import { pushing } from "./pushing.ts";
import { queueing } from "./queueing.ts";
import { reconnecting } from "./reconnecting.ts";
import { replay } from "./replay.ts";
import { secrets } from "./secrets.ts";
import { together } from "./together.ts";

/** Every case of the kit. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...confirmed,
  ...dedup,
  ...atLeastOnce,
  ...queueing,
  ...together,
  ...payloads,
  ...model,
  ...leases,
  ...attempts,
  ...delays,
  ...deadLetters,
  ...replay,
  ...bounds,
  ...groups,
  ...consuming,
  ...backpressure,
  ...closing,
  ...reconnecting,
  ...idle,
  ...inspecting,
  ...diagnosing,
  ...secrets,
  ...ordering,
  ...orderingLimits,
  ...pushing,
];
