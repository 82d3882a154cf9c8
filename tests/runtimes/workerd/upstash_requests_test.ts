/**
 * An Upstash backend for each request of an isolate, in workerd.
 *
 * @module
 */
import assert from "node:assert/strict";
import { requires } from "../../runner/services.ts";
import { startUpstash } from "../../fakes/upstash_server.ts";
import { bundle, fetcher, startWorkers } from "../../runner/workerd.ts";

const test = requires("redis-server");

test("workerd upstash: requests of one isolate publish through backends of their own", async () => {
  await using upstash = await startUpstash();
  upstash.latencyMs = 50; // requests overlap while publishes are in flight
  const code = await bundle({
    code: `
      import { fromEnv } from "@slack-mcp/queue/upstash";
      export default {
        async fetch(request, env) {
          await using backend = fromEnv(env);
          return Response.json(await backend.publish("events", await request.json()));
        },
      };`,
  });
  const miniflare = await startWorkers({
    code,
    bindings: { UPSTASH_REDIS_REST_URL: upstash.url, UPSTASH_REDIS_REST_TOKEN: upstash.token },
  });
  try {
    const fetch = await fetcher(miniflare, "worker");
    const answers = await Promise.all(Array.from({ length: 50 }, async (_, n) => {
      const response = await fetch("http://worker/", { method: "POST", body: JSON.stringify({ n }) });
      return response.status === 200 ? (await response.json() as { outcome: string }).outcome : await response.text();
    }));
    assert.deepEqual(answers, Array(50).fill("added"));
  } finally {
    await miniflare.dispose();
  }
});
