// not on workerd: keeps its messages in a file
import { test } from "node:test";
import { testBackend } from "../../testing/mod.ts";
import { sqliteHarness } from "./support/sqlite_harness.ts";
import { reportAs } from "../runner/report_as.ts";

await testBackend({ test, harness: sqliteHarness(), caseTimeoutMs: 600_000, onReport: reportAs("sqlite") });
