/** README's first program, as it stands there, with a stand-in at its other end that plays Slack. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { envelopeOf } from "../../cli/samples.ts";
import { slackRequest } from "../../cli/sign.ts";
import { bareEnv } from "../runner/child.ts";
import { ROOT } from "../runner/suites.ts";
import type { JsonObject } from "../../core/protocol.ts";
import type { SlackEvent } from "../../slack/mod.ts";

const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";
const TOKEN = "xoxb-not-a-real-one";
/** The app and its bot, as the samples' envelope names them. */
const BOT = { user: "U0LAN0Z89", bot_id: "B0LAN0Z89", app_id: "A0FFV41KK" };
const HUMAN = "U061F7AUR";

/** The first program of the README. */
function readmeProgram(): string {
  const [, marked = ""] = readFileSync(join(ROOT, "README.md"), "utf8").split("<!-- program: answers.ts -->");
  const program = /^```ts.*\n([\s\S]*?)^```$/m.exec(marked)?.[1];
  return program ?? assert.fail("the README has no program");
}

/** Slack: takes `chat.postMessage`, and sends every message of a conversation to the app, the app's own included. */
class Slack implements AsyncDisposable {
  readonly posts: { readonly channel: string; readonly text: string }[] = [];
  readonly #server = createServer((request, response) => {
    const chunks: Uint8Array[] = [];
    request.on("data", (chunk: Uint8Array) => chunks.push(chunk)).on("end", () => {
      void this.#answer(request.headers.authorization, Buffer.concat(chunks).toString())
        .then((answer) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer)))
        .catch(() => response.destroy()); // the program has ended: its own failure says why
    });
  });
  readonly #waiting = new Set<() => void>();
  /** The texts whose events the webhook has confirmed. */
  readonly #told = new Set<string>();
  #events = 0;
  #webhook = "";

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/api/`;
  }

  /** Sends events there from now on. */
  connect(webhook: string): void {
    this.#webhook = webhook;
  }

  /** Sends one event, and resolves when the webhook has confirmed it. */
  async send(event: SlackEvent): Promise<void> {
    const body = envelopeOf(
      { event_ts: "1761984000.000100", ts: "1761984000.000100", ...event },
      `Ev${++this.#events}`,
    );
    const response = await fetch(await slackRequest(`${this.#webhook}/slack/events`, { secret: SECRET, body }));
    assert.equal(response.status, 200, await response.text());
  }

  /** Resolves when the app has posted this text, and the webhook has taken the events that come of it. */
  async posted(text: string): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = () => this.#told.has(text) && resolve();
      this.#waiting.add(look);
      look();
    });
  }

  async #answer(authorization: string | undefined, body: string): Promise<JsonObject> {
    if (authorization !== `Bearer ${TOKEN}`) return { ok: false, error: "invalid_auth" };
    const { channel, text } = JSON.parse(body) as { channel: string; text: string };
    if (!text) return { ok: false, error: "no_text" };
    this.posts.push({ channel, text });
    const channel_type = channel.startsWith("D") ? "im" : "channel";
    const message = { type: "message", channel, channel_type, text, ...BOT };
    await this.send(message);
    // Slack adds previews of links and tells of it as an edit.
    await this.send({ type: "message", subtype: "message_changed", channel, channel_type, hidden: true, message });
    this.#told.add(text);
    for (const look of this.#waiting) look();
    return { ok: true, ts: "1761984000.000200" };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Runs the program with Slack's API at another address. Resolves with where it listens. */
async function start(program: string, api: string): Promise<AsyncDisposable & { readonly url: string }> {
  mkdirSync(join(ROOT, "coverage"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, "coverage/readme-")); // within the repository: the program imports its package
  writeFileSync(join(folder, "program.ts"), program);
  writeFileSync(
    join(folder, "entry.ts"),
    `const { fetch } = globalThis;
globalThis.fetch = (input, init) => fetch(String(input).replace("https://slack.com/api/", ${
      JSON.stringify(api)
    }), init);
await import("./program.ts");\n`,
  );
  const child = spawn(Deno.execPath(), ["run", "-A", "-c", "deno.json", join(folder, "entry.ts")], {
    cwd: ROOT,
    env: { ...bareEnv(), PORT: "0", SLACK_SIGNING_SECRET: SECRET, SLACK_BOT_TOKEN: TOKEN },
  });
  let output = "";
  const url = Promise.withResolvers<string>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      output += `${line}\n`;
      const port = /:(\d+)\/?/.exec(/Listening on \S+/.exec(line)?.[0].replace(/\[.*\]/, "") ?? "")?.[1];
      if (port) url.resolve(`http://127.0.0.1:${port}`);
    });
  }
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  void ended.then(() => url.reject(new Error(`The program ended:\n${output}`)));
  const dispose = async () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(child.pid!, "SIGKILL");
    await ended;
    rmSync(folder, { recursive: true });
  };
  return { url: await url.promise, [Symbol.asyncDispose]: dispose };
}

test("README's whole program answers people once and never itself", async () => {
  await using slack = new Slack();
  await using program = await start(readmeProgram(), await slack.start());
  slack.connect(program.url);
  const inDm = { type: "message", channel: "D024BE91L", channel_type: "im" };
  const message = { ...inDm, user: HUMAN, text: "hello" };
  await slack.send(message);
  await slack.posted("hello");
  await slack.send({ ...inDm, subtype: "message_changed", hidden: true, message: { ...message, text: "hello!" } });
  await slack.send({ ...inDm, subtype: "message_deleted", hidden: true, previous_message: message });
  await slack.send({ ...inDm, user: HUMAN, text: "" });
  await slack.send({ ...inDm, subtype: "bot_message", bot_id: "B9", text: "another bot" });
  await slack.send({ type: "app_mention", user: HUMAN, channel: "C0LAN2Q65", text: "<@U0LAN0Z89> who are you?" });
  await slack.send({ type: "team_join", user: { id: HUMAN } });
  // Whatever the events above lead to has begun before these are answered: handlers start in the order of events.
  for (const text of ["one more", "and another", "the last"]) {
    await slack.send({ ...message, text });
    await slack.posted(text);
  }
  await slack.posted("You said: <@U0LAN0Z89> who are you?");
  assert.deepEqual(slack.posts.map(({ text }) => text).sort(), [
    "You said: <@U0LAN0Z89> who are you?",
    "and another",
    "hello",
    "one more",
    "the last",
  ]);
});
