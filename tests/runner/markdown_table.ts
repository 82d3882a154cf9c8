/** A Markdown table as `deno fmt` leaves it: columns of one width. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const escaped = rows.map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = escaped[0]!.map((_, column) => Math.max(3, ...escaped.map((row) => width(row[column]!))));
  const line = (row: readonly string[]) => `| ${row.map((cell, column) => pad(cell, widths[column]!)).join(" | ")} |`;
  const [head, ...body] = escaped;
  return [line(head!), `| ${widths.map((wide) => "-".repeat(wide)).join(" | ")} |`, ...body.map(line)].join("\n");
}

function width(text: string): number {
  return [...text].length;
}

function pad(text: string, wide: number): string {
  return text + " ".repeat(wide - width(text));
}
