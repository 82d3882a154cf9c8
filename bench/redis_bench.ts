/**
 * Redis: what the backend costs beside plain ioredis, the raw commands, and BullMQ, on one redis-server of its own.
 *
 * Every pair is measured in turns, several times, and the best of each counts: other work of the machine only makes a
 * turn slower. `deno task bench redis` runs it; a redis-server must be on the PATH.
 *
 * @module
 */
import { RedisBackend } from "@slack-mcp/queue/redis";
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { SEND_PLAIN } from "../backends/streams/scripts.ts";
import { startRedis } from "../tests/servers/redis_server.ts";
import { type Rate, Report } from "./report.ts";

const BATCH = 1_000;
const payload = { type: "event_callback", event_id: "Ev0PV52K21", event: { type: "message", ts: "1700000000.123456" } };
const text = JSON.stringify(payload);
const messages = Array.from({ length: BATCH }, () => ({ payload }));

await using server = await startRedis();
const connection = { host: "127.0.0.1", port: server.port };
const redis = new Redis(connection);
await using backend = new RedisBackend({ url: `redis://127.0.0.1:${server.port}`, prefetch: BATCH });

/** Returns the messages a second of a run. */
async function rate(count: number, work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return count / (performance.now() - startedAt) * 1_000;
}

/** Inputs come and go between turns, outside of what is timed. */
const emptied = () => redis.flushall();

const plainPipelined: Rate = async (count) => {
  await emptied();
  return await rate(count, async () => {
    for (let i = 0; i < count; i += BATCH) {
      const pipeline = redis.pipeline();
      for (let n = 0; n < BATCH; n++) pipeline.xadd("q", "*", "data", JSON.stringify(payload));
      await pipeline.exec();
    }
  });
};

/** One command each, all at once: ioredis writes them to its connection without waiting, which pipelines them. */
const plainAtOnce: Rate = async (count) => {
  await emptied();
  return await rate(count, async () => {
    for (let i = 0; i < count; i += BATCH) {
      await Promise.all(Array.from({ length: BATCH }, () => redis.xadd("q", "*", "data", JSON.stringify(payload))));
    }
  });
};

/** What the server itself needs for XADD after XADD in one script, by its own count: no client makes it faster. */
const serverAlone: Rate = async (count) => {
  await emptied();
  await redis.config("RESETSTAT");
  const script = "for i = 1, #ARGV do redis.call('XADD', KEYS[1], '*', 'data', ARGV[i]) end";
  const bodies: string[] = Array.from({ length: BATCH }, () => text);
  for (let i = 0; i < count; i += BATCH) await redis.eval(script, 1, "q", ...bodies);
  const usec = /^cmdstat_eval:calls=\d+,usec=(\d+)/m.exec(await redis.info("commandstats"))?.[1];
  return count / Number(usec) * 1e6;
};

const batched: Rate = async (count) => {
  await emptied();
  return await rate(count, async () => {
    for (let i = 0; i < count; i += BATCH) await backend.publishBatch("q", messages);
  });
};

const concurrent: Rate = async (count) => {
  await emptied();
  return await rate(count, async () => {
    for (let i = 0; i < count; i += BATCH) {
      await Promise.all(Array.from({ length: BATCH }, () => backend.publish("q", payload)));
    }
  });
};

/** Runs `add` on a BullMQ queue of its own, which is closed afterwards. */
async function withBullQueue(count: number, add: (queue: Queue) => Promise<void>): Promise<number> {
  await emptied();
  const queue = new Queue("q", { connection });
  try {
    await queue.waitUntilReady();
    return await rate(count, () => add(queue));
  } finally {
    await queue.close();
  }
}

const bullAdd: Rate = (count) =>
  withBullQueue(count, async (queue) => {
    for (let i = 0; i < count; i += BATCH) {
      await queue.addBulk(messages.map((message) => ({ name: "event", data: message.payload })));
    }
  });

