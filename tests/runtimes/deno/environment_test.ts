import { test } from "node:test";
import assert from "node:assert/strict";
import { join } from "node:path";
import { run } from "../../runner/child.ts";
import { ROOT } from "../../runner/suites.ts";

const program = `
  import { ambientEnv } from ${JSON.stringify(join(ROOT, "env.ts"))};
  const env = ambientEnv();
  console.log(env.QUEUE_BACKEND);
  try {
    env.SOMETHING_ELSE;
  } catch (error) {
    console.log(error.name);
  }
`;

test("deno: a variable can be allowed alone, and no other is asked for", async () => {
  const { code, stdout, stderr } = await run(
    Deno.execPath(),
    ["run", "--no-prompt", "--allow-env=QUEUE_BACKEND", "--ext=ts", "-c", join(ROOT, "deno.json"), "-"],
    { input: program, env: { QUEUE_BACKEND: "memory" } },
  );
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "memory\nNotCapable\n");
});
