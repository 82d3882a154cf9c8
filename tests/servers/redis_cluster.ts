/**
 * A real cluster for a test: primaries on free loopback ports that share the slots evenly.
 *
 * @module
 */
import { type RedisServer, startRedis } from "./redis_server.ts";

/** The slots of a cluster. */
const SLOTS = 16_384;

/** A running cluster. */
export class RedisCluster implements AsyncDisposable {
  /** Its primaries. */
  readonly nodes: readonly RedisServer[];

  /** A cluster of nodes that know one another. */
  constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes;
  }

  /** Returns a key that a node has. */
  async keyOn(node: RedisServer): Promise<string> {
    const place = this.nodes.indexOf(node);
    for (let n = 0;; n++) {
      const slot = Number(await node.call("CLUSTER", "KEYSLOT", `key${n}`));
      if (Math.floor(slot * this.nodes.length / SLOTS) === place) return `key${n}`;
    }
  }

  /** Stops all nodes. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]()));
  }
}

/** Starts a cluster. */
export async function startCluster(size = 3): Promise<RedisCluster> {
  const nodes: RedisServer[] = [];
  for (let i = 0; i < size; i++) {
    nodes.push(await startRedis({ cluster: true, args: ["--cluster-node-timeout", "60000"] }));
  }
  for (const [i, node] of nodes.entries()) {
    const [from, to] = [i, i + 1].map((n) => Math.ceil(n * SLOTS / size)) as [number, number];
    await node.call("CLUSTER", "ADDSLOTS", ...Array.from({ length: to - from }, (_, n) => from + n));
    await node.call("CONFIG", "SET", "cluster-require-full-coverage", "no");
    if (i > 0) await node.call("CLUSTER", "MEET", "127.0.0.1", nodes[0]!.port);
  }
  const known = async (node: RedisServer) => {
    const info = String(await node.call("CLUSTER", "INFO"));
    return info.includes("cluster_state:ok") && info.includes(`cluster_slots_ok:${SLOTS}`);
  };
  for (const node of nodes) while (!await known(node)) await new Promise((resolve) => setTimeout(resolve, 20));
  return new RedisCluster(nodes);
}
