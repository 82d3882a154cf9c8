// not on workerd: reads files
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createPlugin, TRANSPORTS } from "../../../create/mod.ts";
import { ROOT } from "../../runner/suites.ts";
import { TEMPLATES_FILE, templatesModule } from "../../runner/write_templates.ts";

test("create/templates.ts is the generated one (deno task templates)", () => {
  assert.equal(readFileSync(join(ROOT, TEMPLATES_FILE), "utf8"), templatesModule());
});

for (const transport of TRANSPORTS) {
  test(`createPlugin writes every file of a package for ${transport}, in the package's own names`, () => {
    const files = createPlugin("acme-mail-2", { scope: "acme", transport, description: "Mail by $& and $1" });
    for (
      const path of [
        "deno.json",
        "mod.ts",
        "options.ts",
        "main.ts",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        ".env.example",
        ".gitignore",
        "docker-compose.yml",
        ".github/workflows/ci.yml",
        ".github/workflows/publish.yml",
        "tests/conformance_test.ts",
        "tests/options_test.ts",
        transport === "plain" ? "backend.ts" : "driver.ts",
      ]
    ) assert.ok(files[path], path);
    const all = Object.values(files).join("\n");
    assert.doesNotMatch(all, /MyQueue|my_queue|my-queue|MY_|my-scope/);
    assert.match(files["mod.ts"]!, /^ \* Mail by \$& and \$1$/m);
    assert.match(files["mod.ts"]!, /class AcmeMail2Backend|AcmeMail2Backend,/);
    assert.match(files["README.md"]!, /acme_mail_2: \(\) => import\("@acme\/acme-mail-2"\)/);
    assert.match(files["README.md"]!, /\| `ACME_MAIL_2_URL` +\| /);
    assert.match(files[".env.example"]!, /^QUEUE_BACKEND=acme_mail_2$/m);
    const seam = files["driver.ts"] ?? files["backend.ts"]!;
    assert.match(seam, /^\/\/ ---- Your client goes here -+$/m);
    const config = JSON.parse(files["deno.json"]!);
    assert.equal(config.name, "@acme/acme-mail-2");
    assert.equal(config.links, undefined);
    assert.match(config.imports["@slack-mcp/queue"], /^jsr:@slack-mcp\/queue@\^\d+\.\d+\.\d+$/);
    assert.match(files[".github/workflows/publish.yml"]!, /id-token: write/);
  });
}

const wrongNames = [
  "",
  "a",
  "My-Queue",
  "my_queue",
  "2fast",
  "-queue",
  "queue-",
  "my--queue",
  "../up",
  "a b",
  "é-queue",
]
  .concat("redis", "memory", "x".repeat(59));
for (const name of wrongNames) {
  test(`createPlugin refuses the name ${JSON.stringify(name.slice(0, 20))}`, () => {
    assert.throws(() => createPlugin(name), (error: unknown) => {
      assert.ok(error instanceof RangeError);
      assert.match(error.message, /^name must /);
      return true;
    });
  });
}

test("createPlugin refuses a wrong scope, transport and description", () => {
  assert.throws(() => createPlugin("my-queue", { scope: "@Acme" }), /^RangeError: scope must be 2 to 20 lower-case/);
  assert.throws(
    () => createPlugin("my-queue", { transport: "poll" as never }),
    /transport must be one of pull, push, plain/,
  );
  for (const description of ["", "two\nlines", "ends */ here", "x".repeat(201)]) {
    assert.throws(() => createPlugin("my-queue", { description }), /description must be one line/);
  }
  assert.throws(() => createPlugin(undefined as never), /^TypeError: name must be text/);
});
