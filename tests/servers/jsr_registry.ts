/**
 * A registry on a loopback port that speaks the protocol of JSR: it takes what `deno publish` uploads, and serves it to
 * `deno add` and to imports.
 *
 * ```ts
 * await using registry = await startRegistry();
 * await registry.publish("/path/of/a/package");
 * await run(Deno.execPath(), ["add", "jsr:@scope/name"], { cwd, env: registry.env });
 * ```
 *
 * @module
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { run } from "../runner/child.ts";
import { readTar } from "./tar.ts";

/** The files of one version of a package, by their paths such as `"mod.ts"`. */
export type PackageFiles = ReadonlyMap<string, Uint8Array>;

interface Version {
  readonly exports: Readonly<Record<string, string>>;
  readonly files: PackageFiles;
}

const TYPES: Readonly<Record<string, string>> = {
  ts: "text/typescript",
  tsx: "text/tsx",
  js: "text/javascript",
  json: "application/json",
  md: "text/markdown",
};

function typeOf(path: string): string {
  return TYPES[path.split(".").at(-1) ?? ""] ?? "application/octet-stream";
}

/** Returns the map of exports of a `deno.json`, whose `exports` may be one path. */
function exportsOf(config: { readonly exports: string | Readonly<Record<string, string>> }): Record<string, string> {
  return typeof config.exports === "string" ? { ".": config.exports } : { ...config.exports };
}

/** A running registry. */
export class JsrRegistry implements AsyncDisposable {
  /** The paths that were asked for, in their order. */
  readonly requests: string[] = [];
  readonly #packages = new Map<string, Map<string, Version>>();
  readonly #server: Server;
  readonly #cache: string = mkdtempSync(join(tmpdir(), "jsr-cache-"));

  constructor() {
    this.#server = createServer((request, response) =>
      this.#serve(request, response).catch((error) => response.writeHead(500).end(String(error)))
    );
  }

  /** Opens the port. */
  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  /** Where it listens, with a slash at the end. */
  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`;
  }

  /** Variables that make a Deno use this registry, and a cache of its own. */
  get env(): Readonly<Record<string, string>> {
    return { JSR_URL: this.url, DENO_DIR: this.#cache, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
  }

  /** Publishes the package in a folder with `deno publish` itself: the registry gets the very files that it uploads. */
  async publish(folder: string): Promise<void> {
    const args = ["publish", "--token", "local", "--allow-dirty", "--no-provenance", "--no-check"];
    const { code, stderr, stdout } = await run(Deno.execPath(), args, { cwd: folder, env: this.env });
    if (code !== 0) throw new Error(`deno publish ended with ${code}: ${stdout}${stderr}`);
  }

  /** Serves files as a version of a package, without an upload. */
  add(name: string, version: string, files: Readonly<Record<string, string>>, exports: Record<string, string>): void {
    const bytes = Object.entries(files).map(([path, text]) => [path, new TextEncoder().encode(text)] as const);
    this.#put(name, version, { exports, files: new Map(bytes) });
  }

  /** The files of the newest version of a package. */
  files(name: string): PackageFiles {
    const version = [...this.#packages.get(name)?.values() ?? []].at(-1);
    if (!version) throw new Error(`Nothing was published as ${name}`);
    return version.files;
  }

  #put(name: string, version: string, what: Version): void {
    const versions = this.#packages.get(name) ?? new Map<string, Version>();
    versions.set(version, what);
    this.#packages.set(name, versions);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", this.url);
    const json = (value: unknown, status = 200) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    };
    this.requests.push(`${request.method} ${pathname}`);
    if (pathname.startsWith("/api/")) {
      const upload = /^\/api\/scopes\/([^/]+)\/packages\/([^/]+)\/versions\/([^/]+)$/.exec(pathname);
      if (request.method === "POST" && upload) {
        const [, scope, name, version] = upload as unknown as [string, string, string, string];
        await this.#upload(`@${scope}/${name}`, version, searchParams.get("config") ?? "/deno.json", request);
        return json({ id: "1", status: "success", error: null });
      }
      if (upload) return json({ code: "packageVersionNotFound", message: "not published" }, 404); // so it may be
      return json({ id: "1", status: "success", error: null, scope: "local", name: "local" });
    }
    const [, scope, name, ...rest] = pathname.split("/");
    const versions = this.#packages.get(`${scope}/${name}`);
    if (!versions) return json({ code: "packageNotFound" }, 404);
    const [first = "", ...path] = rest;
    if (first === "meta.json") {
      const latest = [...versions.keys()].at(-1);
      return json({
        scope: scope?.slice(1),
        name,
        latest,
        versions: Object.fromEntries([...versions.keys()].map((one) => [one, {}])),
      });
    }
    const found = versions.get(first.replace(/_meta\.json$/, ""));
    if (!found) return json({ code: "versionNotFound" }, 404);
    if (first.endsWith("_meta.json")) return json({ manifest: manifestOf(found.files), exports: found.exports });
    const file = found.files.get(path.join("/"));
    if (!file) return json({ code: "fileNotFound" }, 404);
    response.writeHead(200, { "content-type": typeOf(path.at(-1) ?? "") }).end(file);
  }

  async #upload(name: string, version: string, config: string, request: IncomingMessage): Promise<void> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const files = readTar(gunzipSync(Buffer.concat(chunks)));
    const manifest = files.get(config.replace(/^\//, ""));
    if (!manifest) throw new Error(`The upload of ${name} has no ${config}`);
    this.#put(name, version, { exports: exportsOf(JSON.parse(new TextDecoder().decode(manifest))), files });
  }

  /** Closes the port and removes the cache. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
    rmSync(this.#cache, { recursive: true, force: true });
  }
}

function manifestOf(files: PackageFiles): Record<string, { readonly size: number; readonly checksum: string }> {
  return Object.fromEntries([...files].map(([path, bytes]) => [`/${path}`, {
    size: bytes.length,
    checksum: `sha256-${createHash("sha256").update(bytes).digest("hex")}`,
  }]));
}

const STD = new URL("../fakes/std/", import.meta.url);

/** Starts one that has stand-ins of the `@std` packages that the plugin template uses, and nothing else. */
export async function startRegistry(): Promise<JsrRegistry> {
  const registry = new JsrRegistry();
  await registry.listen();
  const read = (name: string) => readFileSync(new URL(name, STD), "utf8");
  registry.add("@std/assert", "1.0.19", { "mod.ts": read("assert.ts") }, { ".": "./mod.ts" });
  registry.add("@std/dotenv", "0.225.6", { "load.ts": read("dotenv_load.ts") }, { "./load": "./load.ts" });
  return registry;
}
