/**
 * Starts the server on a free port with a fresh secret and sends it what Slack sends, over real HTTP with real signatures:
 * events of every kind, retries, forgeries, a poison event. Prints the result of each, and exits with 0 only if all
 * are as expected.
 *
 * ```sh
 * npx -y deno@2.9.6 task demo
 * ```
 *
 * @module
 */
import process from "node:process";
import { ambientEnv } from "@slack-mcp/queue";
import { type SlackEventContext, SlackEventRouter } from "@slack-mcp/queue/slack";
import { Probe } from "./probe.ts";
import { Demo, FLAKY, POISON, STUCK } from "./steps.ts";
import { startServer } from "../../cli/serve/server.ts";
import { SAMPLES } from "../../cli/samples.ts";

/** Deliveries after which the poison event is given up. */
const MAX_ATTEMPTS = 3;

/** Events of the throughput figure. */
const BURST = 2_000;

/** How the demo may be run. */
export interface DemoOptions {
  /** Read for `QUEUE_BACKEND` and the backend's own variables. Default: none, and so memory. */
  readonly env?: object | undefined;
  /** Default: the standard output. */
  readonly write?: ((line: string) => void) | undefined;
  /** Starts the server. Default: {@link startServer}. */
  readonly start?: typeof startServer | undefined;
  /** Events of the throughput figure. Default: 2,000. */
  readonly burst?: number | undefined;
}

/** Runs the demo. Resolves with whether every line was as expected. */
export async function runDemo(options: DemoOptions = {}): Promise<boolean> {
  const { env = {}, write = console.log, start = startServer, burst = BURST } = options;
  const secret = crypto.randomUUID().replaceAll("-", "");
  const settings = {
    SLACK_SIGNING_SECRET: secret,
    SLACK_EVENTS_TOPIC: `slack_events_demo_${secret.slice(0, 8)}`,
    HOST: "127.0.0.1",
    PORT: "0",
  };
  const probe = new Probe();
  const faults = new Map([[FLAKY, 1], [STUCK, 1], [POISON, Infinity]]);
  const holds = new Map<string, Promise<unknown>>();
  const server = await start(Object.assign(Object.create(env), settings), {
    log: (level, message) => void (level === "warn" && message.startsWith("QUEUE_BACKEND") && write(`! ${message}`)),
    handler: () => Promise.resolve(demoRouter(probe, faults, holds).handle),
    consumer: { maxAttempts: MAX_ATTEMPTS, backoff: { baseMs: 20, maxMs: 50 }, observer: probe.observer },
  });
  try {
    write(`The webhook listens at ${server.url}/slack/events with a fresh secret; the topic is ${server.key}\n`);
    const demo = new Demo(server, secret, probe, write);
    await demo.handshake();
    for (const { route, event } of SAMPLES) await demo.event(route, event);
    await demo.duplicate();
    await demo.strange();
    await demo.refusals();
    await demo.rateLimited();
    await demo.flaky();
    await demo.threads((until) => holds.set(STUCK, until));
    await demo.poison(MAX_ATTEMPTS);
    await demo.replay(() => faults.delete(POISON));
    await demo.health();
    await demo.sqlite();
    await demo.burst(burst);
    return demo.conclude();
  } finally {
    await server.stop();
  }
}

/**
 * A handler for each kind of event that is sent. The one for mentions waits as `holds`, and fails as often as `faults`,
 * says of its text.
 */
function demoRouter(
  probe: Probe,
  faults: Map<string, number>,
  holds: ReadonlyMap<string, Promise<unknown>>,
): SlackEventRouter {
  const router = new SlackEventRouter();
  const handlerOf = (route: string) => async (context: SlackEventContext) => {
    probe.saw(route, context);
    const { text } = context.event;
    if (typeof text === "string") await holds.get(text);
    const left = typeof text === "string" ? faults.get(text) ?? 0 : 0;
    if (left === 0) return;
    faults.set(text as string, left - 1);
    throw new Error("this handler cannot cope");
  };
  for (const { route } of SAMPLES) router.on(route, handlerOf(route));
  return router.otherwise(handlerOf("otherwise"));
}

/** Runs the demo for a person. Resolves with the exit code. */
export async function main(options: DemoOptions = {}): Promise<number> {
  try {
    return await runDemo({ env: ambientEnv(), ...options }) ? 0 : 1;
  } catch (error) {
    console.error(error);
    return 1;
  }
}

if (import.meta.main) process.exit(await main());
