/**
 * Runs the shared suite files inside workerd: each file is a worker, each test a request, and each is
 * reported here by its own name.
 *
 * @module
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { COMPANIONS, ROOT, suiteFiles } from "../../runner/suites.ts";
import { bundleSuite, fetcher, startWorkers, type TestWorker } from "../../runner/workerd.ts";

/** Set by the runner: the files to run, separated by commas. */
const only = process.env.SUITE_FILES?.split(",");
const files = suiteFiles("workerd").filter((file) => only?.includes(file) ?? true);
const companions = await Promise.all(files.map((file) => COMPANIONS[file]?.()));

/** Where reports of the conformance kit are asked for, a worker sends its own there. */
const { CONFORMANCE_REPORTS } = process.env;
const reports = CONFORMANCE_REPORTS ? { CONFORMANCE_REPORTS } : {};

async function worker(file: string, index: number): Promise<TestWorker> {
  return {
    name: file,
    code: await bundleSuite(join(ROOT, file)),
    bindings: { ...companions[index]?.env, ...reports },
  };
}

if (files.length > 0) {
  const miniflare = await startWorkers(...await Promise.all(files.map(worker)));
  for (const file of files) {
    const fetch = await fetcher(miniflare, file);
    const names = await (await fetch("http://suite/")).json() as { name: string; skip: boolean }[];
    assert.notEqual(names.length, 0, `${file} has no tests`);
    for (const [index, { name, skip }] of names.entries()) {
      test(`${file}: ${name}`, { skip }, async () => {
        const result = await (await fetch(`http://suite/${index}`, { method: "POST" })).json();
        const { passed, stack, message } = result as { passed: boolean; stack?: string; message?: string };
        if (!passed) throw Object.assign(new Error(message), { stack });
      });
    }
  }
  test("workerd ends", async () => {
    await miniflare.dispose();
    for (const companion of companions) await companion?.[Symbol.asyncDispose]();
  });
}
