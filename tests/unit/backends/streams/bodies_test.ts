import { test } from "node:test";
import assert from "node:assert/strict";
import { withReadableBodies } from "../../../../backends/streams/bodies.ts";
import { groupKeys } from "../../../../backends/streams/keys.ts";
import { Lease, LeaseGroup } from "../../../../backends/streams/lease_groups.ts";
import type { StreamsTransport } from "../../../../backends/streams/transport.ts";
import type { RawDelivery } from "../../../../core/driver.ts";

function delivery(member: string, body: string): RawDelivery {
  return { id: member, lease: new Lease(member, new LeaseGroup("lease:1")), body, attempts: 1 };
}

/** Runs the check on a text, on bytes and on plain text, over a transport that answers as given. */
async function check(answer: () => Promise<unknown>): Promise<[bodies: unknown[], asked: (readonly string[])[]]> {
  const asked: (readonly string[])[] = [];
  const transport = {
    run: (_script: unknown, _keys: unknown, args: readonly string[]) => {
      asked.push(args);
      return answer();
    },
  } as unknown as StreamsTransport;
  const found = [delivery("1-0", "\ufffd"), delivery("r2-0", "\ufffd"), delivery("3-0", "plain")];
  const readable = await withReadableBodies(transport, groupKeys("q", "g"), found, new AbortController().signal);
  return [readable.map(({ id, body }) => [id, body]), asked];
}

/** The digest of other bytes. */
const OTHER = "0".repeat(40);

test("withReadableBodies asks about bodies with U+FFFD alone and finds other bytes", async () => {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", new TextEncoder().encode("\ufffd")));
  const own = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const [bodies, asked] = await check(() => Promise.resolve([own, OTHER]));
  assert.deepEqual(bodies, [["1-0", "\ufffd"], ["r2-0", undefined], ["3-0", "plain"]]);
  assert.deepEqual(asked, [["sha1", "1", "1-0", "2", "2-0"]]);
});

test("withReadableBodies hands on what is certain where the server cannot be asked", async () => {
  const [bodies] = await check(() => Promise.reject(new Error("gone")));
  assert.deepEqual(bodies, [["3-0", "plain"]]);
});
