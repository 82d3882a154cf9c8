/**
 * The capability matrix: what the runs of the conformance kit found, by backend and runtime, and how it is shown.
 *
 * @module
 */
import { type CapabilityName, capabilityNames } from "../../testing/capability.ts";
import { conformanceCases } from "../../testing/cases/mod.ts";
import type { CapabilityStatus, ConformanceReport, DeclaredLimits } from "../../testing/report.ts";
import { markdownTable } from "./table.ts";

/** One backend on one runtime. */
export interface MatrixRow {
  readonly backend: string;
  readonly runtime: string;
  readonly capabilities: Readonly<Record<CapabilityName, CapabilityStatus>>;
  /** As declared; `null` where there is no limit. */
  readonly maxPayloadBytes: number | null;
  readonly idleCostPerHour: number;
  readonly costPerMessage: number;
}

/** What a run sends. */
export type SentReport = Pick<ConformanceReport, "backend" | "runtime" | "capabilities"> & {
  readonly limits?: Omit<DeclaredLimits, "maxPayloadBytes"> & { readonly maxPayloadBytes: number | null };
};

const names = Object.keys(capabilityNames) as CapabilityName[];

/** Of two runs of one backend, one may have been able to prove what the other was not. */
const RANK: readonly CapabilityStatus[] = [
  "failed",
  "proven",
  "works though undeclared",
  "not proven",
  "not declared",
];

/** One row per backend and runtime. */
export function mergeReports(reports: readonly SentReport[]): MatrixRow[] {
  const rows = new Map<string, MatrixRow>();
  for (const { backend, runtime, capabilities, limits } of reports) {
    const before = rows.get(`${backend} ${runtime}`);
    const merged = names.map((name) => {
      const found = [capabilities[name], ...before ? [before.capabilities[name]] : []];
      return [name, RANK.find((status) => found.includes(status))!] as const;
    });
    rows.set(`${backend} ${runtime}`, {
      backend,
      runtime,
      capabilities: Object.fromEntries(merged) as MatrixRow["capabilities"],
      maxPayloadBytes: limits?.maxPayloadBytes ?? null,
      idleCostPerHour: limits?.idleCostPerHour ?? 0,
      costPerMessage: limits?.costPerMessage ?? 1,
    });
  }
  return [...rows.values()].sort((a, b) => order(a) < order(b) ? -1 : 1);
}

const BACKENDS = ["memory", "sqlite", "redis", "upstash", "rabbitmq", "cloudflare over HTTP", "cloudflare in a Worker"];
const RUNTIMES = ["deno", "bun", "workerd", "node"];

function order({ backend, runtime }: MatrixRow): string {
  return `${BACKENDS.indexOf(backend) + 1} ${backend} ${RUNTIMES.indexOf(runtime)}`;
}

/** What is wrong between a run and the matrix that is written down; a run that could prove less is not. */
export function contradictions(row: MatrixRow | undefined, report: SentReport): string[] {
  if (!row) return [`docs/matrix.json has no ${report.backend} on ${report.runtime}`];
  return names.flatMap((name) => {
    const [written, found] = [row.capabilities[name], report.capabilities[name]];
    const less = found === "not proven" && written === "proven" ||
      found === "not declared" && written === "works though undeclared";
    return written === found || less
      ? []
      : [`${report.backend} on ${report.runtime}: ${name} is ${found}, docs/matrix.json says ${written}`];
  });
}

const MARKS: Readonly<Record<CapabilityStatus, string>> = {
  "proven": "✓",
  "failed": "✗",
  "not proven": "?",
  "not declared": "–",
  "works though undeclared": "(✓)",
};

const RUNTIME_NAMES: Readonly<Record<string, string>> = { deno: "Deno", bun: "Bun", workerd: "Workers", node: "Node" };

/** A number of bytes for a reader. */
function bytes(count: number | null): string {
  if (count === null) return "any";
  return count >= 1_000_000 ? `${Math.floor(count / 1_000_000)} MB` : `${Math.floor(count / 1_000)} KB`;
}

/** A cell of the matrix, and what differs on some runtimes. */
interface Cell {
  readonly text: string;
  readonly note?: string;
}

function cell(name: CapabilityName, rows: readonly MatrixRow[]): Cell {
  const marks = new Map<string, string[]>();
  for (const row of rows) {
    const status = row.capabilities[name];
    const value = name === "maxPayloadBytes"
      ? ` ${bytes(row.maxPayloadBytes)}`
      : name === "idleCostPerHour" || name === "costPerMessage"
      ? ` ${row[name]}`
      : "";
    const mark = `${MARKS[status]}${status === "not declared" ? "" : value}`;
    marks.set(mark, [...marks.get(mark) ?? [], RUNTIME_NAMES[row.runtime] ?? row.runtime]);
  }
  const [[text, on] = ["", []], ...others] = [...marks].sort(([, a], [, b]) => b.length - a.length);
  if (others.length === 0) return { text };
  const exceptions = others.map(([mark, runtimes]) => `${mark} on ${runtimes.join(", ")}`);
  return { text, note: `${text} on ${on.join(", ")}; ${exceptions.join("; ")}` };
}

/** Returns the matrix as a table, a line for each capability and a column for each backend, and its footnotes. */
export function matrixTable(rows: readonly MatrixRow[]): string {
  const backends = [...new Set(rows.map(({ backend }) => backend))];
  const of = (backend: string) => rows.filter((row) => row.backend === backend);
  const notes: string[] = [];
  const show = (name: CapabilityName, backend: string) => {
    const { text, note } = cell(name, of(backend));
    if (note === undefined) return text;
    notes.push(`[^${notes.length + 1}]: \`${name}\` of ${backend}: ${note}.`);
    return `${text} [^${notes.length}]`;
  };
  const table = markdownTable([
    ["", ...backends],
    [
      "proven on",
      ...backends.map((backend) => of(backend).map(({ runtime }) => RUNTIME_NAMES[runtime] ?? runtime).join(", ")),
    ],
    ...names.map((
      name,
    ) => [`\`${name}\`: ${capabilityNames[name]}`, ...backends.map((backend) => show(name, backend))]),
  ]);
  return [table, ...notes].join("\n\n");
}

/** Every case, by its rule. */
export function casesTable(): string {
  const ordered = [...conformanceCases].sort((a, b) => a.rule - b.rule);
  return markdownTable([
    ["rule", "case", "what must be true", "stands for", "needs of the backend", "needs of the harness"],
    ...ordered.map(({ id, rule, title, proves, needs, lacks, features }) => [
      String(rule),
      `\`${id}\``,
      title,
      proves ?? "",
      [...needs.filter((name) => name !== "pull"), ...lacks ? [`no ${lacks}`] : []].join(", "),
      features.join(", "),
    ]),
  ]);
}

/** The text with what stands between two marks replaced. */
export function between(text: string, mark: string, content: string): string {
  const [start, end] = [`<!-- ${mark} -->`, `<!-- /${mark} -->`];
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`There is no ${start} … ${end}`);
  return `${text.slice(0, from)}${start}\n\n${content}\n\n${text.slice(to)}`;
}
