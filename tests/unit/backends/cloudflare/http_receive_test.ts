// Pulling over Cloudflare's HTTP API.
import { test } from "node:test";
import assert from "node:assert/strict";
import type { RawDelivery } from "../../../../core/driver.ts";
import type { ConsumeError } from "../../../../core/errors.ts";
import { asked, code, KEY, message, never, setup } from "../../support/cloudflare_setup.ts";

const bodies = (deliveries: RawDelivery[]) =>
  deliveries.map(({ body }) => typeof body === "string" ? JSON.parse(body) : body);

test("cloudflare http: reads bodies of every content type, others stay as they are", async () => {
  const cases: [shown: { body: unknown; type?: string }, expected: unknown][] = [
    [{ body: btoa('{"n":1}'), type: "json" }, { n: 1 }],
    [{ body: btoa('{"n":"\xc3\xbc"}'), type: "json" }, { n: "ü" }],
    [{ body: '{"n":1}', type: "json" }, { n: 1 }],
    [{ body: ' {"n":1}', type: "json" }, { n: 1 }],
    [{ body: { n: 1 }, type: "json" }, { n: 1 }],
    [{ body: btoa('{"n":1}'), type: "bytes" }, { n: 1 }],
    [{ body: '{"n":1}', type: "text" }, { n: 1 }],
    [{ body: '{"n":1}' }, { n: 1 }],
    [{ body: btoa('{"n":1}') }, { n: 1 }],
    [{ body: "hello", type: "json" }, "hello"],
    [{ body: btoa("[1]"), type: "json" }, "[1]"],
    [{ body: btoa("[1]"), type: "text" }, btoa("[1]")],
    [{ body: null, type: "json" }, "null"],
  ];
  for (const [{ body, type }, expected] of cases) {
    const { driver } = setup({
      queues: { [KEY]: "0123456789abcdef0123456789abcdef" },
      fetch: () =>
        Promise.resolve(Response.json({
          success: true,
          result: {
            messages: [{ id: "m", body, lease_id: "l", ...type && { metadata: { "CF-Content-Type": type } } }],
          },
        })),
    });
    const [delivery] = await driver.receive(KEY, asked());
    const text = delivery!.body as string;
    assert.deepEqual(typeof expected === "string" ? text : JSON.parse(text), expected, JSON.stringify({ body, type }));
    assert.equal(delivery!.attempts, 1);
  }
});

test("cloudflare http: settles a round in one request, warnings return false", async () => {
  const { driver, backend, api, queue, clock } = setup({ settings: { lateAcks: "refused" } });
  await backend.publishBatch(KEY, [1, 2, 3, 4].map((n) => ({ payload: { n } })));
  const leases = (await driver.receive(KEY, asked())).map(({ lease }) => lease);
  const gone = (await driver.settle(KEY, "slack-mcp", [{ kind: "ack", lease: leases[0] }], never()))[0];
  const before = api.count("ack");
  const answers = await driver.settle(KEY, "slack-mcp", [
    { kind: "ack", lease: leases[0] },
    { kind: "ack", lease: leases[1] },
    { kind: "retry", lease: leases[2], delayMs: 2500, cause: undefined },
    { kind: "release", lease: leases[3] },
  ], never());
  assert.deepEqual([gone, answers, api.count("ack") - before], [true, [false, true, true, true], 1]);
  assert.deepEqual(queue.messages.map(({ visibleAt }) => visibleAt - clock.now()), [3000, 0]);
});

test("cloudflare http: an idle consumer pulls no more often than is declared", async () => {
  for (const maxPollMs of [undefined, 1000, 60_000]) {
    const { driver, api, clock } = setup({ maxPollMs });
    const until = clock.now() + 3_600_000;
    while (clock.now() < until) await driver.receive(KEY, asked({ waitMs: 30_000 }));
    const pulls = api.count("pull");
    const { idleCostPerHour } = driver.capabilities;
    assert.ok(pulls <= idleCostPerHour, `${pulls} pulls, ${idleCostPerHour} declared`);
    assert.ok(pulls > idleCostPerHour * 0.9, `${pulls} pulls, ${idleCostPerHour} declared`);
    assert.equal(clock.pending, 0);
  }
});

test("cloudflare http: an idle day stays below the free plan's 10,000 operations", () => {
  assert.ok(setup().driver.capabilities.idleCostPerHour * 24 < 10_000);
});

test("cloudflare http: an own publish wakes an idle consumer and shortens its gaps", async () => {
  const { driver, backend, api, clock } = setup();
  for (let turn = 0; turn < 10; turn++) await driver.receive(KEY, asked({ waitMs: 30_000 }));
  const idle = backendReceive();
  const before = clock.now();
  await driver.send(KEY, [message({ n: 1 })], never());
  assert.deepEqual(bodies(await idle), [{ n: 1 }]);
  assert.ok(clock.now() - before < 10, `woken after ${clock.now() - before} ms`);
  const pulls = api.count("pull");
  await driver.receive(KEY, asked({ waitMs: 1000 }));
  assert.ok(api.count("pull") - pulls >= 2);
  await backend.close();

  function backendReceive() {
    return driver.receive(KEY, asked({ waitMs: 30_000 }));
  }
});

