// The rules that a backend without leases must keep, proved for this one.
import { test } from "node:test";
import { testBackend } from "@slack-mcp/queue/testing";
import { type Lists, MyQueueBackend } from "../mod.ts";

await testBackend({
  test,
  harness: {
    name: "my_queue",
    open: () => {
      const lists: Lists = new Map(); // with a real broker: a namespace that no other case uses
      return { connect: () => new MyQueueBackend({ lists }) };
    },
  },
});
