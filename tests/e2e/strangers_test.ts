/**
 * Strangers at the webhook: requests that nobody signed, as hostile as a raw socket can write them. Bounded: it takes
 * what one attacker can do in the few seconds that a request lives.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { envelopeOf, SAMPLES } from "../../cli/samples.ts";
import { slackRequest, slackSignature } from "../../cli/sign.ts";
import { CloudflareApi } from "../fakes/cloudflare_api.ts";
import { CloudflareApiServer } from "../fakes/cloudflare_api_server.ts";
import { run } from "../runner/child.ts";
import { ROOT } from "../runner/suites.ts";
import { RUNTIMES } from "./support/runtimes.ts";
import { ServerProcess } from "../servers/server_process.ts";
import { exchange, plausibleHead as head, RawConnection } from "./support/raw_http.ts";

const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";
const MIB = 1024 * 1024;
/** The most memory that the server may have used at any time, in MiB. */
const MOST_MEMORY = 250;
const CONNECTIONS = 40;
/** The attacker is a process of its own, so that it cannot hold up the requests of this one. */
const ATTACK = "tests/e2e/support/chunk_attack.ts";

/** The most memory that a process has used so far, in MiB. */
function peakMemory(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib) / 1024;
}

/** Posts an event as Slack does: signed, and again when it is answered 503. */
async function postAsSlack(url: string, id: string): Promise<number> {
  let status = 503;
  for (let tries = 0; tries < 4 && status === 503; tries++) {
    const body = envelopeOf(SAMPLES[0]!.event, id);
    const response = await fetch(await slackRequest(`${url}/slack/events`, { secret: SECRET, body }));
    await response.body?.cancel();
    status = response.status;
  }
  return status;
}

