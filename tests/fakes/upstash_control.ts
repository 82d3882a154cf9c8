/**
 * A test server for Upstash that is commanded over HTTP, so that a suite can do it from within workerd.
 *
 * @module
 */
import { fromBase64 } from "../../core/util/bytes.ts";
import { createServer, type IncomingMessage } from "node:http";
import type { DriverOperation } from "../../testing/faults/fault_state.ts";
import { SCRIPTS } from "../conformance/support/scripts.ts";
import { startRedis } from "../servers/redis_server.ts";
import { startUpstash } from "./upstash_server.ts";

/** What a command server answers to `GET /`. */
export interface UpstashAddress {
  readonly url: string;
  readonly token: string;
}

/** What can be asked for with `POST /`. A client is named by its token. */
export type UpstashCommand =
  | { readonly do: "restart" }
  | { readonly do: "drop" }
  | { readonly do: "delay"; readonly token: string; readonly ms: number }
  | { readonly do: "hold"; readonly token: string }
  | { readonly do: "letThrough"; readonly token: string }
  | { readonly do: "lose"; readonly token: string; readonly operation: DriverOperation }
  | { readonly do: "inject"; readonly key: string; readonly base64: string }
  | { readonly do: "cost"; readonly tokens: string };

/** A running command server and what it commands. */
export interface UpstashControl extends AsyncDisposable {
  /** Where it listens. */
  readonly url: string;
}

async function readCommand(request: IncomingMessage): Promise<UpstashCommand> {
  let body = "";
  for await (const chunk of request) body += new TextDecoder().decode(chunk);
  return JSON.parse(body);
}

/** Starts one, with a server for Upstash and a redis-server behind it. */
export async function startUpstashControl(): Promise<UpstashControl> {
  const redis = await startRedis({ appendonly: "always" });
  const upstash = await startUpstash({ redis, token: "correct-horse-battery-staple" });
  const commands: { [Name in UpstashCommand["do"]]: (command: Extract<UpstashCommand, { do: Name }>) => unknown } = {
    restart: async () => {
      await redis.kill();
      await redis.restart();
    },
    drop: () => upstash.dropConnections(),
    delay: ({ token, ms }) => upstash.delayFor(token, ms),
    hold: ({ token }) => upstash.hold(token),
    letThrough: ({ token }) => upstash.letThrough(token),
    lose: ({ token, operation }) =>
      upstash.loseNextReply((request) => {
        const [name, script] = request.commands[0] ?? [];
        const meant = operation === "ping"
          ? name === "PING"
          : SCRIPTS[operation].some(({ source }) => source === script);
        return meant && request.token === token;
      }),
    inject: ({ key, base64 }) => redis.call("XADD", key, "*", "data", fromBase64(base64)),
    cost: ({ tokens }) => {
      const own = upstash.seen.filter(({ token }) => token.startsWith(tokens));
      return own.reduce((sum, { commands }) => sum + commands, 0);
    },
  };
  const server = createServer(async (request, response) => {
    try {
      const command = request.method === "POST" ? await readCommand(request) : undefined;
      const run = command && commands[command.do] as (command: UpstashCommand) => unknown;
      const answer = run ? await run(command) ?? null : { url: upstash.url, token: upstash.token };
      response.end(JSON.stringify(answer));
    } catch (error) {
      response.writeHead(500).end(JSON.stringify(String(error)));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
    async [Symbol.asyncDispose]() {
      await upstash[Symbol.asyncDispose]();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await redis[Symbol.asyncDispose]();
    },
  };
}
