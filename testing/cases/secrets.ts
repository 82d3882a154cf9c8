/**
 * Rule 14: secrets and payloads stay where they belong.
 *
 * @module
 */
import type { LeasingBackend } from "../../core/protocol.ts";
import { type CaseContext, casesOf, type ConformanceCase } from "../case.ts";
import { check } from "../check.ts";
import type { DriverOperation } from "../faults/fault_state.ts";
import { put } from "./support.ts";

/** Part of a payload that no error may show. */
const CONTENT = "4929-the-customers-number-1337";

/** Everything that can be seen of a value: texts, messages, stacks, causes, own properties, however deep. */
export function visibleText(value: unknown): string {
  const seen = new Set<unknown>();
  const texts: string[] = [];
  function look(one: unknown, depth: number): void {
    if (typeof one === "string") texts.push(one);
    if (typeof one !== "object" && typeof one !== "function" || one === null || seen.has(one) || depth > 12) return;
    seen.add(one);
    for (const name of Object.getOwnPropertyNames(one)) {
      texts.push(name);
      const property = Object.getOwnPropertyDescriptor(one, name);
      // An accessor is asked, as a logger would; what it throws shows nothing.
      try {
        look(property?.get ? property.get.call(one) : property?.value, depth + 1);
      } catch {
        texts.push("");
      }
    }
    if (one instanceof Error) texts.push(String(one));
    if (one instanceof Map) {
      for (const [name, inner] of one) {
        look(name, depth + 1);
        look(inner, depth + 1);
      }
    }
    if (one instanceof Set) { for (const inner of one) look(inner, depth + 1); }
  }
  look(value, 0);
  return texts.join("\n");
}

function shows(value: unknown, hidden: readonly string[], what: string): void {
  const text = visibleText(value);
  for (const secret of hidden) check(!text.includes(secret), `${what} shows what it must not`);
}

/** The errors of each operation when the broker's client fails with the given message. */
async function errorsOf(t: CaseContext, backend: LeasingBackend, message: string): Promise<[string, Error][]> {
  const key = t.key();
  const fail = t.power("failNext");
  const leak = () =>
    Object.assign(new Error(message, { cause: new Error(message) }), { command: [message], url: message });
  const { depth, deadLetters } = backend.capabilities;
  const calls: [DriverOperation, () => Promise<unknown>][] = [
    ["send", () => backend.publish(key, { content: CONTENT })],
    ["receive", async () => await backend.receive(key).next()],
    ...depth ? [["depth", () => backend.depth(key)] as [DriverOperation, () => Promise<unknown>]] : [],
    ...deadLetters
      ? [["deadLetters", () => backend.deadLetters.list(key).next()] as [DriverOperation, () => Promise<unknown>]]
      : [],
  ];
  const found: [string, Error][] = [];
  for (const [operation, call] of calls) {
    fail(backend, operation, leak(), 10);
    found.push([operation, await t.rejects(call(), `a failing ${operation}`)]);
  }
  fail(backend, "ping", leak(), 10);
  const { error } = await t.settles(backend.health(), "the health");
  if (error) found.push(["ping", error]);
  return found;
}

/** The cases of rule 14. */
export const secrets: readonly ConformanceCase[] = casesOf(14, [
  {
    id: "errors",
    title: "no secret is in any error, its message, stack, causes or properties, though the client's own error has it",
    features: ["failNext", "secrets"],
    async run(t) {
      const hidden = t.broker.secrets!;
      const backend = await t.connect({ maxRetries: 0 });
      const message = `AUTH default ${hidden.join(" ")} failed at redis://user:${hidden[0]}@broker:6379`;
      for (const [operation, error] of await errorsOf(t, backend, message)) {
        shows(error, hidden, `the error of ${operation}`);
      }
    },
  },
  {
    id: "payload",
    title: "no payload is in the error of a publish, though the client's own error quotes it",
    sendOnly: true,
    features: ["failNext"],
    async run(t) {
      const backend = await t.connect({ maxRetries: 0 });
      const payload = { content: CONTENT };
      const body = JSON.stringify(payload);
      t.power("failNext")(backend, "send", new Error(`Command failed: XADD orders * data ${body}`));
      shows(await t.rejects(backend.publish(t.key(), payload), "a failing publish"), [CONTENT], "the error");
      t.power("failNext")(backend, "send", new Error(`Command failed: XADD orders * data ${body}`));
      const batch = backend.publishBatch(t.key(), [{ payload }, { payload }]);
      shows(await t.rejects(batch, "a failing batch"), [CONTENT], "the error of a batch");
    },
  },
  {
    id: "wrong-payload",
    title: "the error of a payload that is refused does not quote it",
    sendOnly: true,
    async run(t) {
      const backend = await t.connect({ maxPayloadBytes: 100 });
      const wrong = [{ content: CONTENT, wrong: 1n }, { content: CONTENT, wrong: undefined }, [CONTENT], {
        content: CONTENT.repeat(10),
      }];
      for (const payload of wrong) {
        const error = await t.rejects(backend.publish(t.key(), payload as never), "a wrong payload");
        shows(error, [CONTENT], "the error");
      }
    },
  },
  {
    id: "backend",
    title: "no secret is seen in the backend object, its text or its JSON",
    sendOnly: true,
    features: ["secrets"],
    async run(t) {
      const backend = await t.connectQueue();
      await put(t, backend, t.key(), { n: 1 });
      const hidden = t.broker.secrets!;
      shows(backend, hidden, "the backend object");
      shows(String(backend), hidden, "the backend as text");
      shows(JSON.stringify(backend) ?? "", hidden, "the backend as JSON");
    },
  },
]);
