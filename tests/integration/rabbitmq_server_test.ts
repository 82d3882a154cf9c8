// not on bun: the server of the tests is the same there
// not on node: the server of the tests is the same there
// not on workerd: starts a rabbitmq-server
import assert from "node:assert/strict";
import { startRabbitMQ } from "../servers/rabbitmq_server.ts";
import { requires } from "../runner/services.ts";

const test = requires("rabbitmq-server");

test("rabbitmq: a node that was killed comes back, whatever asked for it meanwhile", async () => {
  await using node = await startRabbitMQ();
  await node.kill();
  // As the broker itself does once a minute, this looks for the name server, and would start one that nobody ends.
  await assert.rejects(node.ctl("status"));
  await node.restart();
  await node.kill();
  await node.restart();
  assert.match(await node.ctl("list_vhosts"), /\//);
});
