// not on workerd: reads files and listens
import { test } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { command as serve } from "../../../cli/commands/serve.ts";
import { COMMON_OPTIONS } from "../../../cli/command.ts";
import { DEFAULT_CLOSE_DEADLINE_MS } from "../../../core/defaults.ts";
import { Folder } from "../../integration/support/sqlite.ts";
import { findProgram } from "../../runner/services.ts";
import { documentsOf, readBy, textOf, type Yaml, yamlOf } from "./support/deployment.ts";
import { unknownFields } from "./support/kubernetes_shapes.ts";

const COMPOSE = "examples/docker-compose.yml";
const KUBERNETES = "examples/deploy/kubernetes.yml";
const UNIT = "examples/deploy/slack-queue.service";

/** Seconds that a supervisor must wait: the listener's own limit, and what close() may take. */
const STOP_SECONDS = 3 + DEFAULT_CLOSE_DEADLINE_MS / 1_000;

const compose = yamlOf(COMPOSE);
const services: [string, Yaml][] = Object.entries(compose.services);
const servers = services.filter(([, service]) => service.build);

/** Fails where a command line has an option that `serve` has not. */
function checkCommand(args: readonly string[]): void {
  assert.equal(args[0], "serve");
  const known = { ...COMMON_OPTIONS, ...serve.options };
  for (const arg of args.slice(1)) {
    if (arg.startsWith("--")) assert.ok(Object.hasOwn(known, arg.slice(2)), `serve has no ${arg}`);
  }
}

/** Fails where an image has no tag, or one that moves from one major version to the next. */
function checkPinned(image: string): void {
  assert.match(image, /^[\w./-]+:\d+\.\d+/, `${image} is not pinned`);
}

for (const [name, service] of servers) {
  test(`docker-compose: ${name} sets variables that the server reads, and all that it needs`, async () => {
    checkCommand(service.command);
    using folder = new Folder();
    const { backend, listened, read } = await readBy(service.environment, service.command, folder.file());
    assert.equal(backend, service.environment.QUEUE_BACKEND);
    assert.ok(listened, "there is no health check without a port");
    assert.deepEqual(Object.keys(service.environment).filter((variable) => !read.has(variable)), []);
    const webhook = !service.command.includes("--consume-only");
    assert.equal("SLACK_SIGNING_SECRET" in service.environment, webhook, "the secret is where it is needed");
    if (webhook) assert.deepEqual(service.ports, [`3000:${service.environment.PORT}`]);
    assert.ok(Number.parseInt(service.stop_grace_period) > STOP_SECONDS);
  });
}

test("docker-compose: each profile is whole, its images pinned, its volumes declared", () => {
  const profiles = new Set(services.flatMap(([, { profiles }]) => profiles));
  assert.deepEqual([...profiles].sort(), ["cloudflare", "rabbitmq", "redis", "sqlite", "upstash"]);
  for (const [name, service] of services) {
    assert.equal(service.restart, "unless-stopped", name);
    if (service.image) checkPinned(service.image);
    for (const volume of service.volumes ?? []) assert.ok(volume.split(":")[0] in compose.volumes, volume);
    for (const [other, { condition }] of Object.entries<Yaml>(service.depends_on ?? {})) {
      assert.deepEqual(compose.services[other].profiles, service.profiles, `${name} needs ${other}`);
      assert.equal(condition, "service_healthy");
      assert.ok(compose.services[other].healthcheck.test, other);
    }
    const url = service.environment?.REDIS_URL ?? service.environment?.RABBITMQ_URL;
    if (url) assert.ok(new URL(url).hostname in service.depends_on, url);
  }
  assert.equal(
    compose.services.sqlite.environment.SQLITE_PATH.startsWith(
      `${compose.services.sqlite.volumes[0].split(":")[1]}/`,
    ),
    true,
  );
});

test("docker-compose: Redis keeps what it confirms, and evicts nothing", () => {
  const words = compose.services.redis.command.join(" ");
  for (const setting of ["--appendonly yes", "--appendfsync everysec", "--maxmemory-policy noeviction"]) {
    assert.ok(words.includes(setting), setting);
  }
});

const objects = documentsOf(KUBERNETES);
const byKind = (kind: string): Yaml[] => objects.filter((object) => object.kind === kind);

test("kubernetes: objects have fields that exist, at the versions that serve them", () => {
  assert.deepEqual(objects.flatMap(unknownFields), []);
  const found = objects.map(({ apiVersion, kind, metadata }) => `${apiVersion} ${kind} ${metadata.name}`);
  assert.deepEqual(found, [
    "v1 ConfigMap slack-queue",
    "apps/v1 Deployment slack-webhook",
    "v1 Service slack-webhook",
    "policy/v1 PodDisruptionBudget slack-webhook",
    "apps/v1 Deployment slack-consumer",
    "policy/v1 PodDisruptionBudget slack-consumer",
  ]);
});