const bullAwaited: Rate = (count) =>
  withBullQueue(count, async (queue) => {
    for (let i = 0; i < count; i++) await queue.add("event", payload);
  });

const plainAwaited: Rate = async (count) => {
  await emptied();
  return await rate(count, async () => {
    for (let i = 0; i < count; i++) await redis.xadd("q", "*", "data", JSON.stringify(payload));
  });
};

/** The script that a publish runs, by ioredis alone: what it costs to be safe to repeat. */
const scriptAwaited: Rate = async (count) => {
  await emptied();
  const sha = String(await redis.script("LOAD", SEND_PLAIN.source));
  return await rate(count, async () => {
    for (let i = 0; i < count; i++) {
      const named = [`token-${i}`, String(i % 8), "{q}:news", i.toString(36), ""];
      await redis.evalsha(sha, 2, "q", "{q}:sent:publisher", ...named, JSON.stringify(payload));
    }
  });
};

const awaited: Rate = async (count) => {
  await emptied();
  return await rate(count, async () => {
    for (let i = 0; i < count; i++) await backend.publish("q", payload);
  });
};

async function filled(count: number): Promise<void> {
  await emptied();
  for (let i = 0; i < count; i += BATCH) {
    const pipeline = redis.pipeline();
    for (let n = 0; n < BATCH; n++) pipeline.xadd("q", "*", "data", text);
    await pipeline.exec();
  }
}

const plainConsume: Rate = async (count) => {
  await filled(count);
  await redis.xgroup("CREATE", "q", "raw", "0");
  return await rate(count, async () => {
    for (let seen = 0; seen < count;) {
      const answer = await redis.xreadgroup("GROUP", "raw", "one", "COUNT", 500, "STREAMS", "q", ">") as
        | [string, [string, string[]][]][]
        | null;
      const entries = answer?.[0]?.[1] ?? [];
      for (const [, fields] of entries) JSON.parse(fields[1]!);
      await redis.xack("q", "raw", ...entries.map(([id]) => id));
      seen += entries.length;
    }
  });
};

const consume: Rate = async (count) => {
  await filled(count);
  return await rate(count, async () => {
    let seen = 0;
    for await (const _ of backend.consume("q")) if (++seen === count) break;
  });
};

/** Returns a batch whose messages take turns over `keys` ordering keys, which divide it evenly; 0: without any. */
function ordered(keys: number): { payload: typeof payload; orderingKey?: string }[] {
  if (keys === 0) return messages;
  return messages.map((message, n) => ({ ...message, orderingKey: `T061EG9R6:C061EG9SL:${n % keys}` }));
}

/** Publishes a batch and consumes it, by turns. */
function flow(keys: number): Rate {
  const batch = ordered(keys);
  return async (count) => {
    await emptied();
    const consumer = backend.consume("q");
    const perSecond = await rate(count, async () => {
      for (let i = 0; i < count; i += BATCH) {
        await backend.publishBatch("q", batch);
        for (let n = 0; n < BATCH; n++) await consumer.next();
      }
    });
    await consumer.return?.();
    return perSecond;
  };
}

/** Publishes all, then consumes it. */
function backlog(keys: number): Rate {
  const batch = ordered(keys);
  return async (count) => {
    await emptied();
    return await rate(count, async () => {
      for (let i = 0; i < count; i += BATCH) await backend.publishBatch("q", batch);
      let seen = 0;
      for await (const _ of backend.consume("q")) if (++seen === count) break;
    });
  };
}

const bullWork: Rate = async (count) => {
  await emptied();
  const queue = new Queue("q", { connection });
  const { promise, resolve } = Promise.withResolvers<void>();
  let seen = 0;
  const handle = () => {
    if (++seen === count) resolve();
    return Promise.resolve();
  };
  const worker = new Worker("q", handle, { connection, concurrency: 100, autorun: false });
  try {
    for (let i = 0; i < count; i += BATCH) {
      await queue.addBulk(messages.map((message) => ({ name: "event", data: message.payload })));
    }
    await worker.waitUntilReady();
    return await rate(count, () => {
      worker.run();
      return promise;
    });
  } finally {
    await worker.close();
    await queue.close();
  }
};

