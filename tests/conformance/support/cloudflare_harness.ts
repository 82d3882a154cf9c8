/** How the conformance kit reaches Cloudflare Queues over HTTP: on the test server of its API. */
import { toBase64 } from "../../../core/util/bytes.ts";
import { HttpDriver } from "../../../backends/cloudflare/http_driver.ts";
import type { CloudflareHttpOptions, QueueAddress } from "../../../backends/cloudflare/mod.ts";
import { type DriverBroker, driverHarness, FakeClock, type Harness } from "../../../testing/mod.ts";
import { CloudflareApi } from "../../fakes/cloudflare_api.ts";

/** The platform's own limits are not what the cases are about; their tests are in tests/unit. */
const PLENTY = 1_000_000;

/** What the API shows in one peek, which has no next page. */
export const MAX_LISTED = 100;

/** What both harnesses share: a queue for each key, made when it is asked for, whatever the key is. */
export function brokerOf(api: CloudflareApi, options: Partial<CloudflareHttpOptions>): DriverBroker {
  const names = new Map<string, string>();
  const queueOf = (key: string) => {
    let name = names.get(key);
    if (name === undefined) names.set(key, name = `queue-${names.size}`);
    return api.queue(name, { deadLetterQueue: `${name}-dlq`, maxRetries: 100 });
  };
  return {
    driver: (own) =>
      new HttpDriver({
        ...own,
        ...options,
        accountId: api.accountId,
        apiToken: api.token,
        requestLimit: PLENTY,
        queues: (key): QueueAddress => {
          const queue = queueOf(key);
          return { queue: queue.id, deadLetters: api.queue(`${queue.name}-dlq`).id };
        },
      } as CloudflareHttpOptions),
    secrets: [api.token],
    inject: (key, body) => queueOf(key).add({ type: "text", text: body }, 0, "dash"),
    injectBytes: (key, body) => queueOf(key).add({ type: "bytes", text: toBase64(body) }, 0, "worker"),
    cost: () => api.count(),
  };
}

/** In this process, on a clock that the kit turns. */
export function cloudflareHarness(): Harness {
  return driverHarness({
    name: "cloudflare",
    maxListed: MAX_LISTED,
    open: () => {
      const clock = new FakeClock();
      const api = new CloudflareApi({ clock, rateLimit: { requests: PLENTY, windowMs: 300_000 } });
      const refuse = () => Promise.reject(new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED") }));
      return {
        ...brokerOf(api, { fetch: api.textFetch as typeof fetch, clock }),
        unreachable: brokerOf(api, { fetch: refuse, clock }).driver,
        clock,
      };
    },
  });
}
