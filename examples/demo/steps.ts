/**
 * What the demo sends, one line each, and what must come of it.
 *
 * @module
 */
import type { LeasingBackend } from "@slack-mcp/queue";
import type { SlackEvent, SlackOutcome } from "@slack-mcp/queue/slack";
import { eventIdOf, type Probe, type Trace } from "./probe.ts";
import { type Line, Table } from "./table.ts";
import { surviveKill } from "./sqlite.ts";
import type { Server } from "../../cli/serve/server.ts";
import { envelopeOf, SAMPLES } from "../../cli/samples.ts";
import { slackRequest, type SlackRequestOptions } from "../../cli/sign.ts";

/** The text of a mention whose handler fails once. */
export const FLAKY = "<@U0LAN0Z89> fail once";
/** The text of a mention whose handler fails once, as soon as another thread's event is done. */
export const STUCK = "<@U0LAN0Z89> fail for a while";
/** The text of a mention whose handler always fails. */
export const POISON = "<@U0LAN0Z89> fail always";

/** Events of the throughput figure that are on their way at once. */
const BURST_AT_ONCE = 32;
const MIB = 1024 * 1024;

const mention = (text: string): SlackEvent => ({ ...SAMPLES[0]!.event, text });
const newEventId = (): string => `Ev${crypto.randomUUID().replaceAll("-", "").slice(0, 10).toUpperCase()}`;

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** What must be true; where it is not, the text says what is wrong. */
type Check = readonly [holds: boolean, wrong: string];

/** Sends, waits, and adds lines to the table. */
export class Demo {
  readonly #server: Server;
  readonly #backend: LeasingBackend;
  readonly #secret: string;
  readonly #probe: Probe;
  readonly #write: (line: string) => void;
  readonly #table: Table;
  readonly #firstId = newEventId();
  readonly #poisonId = newEventId();
  /** What the receiver's counters must say in the end. */
  readonly #expected = new Map<SlackOutcome, number>();

  /** A demo of a server that runs. */
  constructor(server: Server, secret: string, probe: Probe, write: (line: string) => void) {
    this.#server = server;
    // Every first-party backend has leases, and with them depth and dead letters.
    this.#backend = server.backend as LeasingBackend;
    this.#secret = secret;
    this.#probe = probe;
    this.#write = write;
    this.#table = new Table(write);
  }

