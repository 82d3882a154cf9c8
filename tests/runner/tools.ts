/**
 * Installs the npm packages that the tests need, so that the first `deno task test` of a fresh clone works.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { run } from "./child.ts";
import { ROOT } from "./suites.ts";

/** The configurations with packages of their own, and what their first installation brings. */
const INSTALLATIONS = [
  { config: "deno.json", folder: "node_modules", brings: "the clients of the backends (about 3 MB on disk)" },
  {
    config: "tests/deno.json",
    folder: "tests/node_modules",
    brings: "Bun, Node 22, workerd, Miniflare, Wrangler, TypeScript and the clients (about 780 MB on disk)",
  },
] as const;

/** Options of {@link installTools}. */
export interface InstallToolsOptions {
  /** The folder of the repository. Default: this one. */
  readonly root?: string;
  /** Receives one line for each first installation. */
  readonly log: (line: string) => void;
}

/**
 * Installs the packages of the repository and of its tests; does nothing where they are there.
 *
 * @throws {Error} Where the packages cannot be installed, with what Deno wrote.
 */
export async function installTools({ root = ROOT, log }: InstallToolsOptions): Promise<void> {
  for (const { config, folder, brings } of INSTALLATIONS) {
    if (!existsSync(join(root, folder))) log(`First run: installing ${brings} from npm into ${folder}`);
    const args = ["install", "--quiet", "-c", config];
    const { code, stdout, stderr } = await run(Deno.execPath(), args, { cwd: root });
    if (code !== 0) throw new Error(`Cannot install the packages of ${config}: ${stdout}${stderr}`);
  }
}
