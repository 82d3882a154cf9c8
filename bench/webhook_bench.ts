/**
 * The webhook beside an empty `Deno.serve` handler: requests per second over HTTP/1.1.
 *
 * The servers run in a process of their own. This one is the load: `fetch` with its pool of kept connections, 32 requests on
 * their way at once, each signed before the clock starts and with an `event_id` of its own. All servers get the same requests.
 *
 * Deno closes the connection of a handler that leaves a body unread, as an empty one does, and so the empty handler is here
 * twice: as it is, which the budget names, and with its body read, which is the harder measure. A handler that only asks
 * WebCrypto for the signature shows how much of the rest is the runtime's own: on Deno each such call goes through another
 * thread.
 *
 * @module
 */
import { MemoryBackend } from "@slack-mcp/queue/memory";
import { createSlackReceiver } from "@slack-mcp/queue/slack";
import { envelopeOf, SAMPLES } from "../cli/samples.ts";
import { slackRequest } from "../cli/sign.ts";

const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";
const AT_ONCE = 32;
const ROUNDS = 5;
const REQUESTS = 4_000;
const MAX_ROUND_MS = 10_000;
const BUDGET = 0.5;

type Handler = (request: Request) => Response | Promise<Response>;

/** What is compared. */
const HANDLERS: Readonly<Record<string, () => Handler>> = {
  "empty handler": () => () => new Response(),
  "empty handler that reads the body": () => async (request) => {
    await request.arrayBuffer();
    return new Response();
  },
  "reads the body, one WebCrypto HMAC": () => createHmacHandler(),
  "webhook: verify, parse, publish to memory": () =>
    createSlackReceiver({ backend: new MemoryBackend(), signingSecret: SECRET }).fetch,
};

function createHmacHandler(): Handler {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = crypto.subtle.importKey("raw", new TextEncoder().encode(SECRET), algorithm, false, ["verify"]);
  const claimed = new Uint8Array(32);
  return async (request) => {
    await crypto.subtle.verify("HMAC", await key, claimed, await request.arrayBuffer());
    return new Response();
  };
}

/** The other process: serves every handler on a free port and says which. */
function serve(): void {
  const options = { port: 0, hostname: "127.0.0.1", onListen: () => undefined };
  console.log(JSON.stringify(Object.values(HANDLERS).map((create) => Deno.serve(options, create()).addr.port)));
}

async function signedRequests(port: number): Promise<Request[]> {
  const url = `http://127.0.0.1:${port}/slack/events`;
  return await Promise.all(Array.from({ length: REQUESTS }, () => {
    return slackRequest(url, { secret: SECRET, body: envelopeOf(SAMPLES[0]!.event, `Ev${crypto.randomUUID()}`) });
  }));
}

/** Sends all requests. Returns requests per second. */
async function load(requests: readonly Request[]): Promise<number> {
  const work = requests.values();
  const started = performance.now();
  let answered = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (const request of work) {
      if (performance.now() - started > MAX_ROUND_MS) return;
      const response = await fetch(request);
      await response.body?.cancel();
      if (response.status !== 200) throw new Error(`Not 200 but ${response.status}`);
      answered++;
    }
  }));
  return answered / ((performance.now() - started) / 1000);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

async function main(): Promise<number> {
  const script = new URL(import.meta.url).pathname;
  const args = ["run", "-A", "--no-check", "-c", new URL("deno.json", import.meta.url).pathname, script, "serve"];
  await using server = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
  const first = await server.stdout.values({ preventCancel: true }).next();
  const ports: number[] = JSON.parse(new TextDecoder().decode(first.value));
  const rates = ports.map((): number[] => []);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [index, port] of ports.entries()) {
      const rate = await load(await signedRequests(port));
      if (round > 0) rates[index]!.push(rate); // the first one warms up
    }
  }
  const webhook = median(rates.at(-1)!);
  console.log(`${"requests/s, median of 5 rounds".padEnd(44)} rate  (range)          webhook / this`);
  for (const [index, name] of Object.keys(HANDLERS).entries()) {
    const rate = median(rates[index]!);
    const range = `(${Math.round(Math.min(...rates[index]!))} – ${Math.round(Math.max(...rates[index]!))})`;
    console.log(
      `${name.padEnd(42)} ${String(Math.round(rate)).padStart(6)}  ${range.padEnd(16)} ${(webhook / rate).toFixed(2)}`,
    );
  }
  const ratio = webhook / median(rates[0]!);
  console.log(
    `\nwebhook / empty handler: ${ratio.toFixed(2)}, budget ${BUDGET}: ${ratio >= BUDGET ? "kept" : "MISSED"}`,
  );
  return ratio >= BUDGET ? 0 : 1;
}

if (Deno.args[0] === "serve") serve();
else Deno.exit(await main());
