/**
 * The pages for the operator: `/metrics` and `/health?detail`, for who has the token; and the health check of a process
 * without a webhook.
 *
 * @module
 */
import { type Metrics, METRICS_CONTENT_TYPE } from "../../core/metrics/metrics.ts";
import { type Clock, systemClock } from "../../core/util/clock.ts";
import type { QueueState } from "../../core/metrics/queue_state.ts";
import type { QueueBackend } from "../../core/protocol.ts";
import { codeOf, createHealthCheck } from "../../slack/health.ts";
import { pathOf } from "../../slack/path.ts";
import type { FetchHandler } from "./listen.ts";

/** Milliseconds for the answer of a health check. */
const HEALTH_TIMEOUT_MS = 2_500;

/** The content of the pages. */
export interface PagesOptions {
  /** The token; `undefined`: the pages are not there. */
  readonly token: string | undefined;
  /** The counters. */
  readonly metrics: Metrics;
  /** Reads the state of the queue; `undefined` where the backend cannot tell. */
  readonly state: (() => Promise<QueueState>) | undefined;
  /** Further fields of `/health?detail`: the backend, the key, the group. */
  readonly about: Readonly<Record<string, unknown>>;
  /** Told of a request without the token. */
  readonly refused: () => void;
  /** Answers all other requests. */
  readonly otherwise: FetchHandler;
}

/** Returns a handler with the operator's pages in front of another one. */
export function createPages(options: PagesOptions): FetchHandler {
  const { token, metrics, otherwise } = options;
  const isToken = token === undefined ? undefined : createTokenCheck(token);

  async function page(request: Request, show: () => Promise<Response>): Promise<Response> {
    if (isToken === undefined) return text(404, "nothing is here");
    if (request.method !== "GET" && request.method !== "HEAD") return text(405, null, { allow: "GET, HEAD" });
    if (await isToken(request.headers.get("authorization"))) return await show();
    options.refused();
    return text(401, "the token of METRICS_TOKEN is missing or wrong", { "www-authenticate": "Bearer" });
  }

  return async (request) => {
    const path = pathOf(request);
    if (path === "/metrics") {
      return await page(
        request,
        async () => text(200, await metrics.render(), { "content-type": METRICS_CONTENT_TYPE }),
      );
    }
    if (path === "/health" && /^[^?#]*\?(?:[^#]*&)?detail(?:[=&#]|$)/.test(request.url)) {
      return await page(request, () => detail(request, options));
    }
    return await otherwise(request);
  };
}

/** The plain health check, with what is known of the queue. */
async function detail(request: Request, { state, about, otherwise }: PagesOptions): Promise<Response> {
  const [plain, known] = await Promise.all([
    otherwise(new Request("http://localhost/health", { method: request.method })),
    state?.(),
  ]);
  const { depth, oldestAgeMs, error } = known ?? {};
  const body = {
    ...await plain.json().catch(() => ({})), // the answer to HEAD has no body
    ...about,
    ...depth && { depth },
    ...oldestAgeMs !== undefined && { oldestAgeMs },
    ...error !== undefined && { depthError: codeOf(error) },
  };
  return json(plain.status, body);
}

/**
 * Returns the health check of a process that only consumes, as the webhook answers it: `GET /health`, and 404 for
 * everything else.
 */
export function createHealthPage(backend: QueueBackend, clock: Clock = systemClock): FetchHandler {
  const health = createHealthCheck(backend, clock, HEALTH_TIMEOUT_MS);
  return async (request) => {
    if (pathOf(request) !== "/health") return text(404, "nothing is here");
    if (request.method !== "GET" && request.method !== "HEAD") return text(405, null, { allow: "GET, HEAD" });
    const { error, ...known } = await health.check(AbortSignal.timeout(HEALTH_TIMEOUT_MS))
      .catch((error: unknown) => ({ ok: false, checked: true, error }));
    return known.ok ? json(200, known) : json(503, { ...known, error: codeOf(error) });
  };
}

/**
 * Returns a check of `Authorization: Bearer <token>`. It compares digests in full, so that its time tells nothing of the
 * token.
 */
function createTokenCheck(token: string): (header: string | null) => Promise<boolean> {
  const expected = digest(token);
  return async (header) => {
    const given = /^Bearer +(\S+)$/i.exec(header ?? "")?.[1];
    const [a, b] = [await expected, await digest(given ?? "")];
    let difference = 0;
    for (const [at, byte] of a.entries()) difference |= byte ^ b[at]!;
    return difference === 0;
  };
}

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

function text(status: number, body: string | null, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(body, { status, headers: { "cache-control": "no-store", ...headers } });
}

function json(status: number, value: unknown): Response {
  return text(status, JSON.stringify(value), { "content-type": "application/json" });
}
