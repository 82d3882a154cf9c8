/** The means by which suites run inside workerd, held to what they promise. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { Response as WorkerResponse } from "miniflare";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle, bundleSuite, fetcher, ROOT, startWorkers } from "../../runner/workerd.ts";

test("workerd: bundles the package by its name, refuses names it does not export", async () => {
  const code = 'import { PermanentError } from "@slack-mcp/queue"; export default PermanentError;';
  const plain = await bundle({ code });
  const small = await bundle({ code }, { minify: true });
  assert.match(plain, /PermanentError/);
  assert.ok(small.length < plain.length);
  await assert.rejects(bundle({ code: 'import "@slack-mcp/queue/nowhere";' }), /exports no @slack-mcp\/queue\/nowhere/);
});

test("workerd: passing, failing, skipped and nested tests are each told apart", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "queue-suite-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "made_up_test.ts");
  writeFileSync(
    file,
    `import test, { describe, it } from "node:test";
     import assert from "node:assert/strict";
     import { ambientEnv } from ${JSON.stringify(join(ROOT, "env.ts"))};
     const order: string[] = [crypto.randomUUID().slice(0, 0)];
     test("passes", () => assert.equal(1, 1));
     test("fails", async () => { await Promise.resolve(); assert.equal(1, 2, "one is not two"); });
     test("leaves a rejection", () => { Promise.reject(new Error("left")); });
     test("throws what is no error", () => { throw "text"; });
     test("later", { skip: "why" }, () => { throw new Error("must not run"); });
     test("binding", () => assert.equal(ambientEnv().FROM_OUTSIDE, "bound"));
     describe("group", () => {
       it("steps", async (t) => { t.after(() => order.push("after")); await t.test("step", () => order.push("step")); });
       it("afterwards", () => assert.deepEqual(order, ["", "step", "after"]));
       it("failing step", (t) => t.test("step", () => { throw new Error("in a step"); }));
     });`,
  );
  const miniflare = await startWorkers({ code: await bundleSuite(file), bindings: { FROM_OUTSIDE: "bound" } });
  t.after(() => miniflare.dispose());
  const send = await fetcher(miniflare, "worker");
  const results: unknown[] = [];
  const cases = await (await send("http://suite/")).json() as { name: string; skip: boolean }[];
  for (const [index, { name, skip }] of cases.entries()) {
    const response = skip ? undefined : await send(`http://suite/${index}`, { method: "POST" });
    const result = await response?.json() as { passed: boolean; message?: string } | undefined;
    results.push([name, result ? result.passed || result.message : "skipped"]);
  }
  assert.deepEqual(results, [
    ["passes", true],
    ["fails", "one is not two"],
    ["leaves a rejection", "Nobody caught this"],
    ["throws what is no error", "text"],
    ["later", "skipped"],
    ["binding", true],
    ["group > steps", true],
    ["group > afterwards", true],
    ["group > failing step", "in a step"],
  ]);
});

test("workerd: queues carry messages, retry them and dead-letter them", async (t) => {
  const code = `
    export default {
      async fetch(request, env) {
        await env.QUEUE.send({ n: 1 });
        return new Response();
      },
      async queue(batch, env) {
        for (const message of batch.messages) {
          const seen = [batch.queue, message.body.n, message.attempts];
          batch.queue === "dead" ? message.ack() : message.retry();
          await env.TEST.fetch("http://test/", { method: "POST", body: JSON.stringify(seen) });
        }
      },
    };
  `;
  const seen: unknown[] = [];
  const dead = Promise.withResolvers<void>();
  const miniflare = await startWorkers({
    code,
    queueProducers: { QUEUE: { queueName: "live" } },
    queueConsumers: {
      live: { maxBatchTimeout: 0, maxRetries: 1, deadLetterQueue: "dead" },
      dead: { maxBatchTimeout: 0 },
    },
    serviceBindings: { // a worker's events cannot wait for each other, so each reports to the test
      TEST: async (request: { json(): Promise<unknown> }) => {
        const line = await request.json() as unknown[];
        seen.push(line);
        if (line[0] === "dead") dead.resolve();
        return new WorkerResponse();
      },
    },
  });
  t.after(() => miniflare.dispose());
  await (await fetcher(miniflare, "worker"))("http://worker/");
  await dead.promise;
  assert.deepEqual(seen, [["live", 1, 1], ["live", 1, 2], ["dead", 1, 1]]);
});
