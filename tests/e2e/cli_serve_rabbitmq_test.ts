import assert from "node:assert/strict";
import { after } from "node:test";
import { envelopeOf, SAMPLES } from "../../cli/samples.ts";
import { slackRequest } from "../../cli/sign.ts";
import { requires } from "../runner/services.ts";
import { type RabbitMQServer, startRabbitMQ } from "../servers/rabbitmq_server.ts";
import { RUNTIMES } from "./support/runtimes.ts";
import { ServerProcess } from "../servers/server_process.ts";

const test = requires("rabbitmq-server");
const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";

async function post(url: string, body: unknown): Promise<number> {
  const response = await fetch(await slackRequest(`${url}/slack/events`, { secret: SECRET, body }));
  await response.body?.cancel();
  return response.status;
}

let starting: Promise<RabbitMQServer> | undefined;
/** One node for all runtimes: none leaves a message behind, and each kills it once. */
const node = () => starting ??= startRabbitMQ();
after(async () => {
  await (await starting)?.[Symbol.asyncDispose]();
});

for (const [runtime, command] of RUNTIMES) {
  test(`The example server on ${runtime} over rabbitmq handles what it answered 200`, async () => {
    const broker = await node();
    const env = { SLACK_SIGNING_SECRET: SECRET, QUEUE_BACKEND: "rabbitmq", RABBITMQ_URL: broker.url };
    await using server = new ServerProcess(command, env);
    const url = await server.url();
    for (const [index, { event }] of SAMPLES.entries()) {
      assert.equal(await post(url, envelopeOf(event, `Ev${index}`)), 200);
      const { type } = await server.line("event handled", (line) => line.event_id === `Ev${index}`);
      assert.equal(type, event.type);
    }
    assert.equal((await fetch(`${url}/health`)).status, 200);

    await broker.registered();
    await broker.kill();
    assert.equal(await post(url, envelopeOf(SAMPLES[0]!.event, "EvDown")), 503);
    await broker.restart();
    while (await post(url, envelopeOf(SAMPLES[0]!.event, "EvDown")) !== 200);
    await server.line("event handled", (line) => line.event_id === "EvDown");

    server.kill("SIGTERM");
    assert.equal(await server.ended, 0);
  });
}