test("cloudflare http: a delayed retry is pulled when due and never earlier", async () => {
  const { driver, backend, clock } = setup();
  await backend.publish(KEY, { n: 1 });
  const [first] = await driver.receive(KEY, asked());
  const at = clock.now();
  await driver.settle(
    KEY,
    "slack-mcp",
    [{ kind: "retry", lease: first!.lease, delayMs: 15_000, cause: undefined }],
    never(),
  );
  let again: RawDelivery[] = [];
  while (again.length === 0) again = await driver.receive(KEY, asked({ waitMs: 30_000 }));
  assert.equal(again[0]!.attempts, 2);
  assert.equal(clock.now() - at, 15_000);
});

test("cloudflare http: refuses a retry delay over 24 hours and settles nothing", async () => {
  const { backend, queue } = setup();
  await backend.publish(KEY, { n: 1 });
  for await (const delivery of backend.receive(KEY)) {
    await assert.rejects(delivery.retry({ delayMs: 86_400_001 }), RangeError);
    assert.equal(await delivery.ack(), true);
    break;
  }
  assert.equal(queue.size, 0);
});

test("cloudflare http: an aborted wait ends at once and leases nothing", async () => {
  const { driver, backend, api, queue, clock } = setup();
  const stop = new AbortController();
  await driver.receive(KEY, asked());
  const waiting = driver.receive(KEY, asked({ waitMs: 30_000, signal: stop.signal }));
  stop.abort();
  assert.deepEqual(await waiting, []);
  assert.equal(clock.pending, 0);
  const pulls = api.count("pull");
  await backend.publish(KEY, {});
  assert.deepEqual(await driver.receive(KEY, asked({ signal: stop.signal })), []);
  assert.deepEqual([api.count("pull"), queue.messages[0]!.attempts], [pulls, 0]);
});

test("cloudflare http: a pull under way at the stop gives back what it leased", async () => {
  const { backend, api, queue, clock } = setup();
  await backend.publish(KEY, {});
  api.fault({ kind: "latency", ms: 1 }, "pull");
  const stop = new AbortController();
  const next = backend.receive(KEY, { signal: stop.signal }).next();
  while (api.count("pull") === 0) await Promise.resolve();
  stop.abort();
  assert.equal((await next).done, true);
  await backend.close();
  assert.deepEqual([queue.size, queue.messages[0]!.attempts], [1, 1]);
  assert.ok(queue.messages[0]!.visibleAt <= clock.now());
});

test("cloudflare http: depth is the platform's number less own leases and delays", async () => {
  const { backend, queue, clock } = setup();
  await backend.publishBatch(KEY, Array.from({ length: 10 }, (_, n) => ({ payload: { n } })));
  await backend.publish(KEY, { n: 10 }, { delayMs: 60_000 });
  assert.deepEqual(await backend.depth(KEY), { ready: 10, inFlight: 0, delayed: 1, blocked: 0, dead: 0 });
  const deliveries = backend.receive(KEY, { prefetch: 3 });
  const [one, two, three] = [await take(), await take(), await take()];
  assert.deepEqual(await backend.depth(KEY), { ready: 7, inFlight: 3, delayed: 1, blocked: 0, dead: 0 });
  await one.ack();
  await two.retry({ delayMs: 30_000 });
  await three.deadLetter("poison");
  await deliveries.return?.();
  assert.deepEqual(await backend.depth(KEY), { ready: 7, inFlight: 0, delayed: 2, blocked: 0, dead: 1 });
  clock.skip(60_000);
  assert.deepEqual(await backend.depth(KEY), { ready: queue.size, inFlight: 0, delayed: 0, blocked: 0, dead: 1 });

  async function take() {
    return (await deliveries.next()).value!;
  }
});

test("cloudflare http: health asks for something and publishes nothing", async () => {
  const { backend, api, queue } = setup();
  assert.equal((await backend.health()).ok, true);
  api.fault({ kind: "refuse", status: 403, code: 10000 });
  const { ok, error } = await backend.health();
  assert.deepEqual([ok, (error as ConsumeError).code, queue.size], [false, "unauthorized", 0]);
});

test("cloudflare http: what the platform lacks is declared and refused", async () => {
  const { backend } = setup();
  const { dedup, groups, fencing, extend, release, ttl, maxLength, order } = backend.capabilities;
  assert.deepEqual([dedup, groups, fencing, extend, release, ttl, maxLength, order], [
    false,
    false,
    false,
    false,
    false,
    false,
    false,
    "best-effort",
  ]);
  await assert.rejects(backend.publish(KEY, {}, { ttlMs: 1000 }), code("unsupported"));
  assert.throws(() => backend.receive(KEY, { group: "other" }), code("unsupported"));
  await backend.publish(KEY, {});
  for await (const delivery of backend.receive(KEY)) {
    await assert.rejects(delivery.extend(1000), code("unsupported"));
    await delivery.ack();
    break;
  }
  await assert.rejects(backend.receive(KEY, { leaseMs: 43_200_001 }).next(), code("invalid"));
});
