// not on workerd: starts a redis-server
import assert from "node:assert/strict";
import { groupKeys, helperPrefix, queueKeys, sentKey } from "../../backends/streams/keys.ts";
import { startRedis } from "../servers/redis_server.ts";
import { requires } from "../runner/services.ts";

const test = requires("redis-server");

const PLAIN = ["slack_events", "slack:events", "a b", "ключ", "a{b", "{open"];
const TAGGED = ["{tenant}:events", "a{t}b", "x{t}{u}"];

test("groupKeys starts helper keys with a brace, which no plain pattern matches", () => {
  for (const key of [...PLAIN, ...TAGGED, "a}b", "{}x"]) {
    const { stream, channel: _, group: __, ...helpers } = groupKeys(key, "slack:group");
    assert.equal(stream, key);
    for (const helper of [...Object.values(helpers), sentKey(key, "p")]) assert.ok(helper.startsWith("{"), helper);
  }
  assert.equal(helperPrefix("slack:events"), "{slack:events}:");
});

test("queueKeys puts helper keys into the key's own slot of a cluster", async () => {
  await using redis = await startRedis({ cluster: true });
  for (const key of [...PLAIN, ...TAGGED]) {
    const slot = await redis.call("CLUSTER", "KEYSLOT", key);
    assert.equal(await redis.call("CLUSTER", "KEYSLOT", queueKeys(key).wake), slot, key);
  }
});

test("groupKeys gives no two keys or groups the same helper key", () => {
  const seen = new Set<string>();
  for (const key of [...PLAIN, ...TAGGED, "t", "tenant", "a}b", "group", "{t}:a{t}b"]) {
    for (const group of ["a", "b", "a:leases"]) {
      const shared = new Set(Object.keys(queueKeys(key)).concat("group"));
      const own = Object.entries(groupKeys(key, group)).filter(([name]) => !shared.has(name));
      for (const [, name] of own) {
        assert.ok(!seen.has(name), name);
        seen.add(name);
      }
    }
  }
});
