import assert from "node:assert/strict";
import { test } from "node:test";
import { KEY, setup } from "../../support/cloudflare_setup.ts";

test("CloudflareHttpBackend.health never takes the last of the request limit", async () => {
  const { backend } = setup({ requestLimit: 100 });
  await backend.publish(KEY, { n: 0 }); // looks up the queue's id
  let probes = 0;
  let health = await backend.health();
  while (health.ok) {
    probes += 1;
    assert.ok(probes < 100, "health is asked without an end");
    health = await backend.health();
  }
  assert.equal((health.error as { code?: string }).code, "rate-limited");
  for (let n = 1; n <= 12; n++) await backend.publish(KEY, { n });
  assert.ok(probes > 0);
});
