// not on workerd: speaks TCP, and starts a redis-server
import { after, test } from "node:test";
import { testBackend } from "../../testing/mod.ts";
import { redisHarness } from "./support/redis_harness.ts";
import { reportAs } from "../runner/report_as.ts";

const harness = redisHarness();
after(() => harness.close());

await testBackend({ test, harness, caseTimeoutMs: 600_000, onReport: reportAs("redis") });