for (const [name, command] of RUNTIMES) {
  test(`webhook on ${name} holds ${CONNECTIONS} MiB of one-byte chunks in little memory`, async () => {
    await using server = new ServerProcess(command, { SLACK_SIGNING_SECRET: SECRET, QUEUE_BACKEND: "memory" });
    const url = await server.url();
    const args = ["run", "-A", "--no-check", ATTACK, url, `${CONNECTIONS}`, `${MIB}`];
    const attack = run(Deno.execPath(), args, { cwd: ROOT });
    const signed: number[] = [];
    let over = false;
    void attack.finally(() => over = true).catch(() => undefined);
    for (let index = 0; !over || index < 5; index++) signed.push(await postAsSlack(url, `Ev${index}`));
    const { code, stdout, stderr } = await attack;
    assert.equal(code, 0, stderr);
    const statuses = JSON.parse(stdout) as number[];
    // 408: what Node itself says where a request took longer than ten seconds. 0: the server has closed the connection while
    // more was on its way, and the reset that this makes of it has taken the answer with it.
    assert.ok(statuses.every((status) => [0, 401, 408, 503].includes(status)), stdout);
    assert.deepEqual([...new Set(signed)], [200], "signed events are answered meanwhile");
    const memory = peakMemory(server.pid);
    assert.ok(memory < MOST_MEMORY, `${memory} MiB`);
    server.kill("SIGTERM");
    assert.equal(await server.ended, 0);
    const { slowBody = 0, brokenBody = 0, unauthorized = 0, accepted } = server.lines(
      "stopped",
    )[0] as unknown as Record<
      string,
      number
    >;
    const ours = statuses.filter((status) => ![0, 408].includes(status)).length;
    assert.ok(slowBody + brokenBody + unauthorized >= ours, "each that was answered is counted as what it was");
    assert.equal(accepted, signed.length);
  });

  test(`webhook on ${name} survives bodies that lie, never end or break off`, async () => {
    await using server = new ServerProcess(command, { SLACK_SIGNING_SECRET: SECRET, QUEUE_BACKEND: "memory" });
    const url = await server.url();
    const extension = `1;${"x".repeat(32_768)}\r\ny\r\n`;
    const hostile: Readonly<Record<string, string>> = {
      "a body that never begins": head("Content-Length: 1000"),
      "a body that stops": head("Content-Length: 1000") + "{",
      "a chunk that never comes": head("Transfer-Encoding: chunked") + "3e8\r\n{",
      "huge chunk extensions": head("Transfer-Encoding: chunked") + extension.repeat(16),
      "more than Content-Length": head("Content-Length: 2") + "{}".repeat(1_000),
      "a Content-Length of 1 TB": head("Content-Length: 1000000000000") + "{",
      "a chunk of 1 TB": head("Transfer-Encoding: chunked") + "e8d4a51000\r\n{",
      "both lengths": head("Content-Length: 2\r\nTransfer-Encoding: chunked") + "2\r\n{}\r\n0\r\n\r\n",
      "a negative Content-Length": head("Content-Length: -1"),
    };
    await Promise.all(
      Object.entries(hostile).map(async ([what, bytes]) => {
        await using connection = await RawConnection.open(url);
        connection.write(bytes);
        const { status } = await connection.answer();
        // 0: the server has closed the connection without an answer, which is its right where the request is no HTTP.
        assert.ok([0, 400, 401, 408, 413, 431, 503].includes(status), `${what}: ${status}`);
      }),
    );
    // Bodies that break off.
    for (let index = 0; index < 10; index++) {
      await using connection = await RawConnection.open(url);
      await connection.drained(new TextEncoder().encode(head("Content-Length: 1000") + "{"));
    }
    assert.equal(await postAsSlack(url, "EvAfter"), 200);
    const memory = peakMemory(server.pid);
    assert.ok(memory < MOST_MEMORY, `${memory} MiB`);
    await server.line("slow body: the request did not arrive in time");
    server.kill("SIGTERM");
    assert.equal(await server.ended, 0);
    const { unconfirmed, slowBody = 0 } = server.lines("stopped")[0] as unknown as Record<string, number>;
    assert.equal(unconfirmed, 0, "the queue has confirmed all that it was asked for");
    assert.ok(slowBody >= 3, `${slowBody} slow bodies`);
  });

  test(`webhook on ${name} answers whatever the Host header is`, async () => {
    await using server = new ServerProcess(command, { SLACK_SIGNING_SECRET: SECRET, QUEUE_BACKEND: "memory" });
    const url = await server.url();
    const hosts = ["a b", "h:99999", "[::1", "", "%", "a@b", "x?y", "x\\slack\\events", "x/slack/events", "x/health#"];
    const requests: (readonly [string, string, string])[] = hosts.map((host) => ["1.1", `Host: ${host}\r\n`, host]);
    requests.push(["1.0", "", "none, on HTTP/1.0"]);
    for (const [version, host, what] of requests) {
      const get = async (path: string) => await exchange(url, `GET ${path} HTTP/${version}\r\n${host}\r\n`);
      assert.equal((await get("/health")).status, 200, what);
      const { status, body } = await get("/");
      assert.equal(status, 404, what);
      assert.equal(body, "nothing is here", "an answer of ours");
      assert.equal((await get("/slack/events")).status, 405, what);
      const text = JSON.stringify(envelopeOf(SAMPLES[0]!.event, `Ev ${what}`));
      const timestamp = `${Math.floor(Date.now() / 1000)}`;
      const signed = await exchange(
        url,
        `POST /slack/events HTTP/${version}\r\n${host}Content-Length: ${new TextEncoder().encode(text).length}\r\n` +
          `x-slack-request-timestamp: ${timestamp}\r\n` +
          `x-slack-signature: ${await slackSignature(SECRET, timestamp, text)}\r\n\r\n${text}`,
      );
      assert.equal(signed.status, 200, what);
    }
    const whole = await exchange(url, "GET http://evil.example/health HTTP/1.1\r\nHost: bot.example\r\n\r\n");
    assert.equal(whole.status, 200, "a proxy writes a whole URL");
    assert.equal(server.stderr, "");
    server.kill("SIGTERM");
    assert.equal(await server.ended, 0);
    const stats = server.lines("stopped")[0] as unknown as Record<string, number>;
    const { accepted, notFound, notAllowed, healthy } = stats;
    const each = requests.length;
    assert.deepEqual({ accepted, notFound, notAllowed, healthy }, {
      accepted: each,
      notFound: each,
      notAllowed: each,
      healthy: each + 1,
    });
  });

  test(`webhook on ${name}: 1,300 probes of two instances leave Cloudflare's limit to events`, async () => {
    const api = new CloudflareApi();
    const fake = await new CloudflareApiServer(api).start();
    try {
      const { id } = api.queue("slack-events");
      const env = {
        SLACK_SIGNING_SECRET: SECRET,
        QUEUE_BACKEND: "cloudflare",
        CLOUDFLARE_URL: fake.url,
        CLOUDFLARE_ACCOUNT_ID: api.accountId,
        CLOUDFLARE_API_TOKEN: api.token,
        CLOUDFLARE_QUEUES: JSON.stringify({ slack_events: id }),
      };
      await using one = new ServerProcess(command, env);
      await using two = new ServerProcess(command, env);
      const urls = [await one.url(), await two.url()];
      const statuses: number[] = [];
      const probes = Array.from({ length: 1_300 }, (_, index) => `${urls[index % 2]}/health`).values();
      await Promise.all(Array.from({ length: 32 }, async () => {
        for (const probe of probes) {
          const response = await fetch(probe);
          await response.body?.cancel();
          statuses.push(response.status);
        }
      }));
      assert.deepEqual([...new Set(statuses)], [200]);
      const asked = api.count("list");
      for (let index = 0; index < 12; index++) assert.equal(await postAsSlack(urls[index % 2]!, `Ev${index}`), 200);
      assert.ok(asked >= 2 && asked < 120, `${asked} requests for 1,300 probes`);
    } finally {
      await fake.stop();
    }
  });
}
