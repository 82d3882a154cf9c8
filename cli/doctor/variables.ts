/**
 * Reads every variable, and makes a finding of each problem.
 *
 * @module
 */
import { EnvReader } from "../../core/config/env_reader.ts";
import { ConfigError } from "../../core/errors.ts";
import type { Env, Finding, LeasingBackend } from "../../core/protocol.ts";
import { readToken } from "../serve/settings.ts";
import { readSlackConfig } from "../../slack/config.ts";
import { failureFinding, variablesOf } from "./settings.ts";

/** The backend and the settings that the variables describe. */
export interface Variables {
  /** The backend; undefined where its variables are wrong. */
  readonly backend: LeasingBackend | undefined;
  /** One finding for each problem. */
  readonly findings: readonly Finding[];
}

/** Makes a finding of a sentence of a `ConfigError`. */
export function problemFinding(sentence: string, backend: string): Finding {
  const [problem = ""] = sentence.split("\n");
  if (/^Cannot (use|import) --handlers/.test(problem)) return finding("--handlers", problem, "correct the module");
  const setting = /\b[A-Z][A-Z0-9]*(_[A-Z0-9]+)+\b|^PORT\b|^HOST\b/.exec(problem)?.[0] ??
    variablesOf(backend).address;
  const meant = /did you mean "?([^"?]+)"?\?/.exec(problem)?.[1];
  const unread = / is not a variable that is read/.test(problem);
  const missing = /^(\S+ is not set): (.+)$/.exec(problem);
  const wrong = /^\S+ must (.+?)(?:, found .+)?$/.exec(problem);
  if (unread && meant !== undefined) return finding(setting, problem, `rename it to ${meant}`);
  if (missing) return finding(setting, missing[1]!, missing[2]!.replace(/^(?!set )/, "set it: "));
  if (meant !== undefined) return finding(setting, problem, `set ${setting}=${meant}`);
  if (wrong) return finding(setting, problem, `correct ${setting}: it must ${wrong[1]}`);
  return finding(setting, problem, `correct ${setting}, and run doctor again`);
}

function finding(setting: string, problem: string, repair: string): Finding {
  return { severity: "error", setting, problem, repair };
}

/**
 * Reads the variables of the server, of Slack and of the backend.
 *
 * @param webhook Whether this installation takes Slack's requests, and so needs the Signing Secret.
 * @param load Opens the backend.
 */
export async function readVariables(
  env: Env,
  { webhook, backend: name, key, handlers, load }: {
    readonly key: string;
    readonly webhook: boolean;
    readonly backend: string;
    /** Loads the handlers. */
    readonly handlers: () => Promise<unknown>;
    readonly load: () => Promise<LeasingBackend>;
  },
): Promise<Variables> {
  const reader = new EnvReader(env);
  if (webhook) {
    await reader.gather(() => readSlackConfig(env));
  } else {
    reader.string("SLACK_EVENTS_TOPIC");
  }
  reader.integer("PORT", { max: 65_535 });
  reader.string("HOST");
  readToken(reader);
  await reader.gather(handlers);
  const findings: Finding[] = [];
  const backend = await reader.gather(load).catch((error) => {
    findings.push(failureFinding(name, key, error));
    return undefined;
  });
  try {
    reader.check();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const problems = [...new Set(error.problems)];
    findings.unshift(...problems.map((problem) => problemFinding(problem, name)));
  }
  return { backend, findings };
}
