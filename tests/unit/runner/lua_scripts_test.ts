// not on workerd: reads the sources
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as SCRIPTS from "../../../backends/streams/scripts.ts";
import { readScripts, renderScripts, SCRIPTS_FILE } from "../../runner/lua_scripts.ts";
import { ROOT } from "../../runner/suites.ts";

test("renderScripts returns the generated file as it is committed", () => {
  assert.equal(renderScripts(ROOT), readFileSync(join(ROOT, SCRIPTS_FILE), "utf8"));
});

test("Script.sha is the SHA-1 of its source, which a server remembers it by", async () => {
  const scripts = Object.values(SCRIPTS);
  assert.equal(scripts.length, readScripts(ROOT).length);
  for (const { name, source, sha } of scripts) {
    const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(source));
    assert.equal(Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join(""), sha, name);
  }
});

test("readScripts turns a script's header into locals and drops comments", () => {
  for (const { name, keys, source } of readScripts(ROOT)) {
    const named = `local ${keys.join(", ")} = unpack(KEYS, 1, ${keys.length})`;
    const [first = ""] = /^[^=]+= unpack\(KEYS[^)]*\)/.exec(source) ?? [];
    if (keys.length > 0) assert.equal(first.replaceAll(/\s+/g, " "), named, name); // a long list is broken into lines
    assert.doesNotMatch(source, /^\s*--|include:/m, name);
  }
});
