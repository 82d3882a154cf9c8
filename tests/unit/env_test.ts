import { test } from "node:test";
import assert from "node:assert/strict";
import process from "node:process";
import { ambientEnv } from "../../env.ts";

const NAME = "SLACK_MCP_QUEUE_ENV_TEST";

test("env: reads a variable when it is asked for, not before", (t) => {
  t.after(() => {
    delete process.env[NAME];
  });
  const env = ambientEnv();
  assert.equal(env[NAME], undefined);
  assert.equal(NAME in env, false);
  process.env[NAME] = "later";
  assert.equal(env[NAME], "later");
  assert.equal(NAME in env, true);
});

test("env: a variable that is set to nothing is there", (t) => {
  t.after(() => {
    delete process.env[NAME];
  });
  process.env[NAME] = "";
  assert.equal(ambientEnv()[NAME], "");
  assert.equal(NAME in ambientEnv(), true);
});

test("env: symbols and names of every object are no variables", () => {
  const env = ambientEnv();
  assert.equal(Reflect.get(env, Symbol.toStringTag), undefined);
  assert.equal(Reflect.has(env, Symbol.iterator), false);
  assert.equal(env.hasOwnProperty, undefined);
});
