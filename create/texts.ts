/**
 * The files of a generated package that depend on the choice of transport.
 *
 * @module
 */
import type { Names } from "./names.ts";
import type { Transport } from "./options.ts";
import { VERSION } from "./templates.ts";

/** A variable, what it says, and its default. */
type Variable = readonly [suffix: string, meaning: string, fallback: string];

const CONNECTION: readonly Variable[] = [
  ["URL", "where the broker is; may hold user and password", "the store of this process"],
  ["USERNAME", "the broker's user", "the URL's"],
  ["PASSWORD", "the broker's password", "the URL's"],
  ["SSL", "`true` or `false`: whether to encrypt the connection", "by the URL's scheme"],
  ["TIMEOUT", "seconds to wait for the broker", "5"],
];

const RETRIES: readonly Variable[] = [
  ["MAX_RETRIES", "how often a failed call is tried again", "3"],
  ["RETRY_DELAY", "seconds before the first new try", "0.1"],
];

const BOUND: Variable = ["MAX_LENGTH", "the most messages of a key that are not settled", "no limit"];

const VARIABLES: Readonly<Record<Transport, readonly Variable[]>> = {
  pull: [...CONNECTION, ...RETRIES, BOUND],
  push: [...CONNECTION, ...RETRIES],
  plain: CONNECTION,
};

const REFUSED: Readonly<Record<Transport, readonly string[]>> = {
  pull: ["MESSAGE_TTL", "DURABLE"],
  push: ["MESSAGE_TTL", "MAX_LENGTH", "DURABLE"],
  plain: ["MAX_RETRIES", "RETRY_DELAY", "MESSAGE_TTL", "MAX_LENGTH", "DURABLE"],
};

const HANDLED: Readonly<Record<Transport, string>> = {
  pull: "`driver.ts`: the marked seam is where your broker's client goes. `store.ts` goes then.",
  push: "`driver.ts`: the marked seam is where your platform's client goes. `platform.ts` goes then.",
  plain: "`backend.ts`: the marked seam is where your broker's client goes.",
};

/** The `deno.json`. */
export function denoJson({ name, scope }: Names, description: string, link: string | undefined): string {
  const tests = "tests/*_test.ts";
  return `${
    JSON.stringify(
      {
        name: `${scope}/${name}`,
        version: "0.1.0",
        description,
        license: "MIT",
        exports: "./mod.ts",
        ...link !== undefined && { links: [link] },
        imports: {
          "@slack-mcp/queue": `jsr:@slack-mcp/queue@^${VERSION}`,
          "@std/assert": "jsr:@std/assert@^1.0.0",
          "@std/dotenv": "jsr:@std/dotenv@^0.225.0",
        },
        tasks: {
          ok: "deno fmt --check && deno lint && deno check *.ts tests/*.ts && deno publish --dry-run --allow-dirty",
          start: "deno run --allow-env --allow-net --allow-read=.env main.ts",
          test: "deno test --allow-env --allow-net --allow-read tests/",
          "test:bun": `deno bundle --quiet --platform deno --outdir dist ${tests} && bun test --timeout 120000 ./dist`,
        },
        publish: { exclude: ["tests/", ".github/", "main.ts", "docker-compose.yml", ".env.example", ".gitignore"] },
        exclude: ["dist"],
        fmt: { lineWidth: 120 },
        lint: { rules: { tags: ["recommended", "jsr"] } },
        compilerOptions: { strict: true, noUncheckedIndexedAccess: true },
      },
      undefined,
      2,
    )
  }\n`;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[], fill: string) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!, fill)).join(" | ")} |`;
  const [head, ...body] = rows;
  return [line(head!, " "), line(head!.map(() => ""), "-"), ...body.map((row) => line(row, " "))].join("\n");
}

/** Breaks a paragraph where `deno fmt` would. */
function wrap(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= 120) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join("\n");
}

/** The `README.md`. */
export function readme({ name, scope, key, prefix }: Names, description: string, transport: Transport): string {
  const rows = VARIABLES[transport].map(([suffix, meaning, fallback]) =>
    [`\`${prefix}_${suffix}\``, meaning, fallback] as const
  );
  const refused = REFUSED[transport].map((suffix) => `\`${prefix}_${suffix}\``).join(", ");
  return `# ${scope}/${name}

${wrap(description)}

\`\`\`sh
deno add jsr:@slack-mcp/queue jsr:${scope}/${name}
\`\`\`

\`\`\`ts
import { ambientEnv, defineRegistry } from "@slack-mcp/queue";

const registry = defineRegistry({
  memory: () => import("@slack-mcp/queue/memory"),
  ${key}: () => import("${scope}/${name}"),
});
await using backend = await registry.load(ambientEnv()); // QUEUE_BACKEND=${key}
\`\`\`

## Configuration

${table([["variable", "meaning", "default"], ...rows])}

${wrap(`Refused, because they do not apply: ${refused}.`)}

## Develop

\`\`\`sh
deno task test     # the conformance kit and the tests, on Deno
deno task test:bun # the same on Bun
deno task ok       # format, lint, types, publish dry run
deno task start    # a service that consumes
\`\`\`

${wrap(HANDLED[transport])}
`;
}

/** The `.env.example`. */
export function envExample({ key, prefix }: Names, transport: Transport): string {
  const lines = VARIABLES[transport].map(([suffix, meaning]) => `# ${meaning}\n# ${prefix}_${suffix}=`);
  return [`QUEUE_BACKEND=${key}`, ...lines].join("\n") + "\n";
}
