/**
 * The two ways to a database: its URL and token, or a client of the vendor's that somebody else made.
 *
 * @module
 */
import { ConfigError, QueueError } from "../../core/errors.ts";
import { abortable } from "../../core/util/async.ts";
import { lostError, Reachability } from "../http.ts";
import type { Script } from "../streams/script.ts";
import { classifyReply } from "../streams/transport.ts";
import { refused, type RestOptions, UpstashRest } from "./rest.ts";
import type { UpstashConnection } from "./transport.ts";

/**
 * The part of `@upstash/redis` that is used: its `Redis`, made with `automaticDeserialization: false`.
 *
 * @example
 * ```ts
 * import { Redis } from "@upstash/redis";
 * import { UpstashBackend } from "@slack-mcp/queue/upstash";
 *
 * const client = new Redis({ url: "https://example.upstash.io", token: "secret", automaticDeserialization: false });
 * await using backend = new UpstashBackend({ client });
 * ```
 */
export interface UpstashClient {
  /** Runs a script. */
  eval(script: string, keys: string[], args: string[]): Promise<unknown>;
  /** Asks for an answer. */
  ping(): Promise<unknown>;
}

/** A database by URL and token. */
export function restConnection(options: RestOptions): UpstashConnection {
  const rest = new UpstashRest(options);
  return {
    connect: (signal) => rest.reachability.connect(signal),
    run: (script, keys, args, signal) =>
      rest.command(["EVAL", script.source, String(keys.length), ...keys, ...args], script.repeatable, signal),
    subscribe: (channel, onEvent, signal) => rest.subscribe(channel, onEvent, signal),
  };
}

const GIVEN_UP = "no reply came before the call was given up";

/** Looks like Slack's timestamps: a client that turns texts into numbers and objects changes it. */
const PROBE = "1700000000.123456";

/**
 * A database through the vendor's client.
 *
 * @param rest Where URL and token are known too: for the subscription. The vendor's own neither tells when it breaks nor
 *   always ends when it is told to (on Deno, aborting a fetch may not reach a body that is being read).
 */
export function clientConnection(client: UpstashClient, rest: RestOptions | undefined): UpstashConnection {
  const ping = (signal: AbortSignal) => ask(client.ping(), true, signal);
  const reachability = new Reachability(ping);
  let probed: Promise<void> | undefined;
  async function probe(): Promise<void> {
    const answer = await client.eval("return ARGV[1]", [], [PROBE]);
    if (answer === PROBE) return;
    throw new ConfigError("client must be made with automaticDeserialization: false, or it changes payloads", {
      backend: "upstash",
    });
  }
  async function run(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    signal: AbortSignal,
  ): Promise<unknown> {
    try {
      signal.throwIfAborted();
      await abortable(probed ??= probe(), signal);
      signal.throwIfAborted();
    } catch (error) {
      if (signal.aborted) throw new QueueError("timeout", "the call was given up before it was sent");
      probed = undefined;
      throw named(error, true);
    }
    return await ask(client.eval(script.source, [...keys], [...args]), script.repeatable, signal);
  }
  /** Follows a call of the vendor's client until the signal aborts. */
  async function ask(call: Promise<unknown>, repeatable: boolean, signal: AbortSignal): Promise<unknown> {
    try {
      const answer = await abortable(call, signal);
      reachability.reached();
      return answer;
    } catch (error) {
      const known = signal.aborted ? lostError(error, repeatable, GIVEN_UP) : named(error, repeatable);
      throw known.code === "connection" || signal.aborted ? reachability.failed(known) : known;
    }
  }
  return {
    connect: (signal) => reachability.connect(signal),
    run,
    subscribe: rest ? restConnection(rest).subscribe : () => Promise.reject(new Error("there is no subscription")),
  };
}

/** An error of the vendor's client, without the command that it quotes. */
function named(error: unknown, repeatable: boolean): QueueError {
  if (error instanceof QueueError) return error;
  const whole = error instanceof Error ? error.message : String(error);
  const message = whole.replace(/,? command was:[^]*$/, "");
  if (error instanceof Error && error.name === "UpstashError") {
    if (/unauthorized|auth token|WRONGPASS/i.test(message)) return refused(message);
    return new QueueError(classifyReply(message), message);
  }
  return lostError(new Error(message.slice(0, 200), { cause: (error as Error).cause }), repeatable);
}