/** Returns nanoseconds per message that is published and consumed while `backlog` others wait. */
async function withBacklog(backlog: number): Promise<number> {
  await filled(backlog);
  const steps = 50_000;
  const consumer = backend.consume("q");
  await consumer.next();
  const perSecond = await rate(steps, async () => {
    for (let i = 0; i < steps; i += BATCH) {
      await backend.publishBatch("q", messages);
      for (let n = 0; n < BATCH; n++) await consumer.next();
    }
  });
  await consumer.return?.();
  return 1e9 / perSecond;
}

async function heapWhileDraining(count: number): Promise<number> {
  await filled(count);
  const collect = (globalThis as { gc?: () => void }).gc ?? (() => {});
  collect();
  let most = 0;
  let seen = 0;
  let first = 0;
  for await (const _ of backend.consume("q")) {
    seen += 1;
    if (seen % 50_000 === 0) {
      collect();
      first ||= Deno.memoryUsage().heapUsed;
      most = Math.max(most, Deno.memoryUsage().heapUsed);
    }
    if (seen === count) break;
  }
  return most / first;
}

const report = new Report(60, 12);
await report.compare("publishBatch / 1,000 XADD at once", [batched, 50_000], [plainAtOnce, 50_000], 2);
await report.compare("concurrent publish / 1,000 XADD at once", [concurrent, 50_000], [plainAtOnce, 50_000], 1.7);
await report.compare("publishBatch / redis.pipeline() of XADD", [batched, 50_000], [plainPipelined, 50_000], 1.2);
await report.compare(
  "concurrent publish / redis.pipeline() of XADD",
  [concurrent, 50_000],
  [plainPipelined, 50_000],
  0,
);
await report.compare(
  "  the server alone / redis.pipeline() of XADD",
  [serverAlone, 50_000],
  [plainPipelined, 50_000],
  0,
);
await report.compare("publishBatch / BullMQ addBulk", [batched, 50_000], [bullAdd, 5_000], 10);
await report.compare("concurrent publish / BullMQ addBulk", [concurrent, 50_000], [bullAdd, 5_000], 8);
await report.compare("consume + ack / XREADGROUP 500 + XACK", [consume, 100_000], [plainConsume, 100_000], 0.7);
await report.compare("consume + ack / BullMQ worker, 100 at once", [consume, 100_000], [bullWork, 5_000], 10);
await report.compare("publish + consume, 500 ordering keys / none", [flow(500), 50_000], [flow(0), 50_000], 0.8);
await report.compare("  a backlog of it, 500 keys / none", [backlog(500), 50_000], [backlog(0), 50_000], 0);
await report.compare("one awaited publish / one awaited XADD", [awaited, 5_000], [plainAwaited, 5_000], 0.65);
await report.compare("one awaited publish / one awaited BullMQ add", [awaited, 5_000], [bullAwaited, 2_000], 1.5);
await report.compare(
  "  its script alone, awaited / one awaited XADD",
  [scriptAwaited, 5_000],
  [plainAwaited, 5_000],
  0,
);
const [few, many] = [await withBacklog(1_000), await withBacklog(1_000_000)];
report.row("cost a message: 10⁶ waiting / 10³ waiting", `${(many / few).toFixed(2)}×`, "≤ 1.5×", many / few <= 1.5);
const heap = await heapWhileDraining(1_000_000);
report.row("heap while draining 10⁶: most / first", `${heap.toFixed(2)}×`, "≤ 1.5×", heap <= 1.5);
await redis.quit();
// Not Deno.exit here: the backend would not be closed, and the server would not end.
globalThis.addEventListener("unload", () => {
  if (report.missed) Deno.exit(1);
});
