// not on workerd: uses node:crypto, as the backend does
import { test } from "node:test";
import assert from "node:assert/strict";
import { queueNameOf, routingKeyOf } from "../../../../backends/rabbitmq/names.ts";

const plain = { exchange: "slack_events", template: undefined };
const bytes = (text: string) => new TextEncoder().encode(text).length;

test("queueNameOf names queues as the Python guide does", () => {
  assert.equal(queueNameOf(plain, "slack_events", "bots"), "slack_events_bots");
  assert.equal(queueNameOf(plain, "slack_events", "my_bots"), "slack_events_my_bots");
  assert.equal(queueNameOf(plain, "orders", "bots"), "slack_events_orders_bots");
});

test("queueNameOf fills a template", () => {
  const template = { exchange: "slack_events", template: "q.{group}.{key}@{exchange}" };
  assert.equal(queueNameOf(template, "orders", "{key}"), "q.{key}.orders@slack_events");
});

test("queueNameOf keeps long names short and apart", () => {
  for (const long of ["g".repeat(201), "ä".repeat(150), "世".repeat(100), "😀".repeat(80)]) {
    const names = [queueNameOf(plain, long, "a"), queueNameOf(plain, long, "b"), queueNameOf(plain, "a", long)];
    assert.equal(new Set(names).size, 3, long);
    for (const name of names) {
      assert.ok(bytes(name) <= 200, `${bytes(name)} bytes`);
      assert.ok(name.isWellFormed());
    }
    assert.equal(queueNameOf(plain, long, "a"), names[0]);
  }
});

test("queueNameOf keeps a group's queue apart from the queues beside another's", () => {
  for (const end of [".dead", ".due", ".delay.4", ".delay.31"]) {
    assert.notEqual(queueNameOf(plain, "slack_events", `bots${end}`), `slack_events_bots${end}`);
  }
  assert.equal(queueNameOf(plain, "slack_events", "the.dead.ones"), "slack_events_the.dead.ones");
});

test("routingKeyOf is the key, unless an exchange would read it as a pattern", () => {
  for (const key of ["slack_events", "a.b", "a*", "#1", "ä 世界", "k".repeat(255)]) {
    assert.equal(routingKeyOf(key), key);
  }
  const encoded = ["*", "#", "a.*", "#.a", "a.#.b", "k".repeat(256), "世".repeat(86)].map(routingKeyOf);
  assert.equal(new Set(encoded).size, encoded.length);
  for (const key of encoded) assert.match(key, /^sha256-[0-9a-f]{64}$/);
});
