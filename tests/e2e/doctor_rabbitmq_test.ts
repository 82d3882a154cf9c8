import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after } from "node:test";
import { connect } from "amqplib";
import { requires } from "../runner/services.ts";
import { type RabbitMQServer, startRabbitMQ } from "../servers/rabbitmq_server.ts";
import { MARK, SECRET } from "./support/installations.ts";
import { runCli } from "./support/cli.ts";
import { RUNTIMES } from "./support/runtimes.ts";

const test = requires("rabbitmq-server");

let starting: Promise<RabbitMQServer> | undefined;
/** One node for all tests, each of which has a virtual host of its own. */
const server = () => starting ??= startRabbitMQ();
after(async () => {
  await (await starting)?.[Symbol.asyncDispose]();
});

interface Report {
  readonly findings: readonly { readonly setting: string; readonly problem: string; readonly repair: string }[];
  readonly checks: readonly { readonly name: string; readonly state: string }[];
}

async function reportOf(runtime: readonly string[], url: string, timeout = "60"): Promise<Report> {
  const env = { SLACK_SIGNING_SECRET: SECRET, QUEUE_BACKEND: "rabbitmq", RABBITMQ_URL: url };
  const { code, out, err } = await runCli(
    runtime,
    ["doctor", "--json", "--timeout", timeout, "--time-url", "http://127.0.0.1:1/"],
    { env },
  );
  assert.ok(!(out + err).includes(MARK), `a secret is shown: ${out}${err}`);
  const report: Report = JSON.parse(out);
  assert.equal(code, report.findings.length === 0 ? 0 : 1, out);
  return report;
}

/** The queues of a virtual host, without what every installation has. */
async function queues(vhost: string): Promise<string[]> {
  const text = await (await server()).ctl("list_queues", "-q", "--no-table-headers", "-p", vhost, "name");
  return text.split("\n").filter((name) => name !== "" && name !== "slack_events.due").sort();
}

/** Adds a user with the marked password and these permissions. Returns the URL. */
async function addUser(name: string, vhost: string, ...permissions: readonly string[]): Promise<string> {
  const broker = await server();
  await broker.ctl("add_user", name, MARK);
  await broker.ctl("set_permissions", "-p", vhost, name, ...permissions);
  return `amqp://${name}:${MARK}@127.0.0.1:${broker.port}/${vhost}`;
}

for (const [name, runtime] of RUNTIMES) {
  test(`doctor on ${name} finds nothing wrong with rabbitmq, and leaves no queue behind`, async () => {
    const vhost = `well-${name}`;
    const report = await reportOf(runtime, await (await server()).addVhost(vhost));
    assert.deepEqual(report.findings, []);
    assert.equal(report.checks.find(({ name }) => name === "message")!.state, "ok");
    assert.deepEqual(await queues(vhost), []);
  });
}

test("doctor finds a wrong password of RabbitMQ", async () => {
  const url = `amqp://guest:${MARK}@127.0.0.1:${(await server()).port}/`;
  const { findings: [finding, ...rest] } = await reportOf(RUNTIMES[0]![1], url);
  assert.deepEqual([finding!.setting, rest], ["RABBITMQ_PASSWORD", []]);
  assert.match(finding!.problem, /ACCESS_REFUSED|403/);
});

test("doctor finds a user of RabbitMQ who may not declare queues", async () => {
  await (await server()).addVhost("forbidden");
  const url = await addUser("reader", "forbidden", "^nothing$", ".*", ".*");
  const { findings: [finding, ...rest] } = await reportOf(RUNTIMES[0]![1], url);
  assert.deepEqual([finding!.setting, rest], ["RABBITMQ_USERNAME", []]);
  assert.match(finding!.repair, /rabbitmqctl set_permissions/);
});

test("doctor finds a queue of RabbitMQ that nobody reads, and that is a classic one", async () => {
  const url = await (await server()).addVhost("classic");
  const connection = await connect(url);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue("slack_events_slack-mcp", { durable: true });
  channel.sendToQueue("slack_events_slack-mcp", Buffer.from("{}"));
  await channel.waitForConfirms();
  await connection.close();
  const { findings } = await reportOf(RUNTIMES[0]![1], url);
  assert.deepEqual(findings.map(({ setting }) => setting), ["group slack-mcp", "RABBITMQ_QUEUE_TYPE"]);
  assert.deepEqual(await queues("classic"), ["slack_events_slack-mcp"]);
});

test("doctor finds a RabbitMQ that takes no messages, for want of memory", async () => {
  const broker = await server();
  const url = await broker.addVhost("full");
  await broker.ctl("set_vm_memory_high_watermark", "0.000001");
  try {
    const { findings: [finding] } = await reportOf(RUNTIMES[0]![1], url, "3.5");
    assert.match(finding!.problem, /takes no messages/);
    assert.match(finding!.setting, /vm_memory_high_watermark/);
  } finally {
    await broker.ctl("set_vm_memory_high_watermark", "0.4");
  }
});
