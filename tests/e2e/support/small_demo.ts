/**
 * The demo with fewer events for its throughput figure. With an argument the server is wrong in the way that it names,
 * and the demo must end with 1.
 *
 * @module
 */
import process from "node:process";
import { main } from "../../../examples/demo/main.ts";
import { startServer } from "../../../cli/serve/server.ts";

type Start = typeof startServer;

/** Ways to be wrong. */
const FAULTS: Readonly<Record<string, Start>> = {
  /** Gives up one attempt too early. */
  "gives up early": (env, options) =>
    startServer(env, { ...options, consumer: { ...options.consumer, maxAttempts: 2 } }),
  /** Acknowledges without handling. */
  "handles nothing": (env, options) =>
    startServer(env, { ...options, handler: () => Promise.resolve(() => undefined) }),
  /** Takes another secret for Slack's, and so refuses what is genuine. */
  "knows another secret": (env, options) => {
    return startServer(Object.assign(Object.create(env), { SLACK_SIGNING_SECRET: "another" }), options);
  },
  /** Does not start. */
  "does not start": () => Promise.reject(new Error("no")),
};

const [, , fault] = process.argv;
const wrong = fault === undefined ? {} : { env: {}, start: FAULTS[fault]! };
process.exit(await main({ burst: 200, ...wrong }));
