// not on workerd: a command runs where there is a process
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { loadHandler } from "../../../cli/serve/handlers.ts";
import type { Delivery } from "../../../core/protocol.ts";
import { ROOT } from "../../runner/suites.ts";

const folder = mkdtempSync(join(tmpdir(), "handlers-"));
after(() => rmSync(folder, { recursive: true }));

let count = 0;
function write(code: string): string {
  const file = join(folder, `handlers${++count}.ts`);
  writeFileSync(file, code);
  return file;
}
const ROUTER = pathToFileURL(join(ROOT, "slack/router.ts")).href;

async function called(code: string): Promise<unknown> {
  const handler = await loadHandler(write(code));
  return await handler({ id: "Ev1", payload: { event: { type: "app_mention" } } } as unknown as Delivery);
}

test("loadHandler takes a function or a router, as default, router or handler", async () => {
  const good = [
    "export default (delivery: { id: string }) => delivery.id;",
    "export const handler = async ({ id }: { id: string }) => await id;",
    "export function handler({ id }: { id: string }) { return id; }",
    "export const router = { id: '', handle(delivery: { id: string }) { this.id = delivery.id; return this.id; } };",
    "export default { handle: ({ id }: { id: string }) => id };",
    "export default undefined; export const handler = ({ id }: { id: string }) => id;",
  ];
  for (const code of good) assert.equal(await called(code), "Ev1", code);
});

test("loadHandler takes a SlackEventRouter, whose handler throws into the delivery", async () => {
  const code = `import { SlackEventRouter } from ${JSON.stringify(ROUTER)};
    export default new SlackEventRouter().on("app_mention", () => { throw new Error("no"); });`;
  await assert.rejects(called(code), /Handler failed: "app_mention": no/);
});

const bad: readonly (readonly [what: string, code: string, sentence: RegExp])[] = [
  ["exports nothing", "export {};", /found no export$/],
  ["exports something else", "export const answer = 42;", /found only answer$/],
  ["exports a number", "export default 42;", /found default: a number$/],
  ["exports null", "export const router = null;", /found router: null$/],
  ["exports a class", "export default class Router {}", /found default: a class$/],
  [
    "exports a router class",
    `export { SlackEventRouter as router } from ${JSON.stringify(ROUTER)};`,
    /router: a class$/,
  ],
];
for (const [what, code, sentence] of bad) {
  test(`loadHandler refuses a module that ${what}, with one clear sentence`, async () => {
    await assert.rejects(loadHandler(write(code)), (error: Error) => {
      assert.equal(error.name, "ConfigError");
      assert.match(error.message, /^Cannot use --handlers \S+handlers\d+\.ts: it must export a SlackEventRouter or a /);
      assert.match(error.message, sentence);
      return true;
    });
  });
}

test("loadHandler says why a module cannot be imported", async () => {
  await assert.rejects(loadHandler(join(folder, "absent.ts")), /^ConfigError: Cannot import --handlers .*absent\.ts: /);
  await assert.rejects(loadHandler(write("throw new Error('no token');")), /Cannot import --handlers .*: no token$/);
});
