// not on workerd: a command runs where there is a process
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryBackend } from "../../../backends/memory/mod.ts";
import { createHealthPage, createPages, type PagesOptions } from "../../../cli/serve/pages.ts";
import { createMetrics } from "../../../core/metrics/metrics.ts";
import { QueueError } from "../../../core/errors.ts";
import type { QueueBackend } from "../../../core/protocol.ts";
import { FakeClock } from "../../../testing/mod.ts";

const TOKEN = "0123456789abcdef";

function setUp(options: Partial<PagesOptions> = {}) {
  const refused = { times: 0 };
  const pages = createPages({
    token: TOKEN,
    metrics: createMetrics(),
    state: undefined,
    about: { backend: "memory", key: "slack_events" },
    refused: () => void refused.times++,
    otherwise: () => Promise.resolve(Response.json({ ok: true, checked: true })),
    ...options,
  });
  const get = async (path: string, authorization?: string, method = "GET") => {
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    const response = await pages(new Request(`http://localhost${path}`, { method, headers }));
    return { status: response.status, headers: response.headers, body: await response.text() };
  };
  return { get, refused };
}

test("createPages: the metrics are for who has the token, and for nobody else", async () => {
  const { get, refused } = setUp();
  const good = await get("/metrics", `Bearer ${TOKEN}`);
  assert.equal(good.status, 200);
  assert.equal(good.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assert.equal((await get("/metrics", `bearer  ${TOKEN}`)).status, 200, "the scheme in any case");
  const bad = [undefined, "", "Bearer", "Bearer ", `Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, `Basic ${TOKEN}`];
  for (const authorization of [...bad, TOKEN, `Bearer ${TOKEN} ${TOKEN}`]) {
    const { status, headers, body } = await get("/metrics", authorization);
    assert.equal(status, 401, String(authorization));
    assert.equal(headers.get("www-authenticate"), "Bearer");
    assert.ok(!body.includes(TOKEN));
  }
  assert.equal(refused.times, bad.length + 2);
  // A comparison of a part of it would let some of so many through.
  for (let n = 0; n < 2_000; n++) assert.equal((await get("/metrics", `Bearer ${n}${TOKEN}`)).status, 401);
  assert.equal((await get("/metrics", `Bearer ${TOKEN}`, "POST")).status, 405);
});

test("createPages: without a token the pages are not there", async () => {
  const { get, refused } = setUp({ token: undefined });
  for (const path of ["/metrics", "/health?detail"]) {
    assert.equal((await get(path)).status, 404);
    assert.equal((await get(path, "Bearer undefined")).status, 404);
  }
  assert.equal((await get("/health")).status, 200, "the plain check is for everybody");
  assert.equal(refused.times, 0);
});

test("createPages: health?detail has the depth, for who has the token", async () => {
  const depth = { ready: 7, inFlight: 1, delayed: 0, blocked: 0, dead: 2 };
  const { get } = setUp({ state: () => Promise.resolve({ depth, oldestAgeMs: 1_500, error: undefined }) });
  for (const path of ["/health?detail", "/health?detail=1", "/health?a=b&detail"]) {
    assert.equal((await get(path)).status, 401, path);
    const { status, body } = await get(path, `Bearer ${TOKEN}`);
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(body), {
      ok: true,
      checked: true,
      backend: "memory",
      key: "slack_events",
      depth,
      oldestAgeMs: 1_500,
    });
  }
  for (const path of ["/health", "/health?details", "/health?a=detail", "/health#?detail"]) {
    assert.deepEqual(JSON.parse((await get(path)).body), { ok: true, checked: true }, path);
  }
});

test("createPages: health?detail names the code of what it could not tell, and no host", async () => {
  const error = new QueueError("connection", "connect ECONNREFUSED 10.0.0.7:6379");
  const { get } = setUp({
    otherwise: () => Promise.resolve(Response.json({ ok: false, checked: true, error: "connection" }, { status: 503 })),
    state: () => Promise.resolve({ depth: undefined, oldestAgeMs: undefined, error }),
  });
  const { status, body } = await get("/health?detail", `Bearer ${TOKEN}`);
  assert.equal(status, 503);
  assert.equal(JSON.parse(body).depthError, "connection");
  assert.ok(!body.includes("10.0.0.7"));
});

test("createHealthPage: 200, and 503 with the code of the error; 404 elsewhere", async () => {
  const clock = new FakeClock();
  const health = { ok: true, latencyMs: 1 };
  const backend = { health: () => Promise.resolve(health) } as unknown as QueueBackend;
  const page = createHealthPage(backend, clock);
  const get = (path: string, method = "GET") => page(new Request(`http://localhost${path}`, { method }));
  assert.equal((await get("/health")).status, 200);
  Object.assign(health, { ok: false, error: new QueueError("connection", "connect ECONNREFUSED 10.0.0.7:6379") });
  assert.equal((await get("/health")).status, 200, "asked at most once in five seconds");
  await clock.advance(5_000);
  const bad = await get("/health");
  assert.equal(bad.status, 503);
  assert.deepEqual(await bad.json(), { ok: false, checked: true, latencyMs: 1, error: "connection" });
  assert.equal((await get("/health", "POST")).status, 405);
  for (const path of ["/slack/events", "/", "/healthy"]) assert.equal((await get(path, "POST")).status, 404);
});

test("createHealthPage: a memory backend is healthy", async () => {
  await using backend = new MemoryBackend();
  const response = await createHealthPage(backend)(new Request("http://localhost/health"));
  assert.equal(response.status, 200);
});
