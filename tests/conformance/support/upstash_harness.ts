/**
 * The Upstash backend as the conformance kit meets it: through the test server in front of a real redis-server, on
 * every runtime, workerd included.
 *
 * @module
 */
import { createDriver } from "../../../backends/upstash/driver.ts";
import { toBase64 } from "../../../core/util/bytes.ts";
import type { LeasingBackend, QueueBackend } from "../../../core/protocol.ts";
import { driverHarness } from "../../../testing/driver_harness.ts";
import type { Broker, Harness } from "../../../testing/harness.ts";
import type { UpstashAddress, UpstashCommand } from "../../fakes/upstash_control.ts";

/** Nothing listens there. */
const REFUSING_URL = "http://127.0.0.1:47";

/** Sends a command to the test server. */
async function command(control: string, what: UpstashCommand): Promise<unknown> {
  const response = await fetch(control, { method: "POST", body: JSON.stringify(what) });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(`The test server could not ${what.do}: ${answer}`);
  return answer;
}

async function openBroker(control: string, namespace: string): Promise<Broker> {
  const { url, token } = await (await fetch(control)).json() as UpstashAddress;
  const tokens = `${token}.${namespace}.`;
  const own = new Map<QueueBackend, string>();
  let clients = 0;
  const base = await driverHarness({
    name: "upstash",
    open: () => ({
      secrets: [`${tokens}1`], // the first client's
      driver: (options) => createDriver({ ...options, url, token: `${tokens}${++clients}` }),
      // workerd's error is the same for a refused connection and a lost one.
      ...navigator.userAgent !== "Cloudflare-Workers" && {
        unreachable: (options) => createDriver({ ...options, url: REFUSING_URL, token: `${tokens}1` }),
      },
      restartBroker: async () => {
        await command(control, { do: "restart" });
      },
      inject: async (key, body) => {
        await command(control, { do: "inject", key, base64: toBase64(new TextEncoder().encode(body)) });
      },
      injectBytes: async (key, body) => {
        await command(control, { do: "inject", key, base64: toBase64(body) });
      },
      cost: async () => Number(await command(control, { do: "cost", tokens })),
    }),
  }).open();
  return {
    ...base,
    key: (name) => `${namespace}:${name}`,
    connect: async (options) => {
      const backend = await base.connect(options);
      own.set(backend, `${tokens}${clients}`);
      await (backend as LeasingBackend).health();
      return backend;
    },
    dropConnections: async () => {
      await command(control, { do: "drop" });
    },
    delayResponses: async (backend, ms) => {
      await command(control, { do: "delay", token: own.get(backend)!, ms });
    },
    holdRequests: async (backend) => {
      const token = own.get(backend)!;
      await command(control, { do: "hold", token });
      return async () => {
        await command(control, { do: "letThrough", token });
      };
    },
    loseNextReply: async (backend, operation) => {
      await command(control, { do: "lose", token: own.get(backend)!, operation });
    },
  };
}

/** A harness over a command server. */
export function upstashHarness(control: string): Harness {
  let cases = 0;
  return { name: "upstash", leaseMs: 600, open: () => openBroker(control, `case${++cases}`) };
}
