// not on workerd: reads files
import { test } from "node:test";
import assert from "node:assert/strict";
import { allNames, ghosts, namesInConfig, namesInDocument, namesInTree } from "../../runner/ghosts.ts";
import { ROOT } from "../../runner/suites.ts";

test("ghosts finds no name of what does not exist in rules, settings and documents", () => {
  const names = allNames(ROOT);
  for (const by of ["LAYERS", "PACKAGES", "WITH_NODE", "SIDES", "exports", "publish.include", "publish.exclude"]) {
    assert.ok(names.some((one) => one.by === by), `nothing of ${by} is checked`);
  }
  assert.deepEqual(ghosts(ROOT, names), []);
});

test("ghosts finds a package, an export and a published path that do not exist", () => {
  const config = {
    exports: { ".": "./mod.ts", "./kafka": "./backends/kafka/mod.ts" },
    publish: { include: ["core/", "kafka/"], exclude: ["docs/gone.json"] },
  };
  const names = [
    { by: "PACKAGES", name: "ioredis", kind: "package" },
    { by: "PACKAGES", name: "kafkajs", kind: "package" },
    ...namesInConfig(config),
  ] as const;
  assert.deepEqual(ghosts(ROOT, names), [
    "PACKAGES names kafkajs, which does not exist",
    "exports names ./backends/kafka/mod.ts, which does not exist",
    "publish.include names kafka/, which does not exist",
    "publish.exclude names docs/gone.json, which does not exist",
  ]);
});

test("namesInTree reads the folders of CONTRIBUTING's tree, indented ones below theirs", () => {
  const tree =
    "```sh\nnot this\n```\n\n```\nmod.ts         the API\ncore/          protocol, envelope\n  publish/     on " +
    "its way out\ntests/\n  servers/     starts them        fakes/     cannot run here\n```\n";
  assert.deepEqual(namesInTree("a.md", tree).map(({ name }) => name), [
    "mod.ts",
    "core/",
    "core/publish/",
    "tests/",
    "tests/servers/",
    "tests/fakes/",
  ]);
});

test("namesInDocument reads links, and the paths in backticks of CONTRIBUTING.md", () => {
  const text =
    "[a](errors.md#codes), [b](../mod.ts), [c](https://example.com/x), [d](#here), `core/gone.ts`, `deno task`";
  assert.deepEqual(namesInDocument("docs/a.md", text).map(({ name }) => name), ["docs/errors.md", "mod.ts"]);
  assert.deepEqual(namesInDocument("CONTRIBUTING.md", text).at(-1), { by: "CONTRIBUTING.md", name: "core/gone.ts" });
});