for (const deployment of byKind("Deployment")) {
  const { metadata: { name }, spec: { replicas, selector, template } } = deployment;
  const [container] = template.spec.containers;

  test(`kubernetes: ${name} sets variables that the server reads, and all that it needs`, async () => {
    checkCommand(container.args);
    checkPinned(container.image);
    const [configMap] = byKind("ConfigMap");
    assert.deepEqual(container.envFrom, [{ configMapRef: { name: configMap.metadata.name } }]);
    const env: Record<string, string> = { ...configMap.data };
    for (const { name, value, valueFrom } of container.env) env[name] = value ?? valueFrom.secretKeyRef.key;
    using folder = new Folder();
    const { backend, listened, read } = await readBy(env, container.args, folder.file());
    assert.deepEqual([backend, listened], ["redis", true]);
    assert.deepEqual(Object.keys(env).filter((variable) => !read.has(variable)), []);
    const secrets = container.env.flatMap(({ valueFrom }: Yaml) => valueFrom ? [valueFrom.secretKeyRef] : []);
    for (const { name, key } of secrets) {
      for (const file of [KUBERNETES, "docs/deploy.md"]) {
        assert.match(textOf(file), new RegExp(`secret generic ${name} .*--from-literal=${key}=`), `${key} in ${file}`);
      }
    }
    assert.deepEqual(secrets.map(({ key }: Yaml) => key), [
      ...container.args.includes("--consume-only") ? [] : ["signing-secret"],
      "redis-password",
    ]);
  });

  test(`kubernetes: ${name} has probes that fit, time to stop, a budget, and no rights`, () => {
    assert.deepEqual(selector.matchLabels, template.metadata.labels);
    assert.ok(replicas >= 2);
    const [port] = container.ports;
    assert.equal(String(port.containerPort), container.env.find(({ name }: Yaml) => name === "PORT").value);
    assert.deepEqual(container.readinessProbe.httpGet, { path: "/health", port: port.name });
    assert.deepEqual(container.livenessProbe.tcpSocket, { port: port.name }, "a broker that is away restarts nothing");
    assert.ok(container.readinessProbe.timeoutSeconds >= 3, "the health check itself takes up to 2.5 s");
    const sleep = container.lifecycle?.preStop.sleep.seconds ?? 0;
    assert.ok(template.spec.terminationGracePeriodSeconds > STOP_SECONDS + sleep);
    assert.equal(template.spec.securityContext.runAsNonRoot, true);
    const { allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities } = container.securityContext;
    assert.deepEqual([allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities.drop], [false, true, ["ALL"]]);
    assert.ok(container.resources.limits.memory && container.resources.requests.memory);
    const budget = byKind("PodDisruptionBudget").find(({ metadata }) => metadata.name === name);
    assert.deepEqual(budget.spec.selector, selector);
    assert.ok((budget.spec.minAvailable ?? replicas - budget.spec.maxUnavailable) < replicas, "a node can be drained");
  });
}

test("kubernetes: the service leads to the webhook's port", () => {
  const [{ spec }] = byKind("Service");
  const webhook = byKind("Deployment").find(({ metadata }) => metadata.name === "slack-webhook")!;
  assert.deepEqual(spec.selector, webhook.spec.template.metadata.labels);
  assert.equal(spec.ports[0].targetPort, webhook.spec.template.spec.containers[0].ports[0].name);
});

/** The values of a setting of a unit file, in order. */
function unitSettings(text: string, name: string): string[] {
  return [...text.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map(([, value]) => value!);
}

test("systemd: the unit sets variables that the server reads, and time to stop", async () => {
  const text = textOf(UNIT);
  const [start = ""] = unitSettings(text, "ExecStart");
  const args = start.split(" ").slice(start.split(" ").indexOf("serve"));
  checkCommand(args);
  const env = Object.fromEntries(unitSettings(text, "Environment").map((pair) => pair.split("=") as [string, string]));
  using folder = new Folder();
  const all = { ...env, SLACK_SIGNING_SECRET: "" };
  const { backend, read } = await readBy(all, args, folder.file());
  assert.equal(backend, "sqlite");
  assert.deepEqual(Object.keys(env).filter((variable) => !read.has(variable) && variable !== "DENO_DIR"), []);
  assert.ok(Number(unitSettings(text, "TimeoutStopSec")[0]) > STOP_SECONDS);
  const [state] = unitSettings(text, "StateDirectory");
  assert.ok(env.SQLITE_PATH!.startsWith(`/var/lib/${state}/`));
});

test("systemd: systemd-analyze finds nothing wrong with the unit", {
  skip: findProgram("systemd-analyze") === undefined && "systemd-analyze not found",
}, () => {
  const dir = mkdtempSync(join(tmpdir(), "queue-unit-"));
  try {
    // The program itself is not where the unit has it.
    const path = join(dir, "slack-queue.service");
    writeFileSync(path, textOf(UNIT).replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`));
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", path], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
    assert.doesNotMatch(stderr, /slack-queue/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
