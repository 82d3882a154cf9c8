/**
 * Looks for settings of a Redis server that make confirmed events get lost.
 *
 * @module
 */
import type { Finding } from "../../core/protocol.ts";
import { numberOf } from "./durability.ts";

/** Sends a command; resolves with undefined where this user may not. */
export type Ask = (command: string, args: string[]) => Promise<unknown>;

/** How the backend uses the server. */
export interface Use {
  /** The number of replicas that must have a publish. */
  readonly replicas: number;
}

/** The part of `maxmemory` above which memory counts as nearly full. */
const NEARLY_FULL = 0.9;

function textOf(info: string, name: string): string {
  return new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1] ?? "";
}

function* persistence(info: string, save: string | undefined, fsync: string | undefined): Generator<Finding> {
  const file = numberOf(info, "aof_enabled") === 1;
  if (!file && save === "") {
    yield {
      severity: "error",
      setting: "appendonly",
      problem: 'the server keeps nothing on its disk (appendonly no, save ""): a restart loses every event',
      repair: 'set "appendonly yes" and "appendfsync everysec" in redis.conf, or by CONFIG SET and CONFIG REWRITE',
    };
  } else if (!file) {
    yield {
      severity: "warning",
      setting: "appendonly",
      problem: `the server has no append-only file (appendonly no): a crash loses what came after the last snapshot${
        save === undefined ? "" : ` (save ${save})`
      }`,
      repair: 'set "appendonly yes" and "appendfsync everysec" in redis.conf, or by CONFIG SET and CONFIG REWRITE',
    };
  } else if (fsync === "no") {
    yield {
      severity: "warning",
      setting: "appendfsync",
      problem:
        "the append-only file is not synced by the server (appendfsync no): a power cut loses up to half a minute",
      repair: 'set "appendfsync everysec", or "always" to lose nothing',
    };
  }
  const failed = ["aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status"]
    .filter((name) => textOf(info, name) === "err");
  if (failed.length > 0) {
    yield {
      severity: "error",
      setting: "dir",
      problem: `the server could not write to its disk (${failed.join(", ")})`,
      repair: "make room on the disk of the server's dir, and look into its log",
    };
  }
}

function* memory(info: string): Generator<Finding> {
  const most = numberOf(info, "maxmemory");
  if (most === 0) return;
  const policy = textOf(info, "maxmemory_policy");
  if (policy !== "noeviction") {
    const all = policy.startsWith("allkeys-");
    yield {
      severity: all ? "error" : "warning",
      setting: "maxmemory-policy",
      problem: `the server evicts keys when its memory is full (maxmemory-policy ${policy}): ${
        all ? "whole queues, with all that was confirmed" : "the ids by which duplicates are recognized"
      }`,
      repair: 'set "maxmemory-policy noeviction", which refuses publishes instead',
    };
  }
  const used = numberOf(info, "used_memory");
  if (used > most * NEARLY_FULL) {
    yield {
      severity: "warning",
      setting: "maxmemory",
      problem: `the server uses ${Math.floor(100 * used / most)} % of maxmemory: soon it refuses publishes`,
      repair: "raise maxmemory, or start more consumers",
    };
  }
}

function* replication(info: string, { replicas }: Use): Generator<Finding> {
  const connected = numberOf(info, "connected_slaves");
  if (connected > 0 && replicas === 0) {
    yield {
      severity: "warning",
      setting: "REDIS_REPLICAS",
      problem: `the server has ${connected} replicas, and a publish waits for none: a failover loses the last ones`,
      repair: "set REDIS_REPLICAS=1",
    };
  } else if (connected < replicas) {
    yield {
      severity: "error",
      setting: "REDIS_REPLICAS",
      problem: `REDIS_REPLICAS is ${replicas}, and the server has ${connected} replicas: no publish is confirmed`,
      repair: "start the replicas, or lower REDIS_REPLICAS",
    };
  }
}

/** Looks at a server's version, disk, memory and replicas. */
export async function diagnoseServer(ask: Ask, use: Use): Promise<Finding[]> {
  const setting = async (name: string) => (await ask("CONFIG", ["GET", name]) as string[] | undefined)?.[1];
  const sections = ["persistence", "memory", "replication"].map(async (name) => await ask("INFO", [name]));
  const [infos, save, fsync] = await Promise.all([Promise.all(sections), setting("save"), setting("appendfsync")]);
  const [disk, ram, copies] = infos.map((info) => info === undefined ? undefined : String(info));
  if (disk === undefined || ram === undefined || copies === undefined) {
    return [{
      severity: "warning",
      setting: "REDIS_USERNAME",
      problem: "this user may not use INFO: whether the server keeps events on its disk cannot be looked at",
      repair: "permit it with ACL SETUSER <user> +info +config|get",
    }];
  }
  return [...persistence(disk, save, fsync), ...memory(ram), ...replication(copies, use)];
}
