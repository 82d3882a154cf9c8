/**
 * Wrangler, as somebody who deploys a Worker runs it. It is a Node program, also where the tests are not.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { run, type RunResult } from "../runner/child.ts";
import { freePort } from "./ports.ts";

const bin = join(dirname(createRequire(import.meta.url).resolve("wrangler/package.json")), "bin/wrangler.js");

/** Wrangler asks no questions and sends nothing to Cloudflare. */
const quiet = { CI: "true", WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true", NO_COLOR: "1" };

/** Runs a command to its end. */
export function wrangler(args: readonly string[], cwd: string): Promise<RunResult> {
  return run("node", [bin, ...args], { cwd, env: quiet });
}

/** `wrangler dev`, on a free port. */
export class WranglerDev implements AsyncDisposable {
  /** Where the Worker answers. */
  readonly url: string;
  /** All that was written so far. */
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #state: string;
  readonly #watching = new Set<() => void>();
  #ended = false;

  private constructor(child: ChildProcess, state: string, port: number) {
    this.#child = child;
    this.#state = state;
    this.url = `http://127.0.0.1:${port}`;
    const look = () => {
      for (const watch of [...this.#watching]) watch();
    };
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream }).on("line", (line) => {
        this.lines.push(line);
        look();
      });
    }
    child.once("close", () => {
      this.#ended = true;
      look();
    });
  }

  /** Starts it in a folder, and resolves when the Worker answers. */
  static async start(cwd: string, args: readonly string[] = []): Promise<WranglerDev> {
    const [port, inspector] = [await freePort(), await freePort()];
    const state = await mkdtemp(join(tmpdir(), "wrangler-"));
    const listen = [
      "--ip",
      "127.0.0.1",
      "--port",
      `${port}`,
      "--inspector-port",
      `${inspector}`,
      "--persist-to",
      state,
    ];
    const child = spawn("node", [bin, "dev", ...listen, ...args], {
      cwd,
      env: { ...process.env, ...quiet },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true, // a group of its own, which ends together: it starts workerd
    });
    const dev = new WranglerDev(child, state, port);
    await dev.line("Ready on");
    return dev;
  }

  /** The first line that has this in it, when it comes. Rejects where Wrangler ends without it. */
  line(part: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const watch = () => {
        const found = this.lines.find((line) => line.includes(part));
        if (found === undefined && !this.#ended) return;
        this.#watching.delete(watch);
        if (found !== undefined) resolve(found);
        else reject(new Error(`Wrangler ended and never wrote "${part}":\n${this.lines.join("\n")}`));
      };
      this.#watching.add(watch);
      watch();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) {
      const ended = new Promise((resolve) => this.#child.once("close", resolve));
      process.kill(-this.#child.pid!, "SIGKILL");
      await ended;
    }
    await rm(this.#state, { recursive: true, force: true });
  }
}
