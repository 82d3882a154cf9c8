/**
 * Runs the commands of one request, as Upstash does.
 *
 * @module
 */
import { type RespClient, RespError, type RespValue } from "../servers/resp.ts";
import { envelope, refusal, type RestCommand } from "./upstash_rest.ts";

/** The status of a response, and its body as JSON. */
interface Answer {
  readonly status: number;
  readonly body: string;
}

/**
 * Runs commands one by one, or as one transaction. What Upstash refuses does not reach Redis.
 *
 * @param kind `"command"`, `"pipeline"` or `"multi-exec"`.
 */
export async function runCommands(
  client: RespClient,
  kind: string,
  commands: readonly RestCommand[],
  base64: boolean,
): Promise<Answer> {
  const refused = commands.map(refusal);
  if (kind === "multi-exec") {
    const first = refused.find((reason) => reason !== undefined);
    if (first) return { status: 400, body: JSON.stringify({ error: first }) };
    return await runTransaction(client, commands, base64);
  }
  const run = (command: RestCommand, i: number): RespValue | Promise<RespValue> => {
    const reason = refused[i];
    return reason === undefined ? client.raw(...command) : new RespError(reason);
  };
  const values = (await Promise.all(commands.map(run))).map((value) => envelope(value, base64));
  if (kind === "pipeline") return { status: 200, body: JSON.stringify(values) };
  return { status: values[0]?.error === undefined ? 200 : 400, body: JSON.stringify(values[0]) };
}

async function runTransaction(client: RespClient, commands: readonly RestCommand[], base64: boolean): Promise<Answer> {
  // Written in one go, so that nothing of another request comes in between.
  const [, ...replies] = await Promise.all([["MULTI"], ...commands, ["EXEC"]].map((args) => client.raw(...args)));
  const executed = replies.at(-1) ?? null;
  if (!Array.isArray(executed)) {
    const queueing = replies.find((reply): reply is RespError => reply instanceof RespError);
    return { status: 400, body: JSON.stringify({ error: queueing?.message ?? "ERR discarded" }) };
  }
  return { status: 200, body: JSON.stringify(executed.map((value) => envelope(value, base64))) };
}
