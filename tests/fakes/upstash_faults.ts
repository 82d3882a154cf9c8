/**
 * The ways in which the test server for Upstash can misbehave on command.
 *
 * @module
 */
import type { ServerResponse } from "node:http";
import type { RestCommand } from "./upstash_rest.ts";

/** One request, as it was counted. */
export interface SeenRequest {
  readonly path: string;
  readonly commands: readonly RestCommand[];
  /** The token that came with it. */
  readonly token: string;
}

/** What is kept of a request: the bodies of some hundred thousand would fill the memory. */
export interface CountedRequest extends Omit<SeenRequest, "commands"> {
  readonly commands: number;
}

/** An answer in place of the right one. */
export interface Failure {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: a JSON error. */
  readonly body?: string;
  /** How many requests fail. Default: 1. */
  readonly times?: number;
}

/** What becomes of a request: nothing but an answer, or its connection is cut before, after or within one. */
export type Fault = Failure | "before" | "after" | "half";

/** Which requests are meant. */
export type Matching = (request: SeenRequest) => boolean;

/** Faults that wait for their request. */
export class FaultQueue {
  #waiting: { readonly fault: Fault; readonly matching: Matching; left: number }[] = [];

  /** For the next requests that match. */
  add(fault: Fault, matching: Matching = () => true): void {
    this.#waiting.push({ fault, matching, left: typeof fault === "object" ? fault.times ?? 1 : 1 });
  }

  /** The fault of this request, if there is one for it. */
  take(request: SeenRequest): Fault | undefined {
    const found = this.#waiting.find(({ matching }) => matching(request));
    if (found && --found.left <= 0) this.#waiting = this.#waiting.filter((one) => one !== found);
    return found?.fault;
  }
}

/** Answers with a failure. */
export function answerFailure(response: ServerResponse, { status, headers, body }: Failure): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(body ?? JSON.stringify({ error: `ERR injected failure ${status}` }));
}

/**
 * Ends the connection within an answer that says nothing. It has begun, because of a kept-alive connection
 * that just closes, `fetch` sends the request again by itself.
 */
export function cutConnection(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json", "content-length": 1_000 });
  response.write(" ", () => response.destroy());
}
