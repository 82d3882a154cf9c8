/** The Cloudflare API of `cloudflare_api.ts` over HTTP on loopback, with connections that can be cut. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { freePort } from "../servers/ports.ts";
import { type CloudflareApi, Disconnect } from "./cloudflare_api.ts";

export class CloudflareApiServer {
  readonly api: CloudflareApi;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  constructor(api: CloudflareApi) {
    this.api = api;
  }

  /** What a client takes as the API's base. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}/client/v4`;
  }

  /** Listens: on a free port the first time, on the same one afterwards. */
  async start(): Promise<this> {
    const server = createServer((request, response) => void this.#serve(request, response));
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    this.#port ||= await freePort();
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, "127.0.0.1", resolve);
    });
    this.#server = server;
    return this;
  }

  /** Cuts every connection; what the API holds stays. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Stops listening and cuts every connection; what the API holds stays. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    this.drop();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const chunks: Uint8Array[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const { method = "GET", headers: { authorization = null } } = request;
      const body = await new Blob(chunks as BlobPart[]).text();
      const answer = await this.api.handle({ method, url: `http://127.0.0.1${request.url}`, authorization, body });
      response.writeHead(answer.status, answer.headers);
      response.end(answer.text);
    } catch (error) {
      // Deno's fetch sends a request again when a connection that it had used before closes without a byte of an
      // answer. So a reply is lost midway: the head arrives, the body never does.
      if (error instanceof Disconnect && error.reply) {
        response.writeHead(error.reply.status, {
          ...error.reply.headers,
          "content-length": "1000",
        });
        await new Promise<void>((resolve) => response.write("{", () => resolve()));
      }
      request.socket.destroy();
    }
  }
}
