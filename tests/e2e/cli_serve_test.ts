import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { test } from "node:test";
import { ConsumeError } from "../../core/errors.ts";
import type { LeasingBackend } from "../../core/protocol.ts";
import { MemoryBackend } from "../../backends/memory/mod.ts";
import { type ServerOptions, startServer } from "../../cli/serve/server.ts";
import { envelopeOf, SAMPLES } from "../../cli/samples.ts";
import { slackRequest } from "../../cli/sign.ts";
import { SlackEventRouter } from "../../slack/mod.ts";
import { RUNTIMES } from "./support/runtimes.ts";
import { postBody as post, postSlowly, SECRET } from "./support/serving.ts";
import { ServerProcess } from "../servers/server_process.ts";

const quiet = () => undefined;

for (const [name, command] of RUNTIMES) {
  test(`on ${name}: a signed event is answered 200 and handled, one line each; SIGTERM ends it with 0`, async () => {
    await using server = new ServerProcess(command, { SLACK_SIGNING_SECRET: SECRET, QUEUE_BACKEND: "memory" });
    const url = await server.url();
    for (const [index, { event }] of SAMPLES.entries()) {
      assert.equal(await post(url, envelopeOf(event, `Ev${index}`)), 200);
      const { level, type, attempts } = await server.line("event handled", (line) => line.event_id === `Ev${index}`);
      assert.deepEqual({ level, type, attempts }, { level: "info", type: event.type, attempts: 1 });
    }
    assert.equal(await post(url, envelopeOf(SAMPLES[0]!.event, "Ev0")), 200);
    assert.equal(await post(url, envelopeOf(SAMPLES[0]!.event, "EvForged"), "not the secret"), 401);
    const { outcome, problem } = await server.line("request refused");
    assert.deepEqual({ outcome, problem }, { outcome: "unauthorized", problem: "forged" });
    const health = await fetch(`${url}/health`);
    assert.equal(health.status, 200);
    assert.equal((await health.json()).ok, true);
    server.kill("SIGTERM");
    assert.equal(await server.ended, 0);
    const { accepted, duplicate, unauthorized } = server.lines("stopped")[0]!;
    assert.deepEqual({ accepted, duplicate, unauthorized }, {
      accepted: SAMPLES.length,
      duplicate: 1,
      unauthorized: 1,
    });
    assert.equal(server.lines("event handled").length, SAMPLES.length);
  });

  test(`on ${name}: SIGINT ends it with 0 as well`, async () => {
    await using server = new ServerProcess(command, { SLACK_SIGNING_SECRET: SECRET, QUEUE_BACKEND: "memory" });
    await server.url();
    server.kill("SIGINT");
    assert.equal(await server.ended, 0);
    assert.equal(server.lines("stopping")[0]?.signal, "SIGINT");
  });

  test(`on ${name}: a body over 1 MiB is 413, unless it is refused before, over the wire`, async () => {
    await using server = new ServerProcess(command, { SLACK_SIGNING_SECRET: SECRET, QUEUE_BACKEND: "memory" });
    const url = await server.url();
    const { "content-type": _type, ...plausible } = Object.fromEntries(
      (await slackRequest(url, { secret: "not the secret", body: "" })).headers,
    );
    assert.equal(await postBytes(url, 2 * 1024 * 1024, true, {}), 413, "Content-Length says so");
    assert.equal(await postBytes(url, 2 * 1024 * 1024, false, plausible), 413, "the body is too long");
    assert.equal(await postBytes(url, 2 * 1024 * 1024, false, {}), 401, "nobody reads it");
    assert.equal(await post(url, envelopeOf(SAMPLES[0]!.event, "Ev1")), 200, "and the next request is served");
  });

  const wrong: readonly [string, Record<string, string>, RegExp][] = [
    ["no secret", {}, /SLACK_SIGNING_SECRET is not set: .*Basic Information > Signing Secret/],
    [
      "a port that is none",
      { SLACK_SIGNING_SECRET: SECRET, PORT: "http" },
      /PORT must be a whole number from 0 to 65535, found "http"/,
    ],
    [
      "everything at once",
      { PORT: "http", SLACK_SIGNING_SECRET: "xoxb-1", QUEUE_BACKEND: "redis", REDIS_TIMEOUT: "soon" },
      /^4 problems:\n {2}SLACK_SIGNING_SECRET must be .* a token[^\n]*\n {2}PORT must be [^\n]*\n {2}REDIS_URL is not set[^\n]*\n {2}REDIS_TIMEOUT must be/,
    ],
    ["an unknown backend", { SLACK_SIGNING_SECRET: SECRET, QUEUE_BACKEND: "memroy" }, /did you mean "memory"\?/],
  ];
  for (const [what, env, sentence] of wrong) {
    test(`on ${name}: ${what} is one clear sentence, exit code 1, no stack`, async () => {
      await using server = new ServerProcess(command, env);
      assert.equal(await server.ended, 1);
      assert.match(server.stderr, sentence);
      assert.doesNotMatch(server.stderr, /^\s+at /m);
      assert.ok(!server.stderr.includes(SECRET));
    });
  }
}

