// Rule 1 over HTTP: where no byte can have left, the error names the cause.
// not on workerd: it does not tell a refused connection from a lost one
import { test } from "node:test";
import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { CloudflareHttpBackend } from "../../../backends/cloudflare/mod.ts";
import { connectProblem, requestText, retryAfterMs } from "../../../backends/http.ts";
import { UpstashBackend } from "../../../backends/upstash/mod.ts";
import type { ErrorCode, QueueError } from "../../../core/errors.ts";
import type { LeasingBackend } from "../../../core/protocol.ts";
import { systemClock } from "../../../core/util/clock.ts";
import { HandClock } from "../../doubles/hand_clock.ts";

/** Listens on a free port; `onData` gets what a client sends first. */
async function listen(onData: (socket: import("node:net").Socket) => void): Promise<[Server, number]> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined); // the client may have gone
    socket.once("data", () => onData(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return [server, (server.address() as AddressInfo).port];
}

async function closedPort(): Promise<number> {
  const [server, port] = await listen(() => undefined);
  server.close();
  await once(server, "close");
  return port;
}

async function rejected(promise: Promise<unknown>): Promise<QueueError> {
  return await promise.then(() => assert.fail("it resolved"), (error) => error);
}

function open(url: string, timeoutMs = 700, send?: typeof fetch): LeasingBackend[] {
  const options = { timeoutMs, maxRetries: 1, closeDeadlineMs: 0, retryDelayMs: 20, ...send && { fetch: send } };
  return [
    new UpstashBackend({ ...options, url, token: "secret" }),
    new CloudflareHttpBackend({
      ...options,
      apiUrl: url,
      accountId: "0123456789abcdef0123456789abcdef",
      apiToken: "secret",
      queues: () => "11111111111111111111111111111111",
    }),
  ];
}

async function check(url: string, code: ErrorCode, cause: RegExp, backendTimeoutMs = 700): Promise<void> {
  for (const backend of open(url, backendTimeoutMs)) {
    // A first request may still look up its host at a deadline, and fetch does not say so. It is known from then on.
    await rejected(backend.publish("k", {}, { timeoutMs: 30_000 }));
    const expect = (call: string, error: Error | undefined) => {
      assert.equal((error as QueueError | undefined)?.code, code, `${backend.name}, ${call}: ${error}`);
      assert.match(error!.message, cause, `${backend.name}, ${call}`);
      assert.doesNotMatch(error!.message, /secret/);
    };
    const calls: [string, Promise<unknown>][] = [250, backendTimeoutMs, 2 * backendTimeoutMs].flatMap((timeoutMs) => [
      [`publish ${timeoutMs}`, backend.publish("k", { n: 1 }, { timeoutMs })],
      [`publishBatch ${timeoutMs}`, backend.publishBatch("k2", [{ payload: {} }, { payload: {} }], { timeoutMs })],
    ]);
    calls.push(["depth", backend.depth("k")]);
    await Promise.all(calls.map(async ([call, promise]) => expect(call, await rejected(promise))));
    const { ok, error } = await backend.health();
    assert.equal(ok, false);
    expect("health", error);
    await backend.close();
  }
}

test("requestText names a refused connection, for every call of a backend", async () => {
  await check(`http://127.0.0.1:${await closedPort()}`, "connection", /ECONNREFUSED/);
});

test("requestText names a host that does not exist", async () => {
  await check("http://no-such-host.invalid", "connection", /ENOTFOUND|EAI_AGAIN/, 20_000); // a resolver may take its time
});

test("requestText names a TLS handshake with a plain port", async () => {
  const [server, port] = await listen((socket) => socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"));
  await check(`https://127.0.0.1:${port}`, "connection", /TLS|SSL|InvalidContentType/);
  server.close();
});

for (const status of [401, 403]) {
  test(`Backends over HTTP report credentials that are refused with ${status}`, async () => {
    const body = '{"success":false,"errors":[],"error":"Unauthorized"}';
    const answer = `HTTP/1.1 ${status} No\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const [server, port] = await listen((socket) => socket.end(answer));
    for (const backend of open(`http://127.0.0.1:${port}`)) {
      for (const timeoutMs of [250, 700, 1_500]) {
        const error = await rejected(backend.publish("k", {}, { timeoutMs }));
        const code = backend.name === "upstash" && status === 401 ? "config" : "unauthorized";
        assert.equal(error.code, code, String(error));
      }
      await backend.close();
    }
    server.close();
  });
}

test("requestText reports an unknown outcome where the request left and no reply came", async () => {
  const [server, port] = await listen((socket) => socket.destroy());
  const request = (repeatable: boolean) =>
    requestText(`http://127.0.0.1:${port}`, { method: "POST", body: "{}" }, {
      fetch: (input, init) => fetch(input, init),
      clock: systemClock,
      timeoutMs: 10_000,
      signal: new AbortController().signal,
      repeatable,
    });
  assert.equal((await rejected(request(false))).code, "unknown-outcome");
  assert.equal((await rejected(request(true))).code, "connection");
  server.close();
});

test("requestText bounds an unanswered request and sends no abandoned one", async () => {
  const clock = new HandClock();
  let requests = 0;
  const send = (repeatable: boolean, signal: AbortSignal) =>
    requestText("http://example.invalid", {}, {
      fetch: ((_input: unknown, init: RequestInit) => {
        requests += 1;
        return new Promise((_, reject) => init.signal!.addEventListener("abort", () => reject(init.signal!.reason)));
      }) as typeof fetch,
      clock,
      timeoutMs: 1_000,
      signal,
      repeatable,
    });
  const { signal } = new AbortController();
  const outcomes = [false, true].map((repeatable) => rejected(send(repeatable, signal)));
  await clock.advance(1_000);
  assert.deepEqual((await Promise.all(outcomes)).map(({ code }) => code), ["unknown-outcome", "timeout"]);
  assert.match((await outcomes[0]!).message, /within 1000 ms/);
  for (const repeatable of [false, true]) {
    assert.equal((await rejected(send(repeatable, AbortSignal.abort()))).code, "timeout");
  }
  assert.deepEqual([requests, clock.waits()], [2, []]);
});

test("connectProblem knows the words of each runtime, and takes nothing else for one", () => {
  const caused = (message: string, code?: string) =>
    new TypeError("fetch failed", { cause: Object.assign(new Error(message), code !== undefined && { code }) });
  const never = [
    caused("connect ECONNREFUSED 127.0.0.1:1", "ECONNREFUSED"),
    caused("error sending request for url (http://x/): client error (Connect): tcp connect error: Connection refused"),
    caused("error sending request for url (http://x/): client error (Connect): dns error: failed to lookup address"),
    Object.assign(new TypeError("Unable to connect. Is the computer able to access the url?"), {
      code: "ECONNREFUSED",
    }),
    caused("getaddrinfo ENOTFOUND x", "ENOTFOUND"),
    caused("self-signed certificate", "DEPTH_ZERO_SELF_SIGNED_CERT"),
    caused("", "UND_ERR_CONNECT_TIMEOUT"),
    new AggregateError([Object.assign(new Error("connect ECONNREFUSED ::1:1"), { code: "ECONNREFUSED" })], ""),
  ];
  for (const error of never) assert.notEqual(connectProblem(error), undefined, String(error.cause ?? error));
  const maybe = [
    caused("read ECONNRESET", "ECONNRESET"),
    caused("other side closed", "UND_ERR_SOCKET"),
    caused("error sending request: client error (SendRequest): connection closed before message completed"),
    new Error("Network connection lost."),
    new DOMException("The operation timed out.", "TimeoutError"),
  ];
  for (const error of maybe) assert.equal(connectProblem(error), undefined, String(error));
});

test("retryAfterMs reads seconds and dates, and nothing else", () => {
  const clock = new HandClock(Date.UTC(2026, 0, 1));
  const read = (value: string) => retryAfterMs(new Headers({ "retry-after": value }), clock);
  assert.deepEqual(["2", "0.5", "Thu, 01 Jan 2026 00:00:03 GMT"].map(read), [2_000, 500, 3_000]);
  for (const value of ["", "0", "-1", "soon", "Infinity", "Wed, 31 Dec 2025 23:59:59 GMT"]) {
    assert.equal(read(value), undefined, value);
  }
  assert.equal(retryAfterMs(new Headers(), clock), undefined);
});

test("Reachability probes before the next publish, not while requests are answered", async () => {
  const urls: string[] = [];
  let answer: "refuse" | "hang" | "reply" = "refuse";
  const send = ((input: string, init: RequestInit) => {
    urls.push(`${init.method} ${input} ${typeof init.body === "string" ? init.body.slice(0, 8) : ""}`);
    if (answer === "refuse") return Promise.reject(new TypeError("fetch failed", { cause: new Error("ECONNREFUSED") }));
    if (answer === "reply") return Promise.resolve(new Response('{"success":true,"result":"1-1*1"}'));
    return new Promise((_, reject) => init.signal!.addEventListener("abort", () => reject(init.signal!.reason)));
  }) as typeof fetch;
  for (const backend of open("http://example.invalid", 60_000, send)) {
    answer = "refuse";
    await rejected(backend.publish("k", {}));
    answer = "hang";
    urls.length = 0;
    const error = await rejected(backend.publish("k", {}, { timeoutMs: 50 }));
    assert.deepEqual([error.code, urls.length], ["connection", 1], backend.name);
    assert.match(error.message, /ECONNREFUSED/);
    answer = "reply";
    await backend.publish("k", {});
    urls.length = 0;
    await backend.publish("k", {});
    assert.equal(urls.length, 1, `${backend.name}: ${urls}`);
    await backend.close();
  }
});
