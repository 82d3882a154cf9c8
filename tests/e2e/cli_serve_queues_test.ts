import assert from "node:assert/strict";
import { envelopeOf, SAMPLES } from "../../cli/samples.ts";
import { slackRequest } from "../../cli/sign.ts";
import { type RedisServer, startRedis } from "../servers/redis_server.ts";
import { RUNTIMES } from "./support/runtimes.ts";
import { ServerProcess } from "../servers/server_process.ts";
import { requires } from "../runner/services.ts";
import { startUpstash } from "../fakes/upstash_server.ts";

const test = requires("redis-server");
const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";

/** What the server is told, and the redis-server at the end of it. */
interface Queue extends AsyncDisposable {
  readonly env: Readonly<Record<string, string>>;
  readonly redis: RedisServer;
}

const QUEUES: Readonly<Record<string, () => Promise<Queue>>> = {
  async redis() {
    const redis = await startRedis({ appendonly: "always" });
    return { env: { REDIS_URL: redis.url }, redis, [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose]() };
  },
  async upstash() {
    const redis = await startRedis({ appendonly: "always" });
    const server = await startUpstash({ redis });
    return {
      env: { UPSTASH_REDIS_REST_URL: server.url, UPSTASH_REDIS_REST_TOKEN: server.token },
      redis,
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await redis[Symbol.asyncDispose]();
      },
    };
  },
};

async function post(url: string, body: unknown): Promise<number> {
  const response = await fetch(await slackRequest(`${url}/slack/events`, { secret: SECRET, body }));
  await response.body?.cancel();
  return response.status;
}

for (const [runtime, command] of RUNTIMES) {
  for (const [name, open] of Object.entries(QUEUES)) {
    test(`on ${runtime} over ${name}: events are handled once, a server that is down is 503, and what was answered 200 is handled after it`, async () => {
      await using queue = await open();
      const env = { SLACK_SIGNING_SECRET: SECRET, QUEUE_BACKEND: name, ...queue.env };
      await using server = new ServerProcess(command, env);
      const url = await server.url();
      for (const [index, { event }] of SAMPLES.entries()) {
        assert.equal(await post(url, envelopeOf(event, `Ev${index}`)), 200);
        const { type, attempts } = await server.line("event handled", (line) => line.event_id === `Ev${index}`);
        assert.deepEqual({ type, attempts }, { type: event.type, attempts: 1 });
      }
      assert.equal(await post(url, envelopeOf(SAMPLES[0]!.event, "Ev0")), 200, "Slack sends it again");
      assert.equal((await fetch(`${url}/health`)).status, 200);

      await queue.redis.kill();
      assert.equal(await post(url, envelopeOf(SAMPLES[0]!.event, "EvDown")), 503);
      assert.equal((await fetch(`${url}/health`)).status, 503);
      await queue.redis.restart();
      while (await post(url, envelopeOf(SAMPLES[0]!.event, "EvDown")) !== 200);
      await server.line("event handled", (line) => line.event_id === "EvDown");

      server.kill("SIGTERM");
      assert.equal(await server.ended, 0);
      assert.equal(server.lines("event handled").length, SAMPLES.length + 1);
      assert.equal(await queue.redis.call("XLEN", "slack_events"), 0, "nothing is left");
    });
  }
}

test("over redis: what one server took and did not handle, the next one does", async () => {
  await using queue = await QUEUES.redis!();
  const env = { SLACK_SIGNING_SECRET: SECRET, QUEUE_BACKEND: "redis", ...queue.env };
  const [, command] = RUNTIMES[0]!;
  await using first = new ServerProcess(command, env);
  const url = await first.url();
  assert.equal(await post(url, envelopeOf(SAMPLES[0]!.event, "Ev1")), 200);
  await first.line("event handled");
  first.kill("SIGKILL");
  await first.ended;
  // What somebody else publishes while nobody is there, such as the Python server.
  const data = JSON.stringify(envelopeOf(SAMPLES[1]!.event, "Ev2"));
  await queue.redis.call("XADD", "slack_events", "*", "data", data);
  await using second = new ServerProcess(command, env);
  const { type } = await second.line("event handled", (line) => line.event_id === "Ev2");
  assert.equal(type, SAMPLES[1]!.event.type);
  second.kill("SIGTERM");
  assert.equal(await second.ended, 0);
});
