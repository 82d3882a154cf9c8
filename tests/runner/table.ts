/**
 * Tables of texts: plain ones for the terminal, and Markdown.
 *
 * @module
 */

/** Pads each cell to the width of its column, on the side that `right` does not name. */
function pad(
  rows: readonly (readonly string[])[],
  least: number,
  right: (column: number) => boolean,
): string[][] {
  const widths = rows[0]!.map((_, column) => Math.max(least, ...rows.map((row) => width(row[column] ?? ""))));
  return rows.map((row) =>
    row.map((cell, column) => {
      const fill = " ".repeat(widths[column]! - width(cell));
      return right(column) ? fill + cell : cell + fill;
    })
  );
}

/** Characters, not units of UTF-16. */
function width(text: string): number {
  return [...text].length;
}

/** Lines of columns: the first to the left, the others to the right. */
export function formatTable(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const lines = pad([header, ...rows.map((row) => row.map(String))], 0, (column) => column > 0);
  return lines.map((line) => line.join("  ")).join("\n");
}

/** A Markdown table as `deno fmt` leaves it: columns of one width. The first row is the header. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const escaped = rows.map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const [head, ...body] = pad(escaped, 3, () => false);
  const rule = head!.map((cell) => "-".repeat(width(cell)));
  return [head!, rule, ...body].map((row) => `| ${row.join(" | ")} |`).join("\n");
}
