// not on workerd: listens on ports
import assert from "node:assert/strict";
import { test } from "node:test";
import { freePort, isFree } from "../../servers/ports.ts";

test("freePort: no other test chooses a port before its server listens", async () => {
  const port = await freePort();
  assert.equal(await isFree(port), true, "the server can listen");
  assert.equal(await isFree(port, "127.0.0.2"), false, "another choice sees that it is taken");
});