/** Posts bytes. Resolves with the status, also when the server answers before it has all. */
function postBytes(url: string, bytes: number, declared: boolean, more: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { ...more, ...declared ? { "content-length": bytes } : { "transfer-encoding": "chunked" } };
    const request = httpRequest(`${url}/slack/events`, { method: "POST", headers });
    let answered = false;
    request.once("response", (response) => {
      answered = true;
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    // The server need not read on after its answer.
    request.on("error", (error) => answered || reject(error));
    const chunk = new Uint8Array(65_536).fill(0x20);
    for (let sent = 0; sent < bytes; sent += chunk.length) request.write(chunk);
    request.end();
  });
}

function start(router: SlackEventRouter, open?: ServerOptions["open"]) {
  const env = { SLACK_SIGNING_SECRET: SECRET, HOST: "127.0.0.1", PORT: "0", QUEUE_BACKEND: "memory" };
  return startServer({ ...env, SLACK_EVENTS_TOPIC: crypto.randomUUID() }, {
    log: quiet,
    handler: () => Promise.resolve(router.handle),
    ...open && { open },
  });
}

test("stopping waits for the running handler and drains a queue not durable", async () => {
  const begun = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const handled: string[] = [];
  const router = new SlackEventRouter().on("*", async ({ envelope }) => {
    begun.resolve();
    await release.promise;
    handled.push(envelope.event_id);
  });
  const server = await start(router);
  const ids = Array.from({ length: 50 }, (_, index) => `Ev${index}`);
  for (const id of ids) assert.equal(await post(server.url!, envelopeOf(SAMPLES[0]!.event, id)), 200);
  await begun.promise;
  let stopped = false;
  const stopping = server.stop().then(() => stopped = true);
  await assert.rejects(post(server.url!, envelopeOf(SAMPLES[0]!.event, "EvLate")), "no new connection is taken");
  assert.equal(stopped, false);
  release.resolve();
  await stopping;
  await server.finished;
  assert.deepEqual(handled.sort(), ids.sort());
});

test("stopping twice is stopping once, and the queue is closed afterwards", async () => {
  const server = await start(new SlackEventRouter());
  await Promise.all([server.stop(), server.stop()]);
  await assert.rejects((server.backend as LeasingBackend).depth(server.key), { code: "closed" });
});

test("a port that is taken ends the start", async () => {
  const server = await start(new SlackEventRouter());
  const { port } = new URL(server.url!);
  const env = { SLACK_SIGNING_SECRET: SECRET, HOST: "127.0.0.1", PORT: port, QUEUE_BACKEND: "memory" };
  await assert.rejects(startServer(env, { log: quiet }), /address already in use/i);
  await server.stop();
});

test("a server whose queue was closed under it stops and says why", async () => {
  const server = await start(new SlackEventRouter());
  await server.backend.close();
  const finished = assert.rejects(server.finished, { code: "closed" });
  await assert.rejects(server.stop(), { code: "closed" });
  await finished;
});

test("a server whose consumer ends for good answers the request under way first", async () => {
  const backend = new MemoryBackend();
  const refused = Promise.withResolvers<never>();
  backend.receive = () => Object.assign(backend.consume("none"), { next: () => refused.promise }) as never;
  const server = await start(new SlackEventRouter(), () => Promise.resolve(backend));
  const begun = performance.now();
  await using slow = await postSlowly(server.url!, "EvSlow");
  refused.reject(new ConsumeError("unauthorized", "refused for good"));
  await assert.rejects(server.finished, { code: "unauthorized" });
  let stopped = false;
  const stopping = assert.rejects(server.stop(), { code: "unauthorized" }).then(() => stopped = true);
  for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve)); // what is not waited for is over
  // After 2.5 seconds the webhook answers by itself: on a busy machine this shows nothing.
  if (performance.now() - begun < 2_000) assert.equal(stopped, false);
  // Deno reads no body while it shuts down: 503, and Slack sends the event again.
  assert.notEqual(await slow.finish(), 0);
  await stopping;
});
