/**
 * Installations that are wrong in one way each, with what `doctor` must say of them.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { SqliteBackend } from "../../../backends/sqlite/mod.ts";
import { startUpstash } from "../../fakes/upstash_server.ts";
import { freePort } from "../../servers/ports.ts";
import { startRedis } from "../../servers/redis_server.ts";
import { type Broken, cloudflare, folder, MARK, redis, SAFE, silentPort, timeServer, WELL } from "./installations.ts";

const APPEND = /set "appendonly yes"/;

/** The installations, one for each thing that doctor finds. */
export const BROKEN: readonly Broken[] = [
  {
    what: "handlers that are not there, and a token that is too short",
    findings: [
      ["METRICS_TOKEN", /must have at least 16 characters/, /^correct METRICS_TOKEN/],
      ["--handlers", /^Cannot import --handlers \.\/missing\.ts/, /./],
    ],
    prepare: async (stack) => {
      const { env } = await WELL.sqlite!.prepare(stack);
      return { env: { ...env, METRICS_TOKEN: "short" }, args: ["--handlers", "./missing.ts"] };
    },
  },
  {
    what: "variables that are missing, wrong and misspelt, all at once",
    findings: [
      ["SLACK_SIGNING_SECRET", /must be the app's Signing Secret/, /./],
      ["PORT", /must be a whole number from 0 to 65535, found "99999"/, /^correct PORT/],
      ["REDIS_URL", /^REDIS_URL is not set$/, /^set it to redis:\/\/host:port/],
      ["REDIS_MAXLENGTH", /did you mean REDIS_MAX_LENGTH/, /^rename it to REDIS_MAX_LENGTH$/],
    ],
    prepare: () =>
      Promise.resolve({
        env: {
          QUEUE_BACKEND: "redis",
          REDIS_MAXLENGTH: "5",
          PORT: "99999",
          SLACK_SIGNING_SECRET: `xoxb-${MARK}`,
        },
      }),
  },
  {
    what: "a backend that does not exist",
    findings: [["QUEUE_BACKEND", /found "reddis"; did you mean "redis"\?$/, /^set QUEUE_BACKEND=redis$/]],
    prepare: () => Promise.resolve({ env: { QUEUE_BACKEND: "reddis" } }),
  },
  {
    what: "a queue that dies with the process",
    findings: [["QUEUE_BACKEND", /memory keeps events in the process alone/, /^set QUEUE_BACKEND=sqlite/]],
    prepare: () => Promise.resolve({ env: { QUEUE_BACKEND: "memory" } }),
  },
  {
    what: "a Redis that is not there",
    findings: [["REDIS_URL", /ECONNREFUSED 127\.0\.0\.1:\d+/, /^start the server, and correct host and port/]],
    prepare: async () => ({
      env: { QUEUE_BACKEND: "redis", REDIS_URL: `redis://u:${MARK}@127.0.0.1:${await freePort()}/0` },
      slow: true,
    }),
  },
  {
    what: "a Redis that takes connections and never answers",
    findings: [["REDIS_URL", /no answer|no reply|did not answer/, /^start the server, and correct host and port/]],
    prepare: async (stack) => ({
      env: { QUEUE_BACKEND: "redis", REDIS_URL: `redis://u:${MARK}@127.0.0.1:${await silentPort(stack)}/0` },
      slow: true,
    }),
  },
  {
    what: "a wrong password",
    needs: ["redis-server"],
    findings: [["REDIS_PASSWORD", /WRONGPASS/, /^correct REDIS_PASSWORD/]],
    prepare: redis({ ...SAFE, requirepass: "right" }, { user: `default:${MARK}` }),
  },
  {
    what: "a user who may not write",
    needs: ["redis-server"],
    findings: [[
      "REDIS_USERNAME",
      /NOPERM|permission|can't run/i,
      /ACL SETUSER <user> ~slack_events ~\{slack_events\}:\*/,
    ]],
    prepare: redis(SAFE, {
      user: `app:${MARK}`,
      prepare: (server) => server.call("ACL", "SETUSER", "app", "on", `>${MARK}`, "~*", "&*", "+@all", "-xadd"),
    }),
  },
  {
    what: "a Redis that keeps nothing",
    needs: ["redis-server"],
    findings: [["appendonly", /a restart loses every event/, APPEND]],
    prepare: redis({ args: ["--save", ""] }),
  },
  {
    what: "a Redis that keeps snapshots alone",
    needs: ["redis-server"],
    findings: [["appendonly", /a crash loses what came after the last snapshot/, APPEND]],
    prepare: redis({ args: ["--save", "3600 1"] }),
  },
  {
    what: "a Redis that evicts",
    needs: ["redis-server"],
    findings: [["maxmemory-policy", /allkeys-lru.*whole queues/, /noeviction/]],
    prepare: redis({ ...SAFE, args: ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"] }),
  },
  {
    what: "a Redis that is full",
    needs: ["redis-server"],
    findings: [["maxmemory", /OOM|no memory|memory/, /^give the server more memory/]],
    prepare: redis(SAFE, {
      prepare: (server) => server.call("CONFIG", "SET", "maxmemory", "1", "maxmemory-policy", "noeviction"),
    }),
  },
  {
    what: "a replica that takes no writes",
    needs: ["redis-server"],
    findings: [["REDIS_URL", /read-only replica/, /^point REDIS_URL at the primary/]],
    prepare: async (stack) => {
      const primary = stack.use(await startRedis(SAFE));
      const replica = await redis({ ...SAFE, replicaOf: primary.port }, {
        prepare: async (server) => {
          while (!/master_link_status:up/.test(String(await server.call("INFO", "replication")))) {
            await server.call("PING");
          }
        },
      })(stack);
      return { ...replica, slow: true };
    },
  },
  {
    what: "a key that holds something else",
    needs: ["redis-server"],
    findings: [["SLACK_EVENTS_TOPIC", /WRONGTYPE|not a stream/, /^choose another name than slack_events/]],
    prepare: redis(SAFE, { prepare: (server) => server.call("SET", "slack_events", "1") }),
  },
  {
    what: "a Python publisher's MAXLEN below the backlog",
    needs: ["redis-server"],
    findings: [[
      "REDIS_STREAM_MAXLEN",
      /^20 events of slack_events are unsettled.*about 10 entries/,
      /^raise REDIS_STREAM/,
    ]],
    prepare: redis(SAFE, {
      env: { REDIS_STREAM_MAXLEN: "10" },
      prepare: async (server) => {
        for (let n = 0; n < 20; n++) await server.call("XADD", "slack_events", "*", "data", `{"n":${n}}`);
      },
    }),
  },
  {
    what: "messages that a publisher trimmed before they were settled",
    needs: ["redis-server"],
    findings: [["REDIS_STREAM_MAXLEN", /^3 messages of the group "slack-mcp".*are gone/, /MAXLEN/]],
    prepare: redis(SAFE, {
      prepare: async (server) => {
        for (let n = 0; n < 5; n++) await server.call("XADD", "slack_events", "*", "data", "{}");
        await server.call("XGROUP", "CREATE", "slack_events", "slack-mcp", "0");
        await server.call("XREADGROUP", "GROUP", "slack-mcp", "c", "STREAMS", "slack_events", ">");
        await server.call("XTRIM", "slack_events", "MAXLEN", "2");
      },
    }),
  },
  {
    what: "a group that nobody reads",
    needs: ["redis-server"],
    findings: [[
      "group bots",
      /nobody reads the group "bots".*waited for \d+ days/,
      /XGROUP DESTROY slack_events bots/,
    ]],
    prepare: redis(SAFE, {
      prepare: async (server) => {
        await server.call("XADD", "slack_events", "1700000000000-0", "data", "{}");
        await server.call("XGROUP", "CREATE", "slack_events", "bots", "0");
      },
    }),
  },
  {
    what: "a group that nobody reads, in a file",
    findings: [["group slack-mcp", /nobody reads the group "slack-mcp".*waited for \d+ minutes/, /^start a consumer/]],
    prepare: async (stack) => {
      const ready = await WELL.sqlite!.prepare(stack);
      const path = ready.env.SQLITE_PATH!;
      const backend = new SqliteBackend({ path });
      await backend.publish("slack_events", { type: "event_callback" });
      for await (const delivery of backend.receive("slack_events")) {
        await delivery.retry();
        break;
      }
      await backend.close();
      const db = new DatabaseSync(path);
      db.exec("update mq_message set at = at - 3600000");
      db.close();
      return ready;
    },
  },
  {
    what: "a time to live that is shorter than a restart",
    findings: [["SQLITE_MESSAGE_TTL", /within 60 s is gone/, /^leave SQLITE_MESSAGE_TTL out/]],
    prepare: async (stack) => {
      const { env } = await WELL.sqlite!.prepare(stack);
      return { env: { ...env, SQLITE_MESSAGE_TTL: "60" } };
    },
  },
  {
    what: "an Upstash token that is refused",
    needs: ["redis-server"],
    findings: [["UPSTASH_REDIS_REST_TOKEN", /is not accepted/, /^correct UPSTASH_REDIS_REST_TOKEN/]],
    prepare: async (stack) => {
      const upstash = stack.use(await startUpstash({ token: "right" }));
      return { env: { QUEUE_BACKEND: "upstash", UPSTASH_REDIS_REST_URL: upstash.url, UPSTASH_REDIS_REST_TOKEN: MARK } };
    },
  },
  {
    what: "a Cloudflare queue without a dead letter queue",
    findings: [[
      "CLOUDFLARE_QUEUE_SLACK_EVENTS_DLQ",
      /has no dead letter queue/,
      /wrangler queues create slack-events-dlq/,
    ]],
    prepare: (stack) => cloudflare(stack, (api) => api.queue("slack-events")),
  },
  {
    what: "a Cloudflare queue that does not exist",
    findings: [["CLOUDFLARE_URL or SLACK_EVENTS_TOPIC", /no queue "slack-events"/, /^create what is missing/]],
    prepare: (stack) => cloudflare(stack, () => undefined),
  },
  {
    what: "a handler that outlives a lease",
    findings: [["lease", /runs for up to 60 s, and cloudflare cannot renew a lease of 30 s/, /^make handlers shorter/]],
    prepare: async (stack) => ({ ...await WELL.cloudflare!.prepare(stack), args: ["--handler-timeout", "60"] }),
  },
  {
    what: "a folder for SQLite that is not there",
    findings: [["SQLITE_PATH", /^Cannot open \S+missing\/queue\.db/, /./]],
    prepare: (stack) =>
      Promise.resolve({ env: { QUEUE_BACKEND: "sqlite", SQLITE_PATH: folder(stack).file("missing/queue.db") } }),
  },
  {
    what: "a clock that is ten minutes behind",
    findings: [["clock", /(599|60\d) s behind 127\.0\.0\.1:\d+: every request of Slack is refused/, /NTP/]],
    prepare: async (stack) => ({
      ...await WELL.sqlite!.prepare(stack),
      args: ["--time-url", await timeServer(stack, 600)],
    }),
  },
];
