// The Redis backend on other servers than the one that is first in the path.
// not on workerd: speaks TCP, and starts a redis-server
import { after, test } from "node:test";
import { testBackend } from "../../testing/mod.ts";
import { REDIS_PROGRAMS } from "../servers/redis_programs.ts";
import { redisHarness } from "./support/redis_harness.ts";

for (const { name, program, test: testWhereFound } of REDIS_PROGRAMS) {
  if (program === undefined) {
    testWhereFound(`redis on ${name}: every case of the kit`, () => undefined);
    continue;
  }
  const harness = redisHarness({ name: `redis on ${name}`, program });
  after(() => harness.close());
  await testBackend({ test, harness, caseTimeoutMs: 600_000 });
}
