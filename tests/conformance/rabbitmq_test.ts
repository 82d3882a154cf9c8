// not on workerd: speaks TCP, and starts a rabbitmq-server
import { after, test } from "node:test";
import { testBackend } from "../../testing/mod.ts";
import { reportAs } from "../runner/report_as.ts";
import { findProgram, requires } from "../runner/services.ts";
import { rabbitmqHarness } from "./support/rabbitmq_harness.ts";

if (findProgram("rabbitmq-server")) {
  const harness = rabbitmqHarness();
  after(() => harness.close());
  // Most of a case is waiting, for leases and for a node that is killed and comes back.
  await testBackend({ test, harness, atOnce: 3, caseTimeoutMs: 600_000, onReport: reportAs("rabbitmq") });
} else {
  requires("rabbitmq-server")("rabbitmq: the conformance kit", () => {});
}
