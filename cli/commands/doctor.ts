/**
 * `doctor`: says what is wrong with an installation, and how to repair it.
 *
 * @module
 */
import { numberOption, UsageError } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import type { Check } from "../doctor/check.ts";
import { TIME_URL } from "../doctor/clock.ts";
import { ASKING_MS, examine } from "../doctor/examine.ts";
import { loadHandler } from "../serve/handlers.ts";
import { columns, printable, writeJson } from "../render.ts";

const DETAILS = `It looks at every variable, reaches the broker with its credentials and permissions, writes a message
under a key of its own, reads it back and removes it, compares the clock with Slack's five minutes, and looks
for what costs events later on: a Redis that forgets or evicts, a group that nobody reads, a full disk, a queue
without dead letters. It ends within five seconds, whatever answers. On sqlite it creates the file where there
is none, as the server does.

Each finding names the variable or the setting, and the repair. Exit code 1 where there is one.`;

/** The command. */
export const command: Command = defineCommand({
  name: "doctor",
  summary: "say what is wrong, and how to repair it",
  usage: "[options]",
  details: DETAILS,
  options: {
    handlers: { type: "string", value: "file", help: "as for serve: the module with your handlers, to be loaded" },
    "webhook-only": { type: "boolean", help: "this installation takes Slack's requests and has no handlers" },
    "consume-only": { type: "boolean", help: "this installation has handlers alone: no Signing Secret is needed" },
    "handler-timeout": {
      type: "string",
      value: "seconds",
      help: "as for serve: how long a handler may run, to compare with leases",
    },
    timeout: { type: "string", value: "seconds", help: "how long to wait for answers (default: 3.5)" },
    "time-url": { type: "string", value: "url", help: `whose clock is compared (default: ${TIME_URL})` },
  },
  async run({ values, io, key, group, open }) {
    if (values["webhook-only"] && values["consume-only"]) {
      throw new UsageError("--webhook-only and --consume-only exclude each other");
    }
    const timeUrl = values["time-url"] ?? TIME_URL;
    if (!URL.canParse(timeUrl)) {
      throw new UsageError("--time-url must be a URL, such as https://slack.com/api/api.test");
    }
    const handlerSeconds = numberOption("handler-timeout", values["handler-timeout"], { whole: false });
    const timeout = numberOption("timeout", values.timeout, { min: 0.1, whole: false });
    const named = values.backend ?? (typeof io.env.QUEUE_BACKEND === "string" ? io.env.QUEUE_BACKEND.trim() : "");
    const checks = await examine({
      env: io.env,
      key,
      group,
      backend: named || "sqlite",
      webhook: !values["consume-only"],
      timeUrl,
      handlerSeconds: values["webhook-only"] ? undefined : handlerSeconds,
      askingMs: timeout === undefined ? ASKING_MS : timeout * 1_000,
      clock: io.clock,
      signal: io.signal,
      handlers: async () => values.handlers === undefined ? undefined : await loadHandler(values.handlers),
      open: () => open({ memory: true }),
    });
    const findings = checks.flatMap(({ name, findings }) => findings.map((finding) => ({ check: name, ...finding })));
    const ok = findings.length === 0;
    if (values.json) {
      const looks = checks.map(({ name, state, note }) => ({ name, state, ...note !== undefined && { note } }));
      await writeJson(io, { ok, key, group, checks: looks, findings });
    } else {
      await io.stdout.write(columns(checks.map(row)));
      for (const { severity, setting, problem, repair } of findings) {
        await io.stdout.write(
          printable(`${severity} in ${setting}: ${problem}`) + `\n  repair: ${printable(repair)}\n`,
        );
      }
      await io.stdout.write(ok ? "Nothing is wrong\n" : `${count(findings.length)}\n`);
    }
    return ok ? 0 : 1;
  },
});

const WORDS = { ok: "ok", wrong: "wrong", skipped: "not looked at" } as const;

function row({ name, state, note = "" }: Check): string[] {
  return [name, WORDS[state], printable(note)];
}

function count(findings: number): string {
  return findings === 1 ? "1 thing is wrong" : `${findings} things are wrong`;
}
