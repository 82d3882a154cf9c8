// The environment: what is read, and what is refused with a sentence that names the variable.
import { test } from "node:test";
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ConfigError } from "@slack-mcp/queue";
import { fromEnv } from "../mod.ts";
import { readOptions } from "../options.ts";

test("readOptions reads the variables", () => {
  const options = readOptions({
    MY_QUEUE_URL: "memory://app:secret@here/",
    MY_QUEUE_TIMEOUT: "2.5",
  });
  assertEquals([options.url, options.username, options.password], ["memory://here/", "app", "secret"]);
  assertEquals(options.timeoutMs, 2_500);
});

test("readOptions refuses variables that are wrong or do not apply, all at once", () => {
  const env = {
    MY_QUEUE_URL: "https://here",
    MY_QUEUE_TIMEOUT: "soon",
    MY_QUEUE_MESSAGE_TTL: "60",
  };
  const error = assertThrows(() => readOptions(env), ConfigError);
  for (const name of Object.keys(env)) assertStringIncludes(error.message, name);
});

test("fromEnv makes a backend that publishes and consumes, without any variable", async () => {
  await using backend = await fromEnv({});
  assertEquals((await backend.publish("options", { n: 1 })).outcome, "added");
});
