// The flags of docs/permissions.md are enough, and each of them is needed.
import { after, test as plainTest } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CloudflareApi } from "../../fakes/cloudflare_api.ts";
import { CloudflareApiServer } from "../../fakes/cloudflare_api_server.ts";
import { startUpstash } from "../../fakes/upstash_server.ts";
import { requires, type Service } from "../../runner/services.ts";
import { ROOT } from "../../runner/suites.ts";
import { startRabbitMQ } from "../../servers/rabbitmq_server.ts";
import { startRedis } from "../../servers/redis_server.ts";

/** A backend that a program is to use, and what the placeholders of its flags stand for. */
interface Setup extends AsyncDisposable {
  /** An expression that makes the backend of `module`. */
  readonly backend: string;
  /** In place of `HOST:PORT`. */
  readonly host?: string;
  /** In place of `FOLDER`. */
  readonly folder?: string;
}

const scratch = mkdtempSync(join(tmpdir(), "permissions-program-"));
after(() => rmSync(scratch, { recursive: true }));

const fromEnv = (env: Record<string, string>) => `await module.fromEnv(${JSON.stringify(env)})`;
const nothing = () => Promise.resolve();

const SETUPS: Readonly<Record<string, () => Promise<Setup>>> = {
  memory: () => Promise.resolve({ backend: fromEnv({}), [Symbol.asyncDispose]: nothing }),
  sqlite: () => {
    const folder = mkdtempSync(join(tmpdir(), "permissions-"));
    return Promise.resolve({
      backend: fromEnv({ SQLITE_PATH: join(folder, "queue.db") }),
      folder,
      [Symbol.asyncDispose]: () => Promise.resolve(rmSync(folder, { recursive: true })),
    });
  },
  async redis() {
    const server = await startRedis();
    return {
      backend: fromEnv({ REDIS_URL: server.url, REDIS_MAX_RETRIES: "0", REDIS_TIMEOUT: "5" }),
      host: `127.0.0.1:${server.port}`,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
  async upstash() {
    const server = await startUpstash();
    return {
      backend: fromEnv({
        UPSTASH_REDIS_REST_URL: server.url,
        UPSTASH_REDIS_REST_TOKEN: server.token,
        UPSTASH_MAX_RETRIES: "0",
      }),
      host: new URL(server.url).host,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
  async rabbitmq() {
    const server = await startRabbitMQ();
    return {
      backend: fromEnv({ RABBITMQ_URL: server.url, RABBITMQ_MAX_RETRIES: "0", RABBITMQ_TIMEOUT: "10" }),
      host: new URL(server.url).host,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
  async cloudflare() {
    const api = new CloudflareApi();
    const server = await new CloudflareApiServer(api).start();
    const queue = api.queue("queue");
    const options = { accountId: api.accountId, apiToken: api.token, apiUrl: server.url, maxRetries: 0 };
    return {
      backend: `new module.CloudflareHttpBackend({ ...${JSON.stringify(options)}, queues: { k: ${
        JSON.stringify(queue.id)
      } } })`,
      host: new URL(server.url).host,
      [Symbol.asyncDispose]: () => server.stop(),
    };
  },
};

/** The program that a backend's server is. */
const PROGRAMS: Readonly<Record<string, Service>> = {
  redis: "redis-server",
  upstash: "redis-server",
  rabbitmq: "rabbitmq-server",
};

/** The rows of the document: the flags of each backend. */
function documented(): [backend: string, flags: string[]][] {
  const text = readFileSync(join(ROOT, "docs/permissions.md"), "utf8");
  const [, table = ""] = /<!-- permissions -->([\s\S]*?)<!-- \/permissions -->/.exec(text) ?? [];
  const rows = [...table.matchAll(/^\| `(\w+)` *\|([^|]*)\|/gm)];
  return rows.map((
    [, backend = "", flags = ""],
  ) => [backend, [...flags.matchAll(/`([^`]+)`/g)].map(([, flag]) => flag!)]);
}

/** Publishes and consumes one message with these flags. */
async function use(name: string, { backend, host, folder }: Setup, flags: readonly string[]) {
  const program = `import * as module from ${JSON.stringify(join(ROOT, `backends/${name}/mod.ts`))};
const backend = ${backend};
try {
  await backend.publish("k", { n: 1 });
  for await (const payload of backend.consume("k")) {
    console.log(JSON.stringify(payload));
    break;
  }
} finally {
  await backend.close();
}
`;
  const given = flags.map((flag) => flag.replace("HOST:PORT", host ?? "").replace("FOLDER", folder ?? ""));
  const file = join(scratch, "program.ts");
  writeFileSync(file, program);
  const args = ["run", "--no-check", "--no-prompt", ...given, "-c", join(ROOT, "deno.json"), file];
  // Not through node:child_process: Deno's gives a child of its own program the permissions of its parent.
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" } }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

for (const [name, flags] of documented()) {
  const program = PROGRAMS[name];
  const test = program ? requires(program) : plainTest;
  test(`Deno runs the ${name} backend with the documented permissions, and with none fewer`, async () => {
    const setUp = SETUPS[name];
    assert.ok(setUp, `this test does not know ${name}`);
    await using setup = await setUp();
    const { code, stdout, stderr } = await use(name, setup, flags);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, '{"n":1}\n');
    for (const flag of flags) {
      const without = await use(name, setup, flags.filter((one) => one !== flag));
      assert.notEqual(without.code, 0, `${flag} is not needed: ${without.stdout}${without.stderr}`);
      assert.match(without.stderr, /NotCapable|Requires \w+ access/, flag);
    }
  });
}

plainTest("docs/permissions.md has a row for every backend that Deno runs", () => {
  const config = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8")) as { exports: Record<string, string> };
  const backends = Object.values(config.exports).flatMap((path) =>
    /^\.\/backends\/(\w+)\/mod\.ts$/.exec(path)?.[1] ?? []
  );
  assert.deepEqual(documented().map(([name]) => name).sort(), backends.sort());
});
