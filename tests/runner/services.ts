/**
 * The programs that a suite needs beside a runtime, and what happens where one is missing: the suite's tests
 * are skipped, each by its name, and counted.
 *
 * ```ts
 * const test = requires("redis-server");
 * test("a message survives the server", async () => {});
 * ```
 *
 * @module
 */
import { test as nodeTest } from "node:test";
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { run } from "./child.ts";

/** A program, or a Python module, and the Debian package that has it. */
const PACKAGES = {
  "redis-server": "redis-server",
  "rabbitmq-server": "rabbitmq-server",
  "nats-server": "nats-server",
  openssl: "openssl",
  python3: "python3",
  "python3-aio-pika": "python3-aio-pika",
} as const;

/** Python modules among them. */
const MODULES: Readonly<Partial<Record<Service, string>>> = { "python3-aio-pika": "aio_pika" };

/** A program that suites ask for. */
export type Service = keyof typeof PACKAGES;

/** All of them. */
export const SERVICES = Object.keys(PACKAGES) as readonly Service[];

/** What the conformance kit and the suites call: a name and a function. */
export type TestFunction = (name: string, fn: () => Promise<void> | void) => void;

/** Where the program is, or undefined. */
export function findProgram(name: string, path: string = process.env.PATH ?? ""): string | undefined {
  for (const dir of path.split(delimiter)) {
    if (dir === "") continue;
    try {
      const file = join(dir, name);
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // not in this one
    }
  }
  return undefined;
}

/** A Python on the path that has a module, or undefined: the one of the system's packages need not be the first. */
export function pythonWith(module: string, path: string = process.env.PATH ?? ""): string | undefined {
  const pythons = path.split(delimiter).map((dir) => findProgram("python3", dir)).filter((found) =>
    found !== undefined
  );
  return pythons.find((python) => spawnSync(python, ["-c", `import ${module}`], { stdio: "ignore" }).status === 0);
}

/** Whether a service is there. */
function isThere(service: Service, path?: string): boolean {
  const module = MODULES[service];
  return (module === undefined ? findProgram(service, path) : pythonWith(module, path)) !== undefined;
}

/** The runner's `test` where all the programs are there, else one that skips. */
export function requires(...services: readonly Service[]): TestFunction {
  const missing = services.filter((service) => !isThere(service));
  if (missing.length === 0) return nodeTest as TestFunction;
  return (name, fn) => void nodeTest(name, { skip: `${missing.join(", ")} not found` }, fn);
}

/** Brings what is missing, where that can be done. */
export interface InstallOptions {
  /** Where to look. Default: `PATH`. */
  readonly path?: string;
  /** Default: whether this process runs as root. */
  readonly root?: boolean;
  /** Gets one line per step. */
  readonly log: (line: string) => void;
}

/** Installs the missing ones from the system's own packages, and answers those that are missing still. */
export async function installServices(options: InstallOptions): Promise<Service[]> {
  const { path = process.env.PATH ?? "", root = process.getuid?.() === 0, log } = options;
  const missing = () => SERVICES.filter((service) => !isThere(service, path));
  const wanted = missing();
  if (wanted.length === 0) return [];
  const aptGet = findProgram("apt-get", path);
  if (!root || !aptGet) {
    log(`Missing: ${wanted.join(", ")}. Not installed: ${root ? "there is no apt-get" : "this needs root"}`);
    return wanted;
  }
  const packages = wanted.map((service) => PACKAGES[service]);
  log(`Missing: ${wanted.join(", ")}. Installing ${packages.join(", ")}`);
  // RUNLEVEL=1 keeps the package from starting a server of its own: each test starts the one that it needs.
  const env = { PATH: path, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", ...packages]]) {
    const { code, stderr } = await run(aptGet, args, { env });
    if (code !== 0) log(`apt-get ${args[0]} failed with ${code}: ${stderr.trim().slice(-500)}`);
  }
  return missing();
}
