// not on workerd: speaks TCP
import process from "node:process";
import { test } from "node:test";
import { testBackend } from "../../testing/mod.ts";
import { rabbitmqServiceHarness } from "./support/rabbitmq_harness.ts";

// A broker that somebody else runs, of a version that the system has no package of: CI has RabbitMQ 4.
const { RABBITMQ_URL: url } = process.env;
if (url) {
  await testBackend({ test, harness: rabbitmqServiceHarness(url), caseTimeoutMs: 600_000 });
} else {test(
    "rabbitmq as a service: the conformance kit (not proven: RABBITMQ_URL is not set)",
    { skip: true },
    () => {},
  );}
