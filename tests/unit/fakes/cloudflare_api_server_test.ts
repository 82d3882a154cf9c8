// The test server of Cloudflare's API over HTTP, and what Cloudflare's own client says to it.
// not on workerd: listens on a port
import { test } from "node:test";
import assert from "node:assert/strict";
import Cloudflare from "cloudflare";
import { CloudflareApi } from "../../fakes/cloudflare_api.ts";
import { CloudflareApiServer } from "../../fakes/cloudflare_api_server.ts";

const decode = (body: string) =>
  JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(body), (c) => c.charCodeAt(0))));

test("cloudflare api: the official client agrees, over HTTP", async () => {
  const api = new CloudflareApi();
  const server = await new CloudflareApiServer(api).start();
  try {
    const client = new Cloudflare({ apiToken: api.token, baseURL: server.url, maxRetries: 0 });
    const account_id = api.accountId;
    const made = await client.queues.create({ account_id, queue_name: "slack-events" });
    const id = made.queue_id!;
    const found = [];
    for await (const queue of client.queues.list({ account_id })) found.push(queue.queue_name);
    assert.deepEqual(found, ["slack-events"]);
    assert.equal((await client.queues.get(id, { account_id })).queue_name, "slack-events");

    await client.queues.messages.push(id, { account_id, body: { n: 1 }, content_type: "json" });
    await client.queues.messages.bulkPush(id, {
      account_id,
      messages: [{ body: { n: 2 }, content_type: "json" }, { body: "three", content_type: "text" }],
    });
    assert.equal((await client.queues.getMetrics(id, { account_id })).backlog_count, 3);
    assert.equal((await client.queues.messages.peek(id, { account_id, batch_size: 10 })).messages?.length, 3);

    const pulled = await client.queues.messages.pull(id, { account_id, batch_size: 10, visibility_timeout_ms: 30_000 });
    const [one, two, three] = pulled.messages!;
    assert.deepEqual([decode(one!.body!), decode(two!.body!), three!.body], [{ n: 1 }, { n: 2 }, "three"]);
    const acked = await client.queues.messages.ack(id, {
      account_id,
      acks: [{ lease_id: one!.lease_id }, { lease_id: two!.lease_id }],
      retries: [{ lease_id: three!.lease_id, delay_seconds: 0 }],
    });
    assert.deepEqual([acked.ackCount, acked.retryCount], [2, 1]);

    const { messages: [last] = [] } = await client.queues.messages.peek(id, { account_id });
    const purged = await client.queues.messages.purge(id, { account_id, refs: [{ ref: last!.ref! }] });
    assert.deepEqual(purged.errors, []);
    await client.queues.messages.push(id, { account_id, body: "x", content_type: "text" });
    await client.queues.purge.start(id, { account_id, delete_messages_permanently: true });
    assert.equal((await client.queues.getMetrics(id, { account_id })).backlog_count, 0);

    await assert.rejects(
      client.queues.getMetrics("0123", { account_id }),
      (error: InstanceType<typeof Cloudflare.APIError>) => error.status === 404 && error.errors[0]?.code === 10104,
    );
    const stranger = new Cloudflare({ apiToken: "wrong", baseURL: server.url, maxRetries: 0 });
    await assert.rejects(stranger.queues.getMetrics(id, { account_id }), Cloudflare.PermissionDeniedError);
    api.fault({ kind: "refuse", status: 429, code: 10250 });
    await assert.rejects(client.queues.getMetrics(id, { account_id }), Cloudflare.RateLimitError);
    api.fault({ kind: "lost" }, "send");
    await assert.rejects(client.queues.messages.push(id, { account_id, body: {}, content_type: "json" }));
    assert.equal(api.queue("slack-events").size, 1);
  } finally {
    await server.stop();
  }
});

test("cloudflare api: the server comes back on its port with what it held", async () => {
  const api = new CloudflareApi();
  const server = await new CloudflareApiServer(api).start();
  const { url } = server;
  const queue = api.queue("q");
  const send = () =>
    fetch(`${url}/accounts/${api.accountId}/queues/${queue.id}/messages`, {
      method: "POST",
      headers: { authorization: `Bearer ${api.token}` },
      body: '{"body":{}}',
    }).then((response) => response.json());
  try {
    assert.equal((await send()).success, true);
    await server.stop();
    await assert.rejects(send());
    await server.start();
    assert.equal(server.url, url);
    assert.equal((await send()).success, true);
    assert.equal(queue.size, 2);
  } finally {
    await server.stop();
  }
});