  /** Slack's URL verification. */
  async handshake(): Promise<void> {
    const challenge = crypto.randomUUID();
    const answer = await this.#post("challenged", { body: { type: "url_verification", token: "t", challenge } });
    await this.#line("url_verification", `${answer.status}, the challenge`, undefined, [
      is("answer", answer.status, 200),
      [answer.text.includes(challenge), "the challenge did not come back"],
    ]);
  }

  /** An event of one kind: its handler sees it once, whole. */
  async event(route: string, event: SlackEvent): Promise<void> {
    const id = route === SAMPLES[0]!.route ? this.#firstId : newEventId();
    // A message of a subtype came in a channel as well, and goes to that handler too.
    const expected = event.type === "message" && event.subtype ? ["message.channels", route] : [route];
    await this.#accepted(route, id, JSON.stringify(envelopeOf(event, id)), expected);
  }

  /** Slack did not hear the first answer, and sends the first event again. */
  async duplicate(): Promise<void> {
    const headers = { "x-slack-retry-num": "1", "x-slack-retry-reason": "http_timeout" };
    const body = envelopeOf(SAMPLES[0]!.event, this.#firstId);
    const answer = await this.#post("duplicate", { body, headers });
    const trace = this.#probe.trace(this.#firstId);
    await this.#line("the first event again, as Slack's retry 1", `${answer.status}`, undefined, [
      is("answer", answer.status, 200),
      is("times that the handler saw it", trace.handlers.length, 1),
      ...await this.#nothingWaits(),
    ]);
  }

  /** A payload that is hard to carry. */
  async strange(): Promise<void> {
    const id = newEventId();
    const body = JSON.stringify(
      envelopeOf({ type: "brand_new_event", text: "\u0000 \u2028 😀 ü", event_ts: "1.10" }, id),
    )
      .replace("{", '{"__proto__":{"polluted":true},');
    await this.#accepted("an unknown event, with a __proto__ key", id, body, ["otherwise"], [
      [!("polluted" in {}), "a prototype was changed"],
    ]);
  }

  /** Requests that are not Slack's, or that no queue can take. */
  async refusals(): Promise<void> {
    const now = Math.floor(Date.now() / 1000);
    const form = { "content-type": "application/x-www-form-urlencoded" };
    const body = `${JSON.stringify(envelopeOf(SAMPLES[0]!.event, newEventId())).slice(0, -1)},"padding":"${
      "x".repeat(2 * MIB)
    }"}`;
    await this.#refused("a forged signature", 401, "unauthorized", { secret: "not the secret" });
    await this.#refused("no signature", 401, "unauthorized", { headers: { "x-slack-signature": "" } });
    await this.#refused("signed ten minutes ago", 401, "unauthorized", { timestamp: now - 600 });
    await this.#refused("signed in ten minutes", 401, "unauthorized", { timestamp: now + 600 });
    await this.#refused("a timestamp that is not a number", 401, "unauthorized", { timestamp: "soon" });
    await this.#refused("a body of 2 MiB", 413, "tooLarge", { body });
    await this.#refused("signed, but not JSON", 400, "malformed", { body: "{" });
    await this.#refused("signed, but a slash command", 415, "unsupported", {
      body: "command=%2Fdeploy",
      headers: form,
    });
    await this.#refused("GET in place of POST", 405, "notAllowed", undefined);
  }

  /** Slack says that it holds events back. */
  async rateLimited(): Promise<void> {
    const body = { type: "app_rate_limited", token: "t", team_id: "T1", minute_rate_limited: 1, api_app_id: "A1" };
    const answer = await this.#post("rateLimited", { body });
    await this.#line("app_rate_limited", `${answer.status}`, undefined, [
      is("answer", answer.status, 200),
      ...await this.#nothingWaits(),
    ]);
  }

  /** A handler that fails once: the event comes again. */
  async flaky(): Promise<void> {
    const id = newEventId();
    const body = JSON.stringify(envelopeOf(mention(FLAKY), id));
    await this.#accepted("app_mention, whose handler fails once", id, body, ["app_mention", "app_mention"]);
  }

  /**
   * A thread whose first event fails for a while: its next one waits, and another thread flows.
   *
   * @param hold Makes the handler of the first event fail only when this promise has settled.
   */
  async threads(hold: (until: Promise<unknown>) => void): Promise<void> {
    if (!this.#backend.capabilities.orderingKeys) return;
    const [stuck, next, other] = [newEventId(), newEventId(), newEventId()];
    const flowed = this.#probe.ended(other);
    hold(flowed);
    const ts = "1800000000.000100";
    const events: [string, SlackEvent][] = [
      [stuck, { ...mention(STUCK), ts }],
      [next, { ...mention("and then?"), ts: "1800000000.000200", thread_ts: ts }],
      [other, { ...mention("another thread"), ts: "1800000001.000100" }],
    ];
    const statuses: number[] = [];
    for (const [id, event] of events) {
      statuses.push((await this.#post("accepted", { body: envelopeOf(event, id) })).status);
    }
    await flowed;
    const trace = await this.#probe.ended(stuck);
    await this.#probe.ended(next);
    const names = new Map([[stuck, "stuck"], [next, "next"], [other, "other"]]);
    const order = this.#probe.sequence.map((id) => names.get(id)).filter((name) => name !== undefined);
    await this.#line("a thread that is stuck, and another that flows", statuses.join(" "), trace, [
      is("answers", statuses.join(), "200,200,200"),
      is("order of the handlers", order.join(), "stuck,other,stuck,next"),
      ...await this.#nothingWaits(),
    ]);
  }

  /** A handler that always fails: the event ends among the dead letters, whole, and the next one flows. */
  async poison(maxAttempts: number): Promise<void> {
    const id = this.#poisonId;
    const body = JSON.stringify(envelopeOf(mention(POISON), id));
    const answer = await this.#post("accepted", { body });
    const trace = await this.#outcome(id, answer);
    const letters = await Array.fromAsync(this.#backend.deadLetters.list(this.#server.key));
    const letter = letters.find(({ messageId }) => eventIdOf(messageId) === id);
    await this.#line("app_mention, whose handler always fails", `${answer.status}`, trace, [
      is("answer", answer.status, 200),
      is("end", trace.end, "dead"),
      is("deliveries", trace.handlers.length, maxAttempts),
      is("dead letters", letters.length, 1),
      is("attempts of the dead letter", letter?.attempts, maxAttempts),
      [letter?.cause.message.includes("this handler cannot cope") ?? false, "the dead letter does not tell the cause"],
      [JSON.stringify(letter?.payload) === body, "the dead letter is not whole"],
    ]);
    const next = newEventId();
    const after = JSON.stringify(envelopeOf(SAMPLES[0]!.event, next));
    await this.#accepted("app_mention, the next one", next, after, ["app_mention"]);
  }

  /** The handler is put right, and the dead letter comes back. */
  async replay(repair: () => void): Promise<void> {
    repair();
    this.#probe.forget(this.#poisonId);
    const count = await this.#backend.deadLetters.replay(this.#server.key);
    const trace = count > 0 ? await this.#probe.ended(this.#poisonId) : this.#probe.trace(this.#poisonId);
    await this.#line("the handler repaired, the dead letter replayed", "–", trace, [
      is("replayed", count, 1),
      is("end", trace.end, "done"),
      ...await this.#nothingWaits(),
    ]);
  }

  /** The health check. */
  async health(): Promise<void> {
    this.#expect("healthy");
    const answer = await this.#fetch(new Request(`${this.#server.url}/health`));
    await this.#line("GET /health", `${answer.status}`, undefined, [
      is("answer", answer.status, 200),
      [answer.text.includes('"ok":true'), "the backend is not well"],
    ]);
  }

  /** Many events at once: each is answered 200 and handled once. */
  async burst(count: number): Promise<void> {
    const ids = Array.from({ length: count }, newEventId);
    const sign = async (id: string) => ({ id, request: await this.#sign({ body: envelopeOf(SAMPLES[1]!.event, id) }) });
    const requests = await Promise.all(ids.map(sign));
    this.#expect("accepted", count);
    const started = performance.now();
    const traces: Promise<Trace>[] = [];
    let confirmed = 0;
    const work = requests.values();
    await Promise.all(Array.from({ length: BURST_AT_ONCE }, async () => {
      for (const { id, request } of work) {
        const answer = await this.#fetch(request);
        if (answer.status === 200) confirmed++;
        traces.push(this.#outcome(id, answer));
      }
    }));
    const ends = await Promise.all(traces);
    const seconds = (performance.now() - started) / 1000;
    const once = ends.filter(({ handlers, end }) => handlers.length === 1 && end === "done").length;
    await this.#line(`${count} × message.channels, ${BURST_AT_ONCE} at once`, `${confirmed} × 200`, ends[0], [
      is("confirmed", confirmed, count),
      is("handled once", once, count),
      ...await this.#nothingWaits(),
    ]);
    this.#write(
      `\n${
        Math.round(count / seconds)
      } events/s: signed request → verified → queued → confirmed → handled → acknowledged`,
    );
  }

  /** The queue in a file: a process is killed in the middle of its work, and another goes on. */
  async sqlite(): Promise<void> {
    const { confirmed, handled } = await surviveKill();
    this.#table.add({
      request: "sqlite: killed in the middle, started again",
      answer: `${confirmed} confirmed`,
      seen: `${handled} of ${confirmed}: nothing is lost`,
      dead: 0,
      problems: handled === confirmed ? [] : [`${confirmed - handled} confirmed events are lost`],
    });
  }

  /** Compares the webhook's counters with what was sent. */
  conclude(): boolean {
    const { stats } = this.#server.receiver!;
    const counted = Object.entries(stats).filter(([, count]) => count > 0);
    this.#write(`The webhook counted: ${counted.map(([name, count]) => `${name} ${count}`).join(", ")}`);
    const names = Object.keys(stats) as SlackOutcome[];
    const off = names.filter((name) => stats[name] !== (this.#expected.get(name) ?? 0));
    for (const name of off) this.#write(`✗ ${name} must be ${this.#expected.get(name) ?? 0}, and is ${stats[name]}`);
    const { lines, wrong } = this.#table;
    const good = wrong === 0 && off.length === 0;
    this.#write(
      good ? `\nAll ${lines} lines are as they must be` : `\n${wrong + off.length} of ${lines} lines are WRONG`,
    );
    return good;
  }

  async #accepted(name: string, id: string, body: string, expected: readonly string[], more: readonly Check[] = []) {
    const answer = await this.#post("accepted", { body });
    const trace = await this.#outcome(id, answer);
    await this.#line(name, `${answer.status}`, trace, [
      is("answer", answer.status, 200),
      is("end", trace.end, "done"),
      is("handlers", [...trace.handlers].sort().join(), [...expected].sort().join()),
      [trace.arrived === body, "what arrived is not what was sent"],
      ...more,
    ]);
  }

  /** Nothing comes of what was refused, so it is not waited for. */
  async #outcome(id: string, { status }: Answer): Promise<Trace> {
    return status === 200 ? await this.#probe.ended(id) : this.#probe.trace(id);
  }

  /** `request` undefined: a GET. */
  async #refused(
    name: string,
    status: number,
    outcome: SlackOutcome,
    request: Partial<SlackRequestOptions> | undefined,
  ) {
    const id = newEventId();
    const body = envelopeOf(SAMPLES[0]!.event, id);
    this.#expect(outcome);
    const url = `${this.#server.url}/slack/events`;
    const answer = await this.#fetch(request ? await this.#sign({ body, ...request }) : new Request(url));
    const allow = answer.headers.get("allow");
    await this.#line(name, `${answer.status}${allow ? `, Allow: ${allow}` : ""}`, undefined, [
      is("answer", answer.status, status),
      is("times that a handler saw it", this.#probe.trace(id).handlers.length, 0),
      is("Allow", allow, status === 405 ? "POST" : null),
      ...await this.#nothingWaits(),
    ]);
  }

  async #nothingWaits(): Promise<Check[]> {
    const { ready, inFlight, delayed } = await this.#backend.depth(this.#server.key);
    return [is("messages that wait", ready + inFlight + delayed, 0)];
  }

  async #line(request: string, answer: string, trace: Trace | undefined, checks: readonly Check[]): Promise<void> {
    const { dead } = await this.#backend.depth(this.#server.key);
    const problems = checks.filter(([holds]) => !holds).map(([, wrong]) => wrong);
    const line: Line = { request, answer, dead, problems };
    if (!trace) return this.#table.add(line);
    const seen = [...new Set(trace.handlers)].join(", ") || "nothing";
    this.#table.add({ ...line, seen, attempts: trace.attempts.length });
  }

  #expect(outcome: SlackOutcome, count = 1): void {
    this.#expected.set(outcome, (this.#expected.get(outcome) ?? 0) + count);
  }

  async #post(outcome: SlackOutcome, request: Omit<SlackRequestOptions, "secret">): Promise<Answer> {
    this.#expect(outcome);
    return await this.#fetch(await this.#sign(request));
  }

  async #sign(request: Omit<SlackRequestOptions, "secret">): Promise<Request> {
    return await slackRequest(`${this.#server.url}/slack/events`, { secret: this.#secret, ...request });
  }

  async #fetch(request: Request): Promise<Answer> {
    const response = await fetch(request);
    return { status: response.status, headers: response.headers, text: await response.text() };
  }
}

function is(what: string, found: unknown, expected: unknown): Check {
  return [found === expected, `${what}: must be ${expected}, and is ${found}`];
}
