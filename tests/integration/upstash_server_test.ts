// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { Redis } from "@upstash/redis";
import { startUpstash, type UpstashServer } from "../fakes/upstash_server.ts";
import { requires } from "../runner/services.ts";

const test = requires("redis-server");

function ask(server: UpstashServer, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${server.token}`, ...init.headers };
  return fetch(server.url + path, { method: "POST", ...init, headers });
}

function command(server: UpstashServer, ...args: (string | number)[]): Promise<Response> {
  return ask(server, "/", { body: JSON.stringify(args) });
}

for (const responseEncoding of ["base64", false] as const) {
  test(`the official client works, encoding ${responseEncoding}`, async () => {
    await using server = await startUpstash();
    const redis = new Redis({
      url: server.url,
      token: server.token,
      responseEncoding,
      automaticDeserialization: false,
      enableTelemetry: false,
    });
    const awkward = 'ünï😀\n"quoted"\u0000 1700000000.123456';
    assert.equal(await redis.set("k", awkward), "OK");
    assert.equal(await redis.get("k"), awkward);
    assert.equal(await redis.get("missing"), null);
    assert.deepEqual(await redis.eval("return {1, {ARGV[1], false}, 'OK'}", [], [awkward]), [1, [awkward, null], "OK"]);
    const pipeline = redis.pipeline();
    pipeline.incr("n");
    pipeline.hget("k", "wrong type");
    pipeline.get("k");
    const results = await pipeline.exec({ keepErrors: true }) as unknown as { result?: unknown; error?: string }[];
    assert.equal(results[0]?.result, 1);
    assert.match(results[1]?.error ?? "", /WRONGTYPE/);
    assert.equal(results[2]?.result, awkward);
    const transaction = redis.multi();
    transaction.set("a", "1");
    transaction.get("a");
    assert.deepEqual(await transaction.exec(), ["OK", "1"]);
    await assert.rejects(redis.exec(["NOSUCH"]), /unknown command/);
  });
}

test("the official client's subscription gets what is published", async () => {
  await using server = await startUpstash();
  const redis = new Redis({ url: server.url, token: server.token, enableTelemetry: false });
  const subscription = redis.subscribe<string>("news");
  const got = new Promise<unknown>((resolve) => subscription.on("message", ({ message }) => resolve(message)));
  await server.until(() => server.subscriptions === 1);
  await redis.publish("news", "hello, world");
  assert.equal(await got, "hello, world");
  server.dropSubscriptions();
  await server.until(() => server.subscriptions === 0);
});

test("a command in the path, with body and query", async () => {
  await using server = await startUpstash();
  assert.deepEqual(await (await ask(server, "/set/a%2Fb", { body: "v al?EX=100" })).json(), { result: "OK" });
  assert.deepEqual(await (await ask(server, "/get/a%2Fb", { method: "GET" })).json(), { result: "v al?EX=100" });
  assert.deepEqual(await (await ask(server, "/set/x/1?EX=100", { method: "GET" })).json(), { result: "OK" });
  assert.equal(await server.redis.call("TTL", "x"), 100);
});

test("a request without the token is refused", async () => {
  await using server = await startUpstash();
  const response = await fetch(server.url, { method: "POST", body: '["PING"]' });
  assert.equal(response.status, 401);
  await response.body?.cancel();
  assert.equal((await fetch(`${server.url}/ping?_token=${server.token}`)).status, 200);
});

test("blocking commands, WATCH and unreadable requests are refused", async () => {
  await using server = await startUpstash();
  await server.redis.call("XADD", "s", "*", "a", "BLOCK");
  for (
    const args of [["BLPOP", "l", 1], ["WATCH", "k"], ["XREAD", "BLOCK", 1, "STREAMS", "s", "$"], ["SUBSCRIBE", "c"]]
  ) {
    const response = await command(server, ...args);
    assert.equal(response.status, 400, String(args));
    assert.match((await response.json()).error, /not available/);
  }
  assert.equal((await command(server, "XREAD", "COUNT", 1, "STREAMS", "s", 0)).status, 200);
  for (const body of ["", "{", "{}", '[["PING"]]', "[{}]"]) {
    assert.equal((await ask(server, "/", { body })).status, 400, body);
  }
  assert.equal((await ask(server, "/pipeline", { body: "{}" })).status, 400);
  assert.equal((await ask(server, "/", { method: "PUT", body: "[]" })).status, 405);
});

test("a transaction with a command that does not exist runs nothing", async () => {
  await using server = await startUpstash();
  const response = await ask(server, "/multi-exec", { body: '[["SET","a","1"],["NOSUCH"]]' });
  assert.equal(response.status, 400);
  assert.match((await response.json()).error, /unknown command/);
  assert.equal(await server.redis.call("EXISTS", "a"), 0);
});

test("requests and commands are counted, a pipeline's one by one", async () => {
  await using server = await startUpstash();
  await command(server, "PING");
  await ask(server, "/pipeline", { body: '[["PING"],["PING"],["PING"]]' });
  assert.equal(server.requests, 2);
  assert.equal(server.commands, 4);
  server.reset();
  assert.equal(server.requests, 0);
});

test("faults: status, cuts before and after, half a reply, too large a request", async () => {
  await using server = await startUpstash({ maxRequestBytes: 1_000 });
  server.failNext({ status: 429, headers: { "retry-after": "7" } });
  const limited = await command(server, "INCR", "n");
  assert.equal(limited.status, 429);
  assert.equal(limited.headers.get("retry-after"), "7");
  await limited.body?.cancel();
  server.cutNextRequest();
  await assert.rejects(command(server, "INCR", "n").then((response) => response.json()));
  assert.equal(await server.redis.call("GET", "n"), null);
  server.loseNextReply();
  await assert.rejects(command(server, "INCR", "n").then((response) => response.json()));
  assert.equal(await server.redis.call("GET", "n"), "1");
  server.truncateNextReply();
  await assert.rejects(command(server, "ECHO", "x".repeat(500)).then((response) => response.json()));
  assert.equal((await command(server, "ECHO", "x".repeat(2_000))).status, 413);
  assert.equal((await command(server, "PING")).status, 200);
});
