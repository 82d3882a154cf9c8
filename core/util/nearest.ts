/**
 * Finds the name that somebody probably meant.
 *
 * @module
 */

/**
 * Returns the candidate that is the fewest edits away, when that is at most `most`; `undefined` otherwise.
 *
 * @param name What was found.
 * @param candidates What is known.
 * @param most The most edits for a pair of names.
 */
export function nearest(
  name: string,
  candidates: Iterable<string>,
  most: (name: string, candidate: string) => number,
): string | undefined {
  let best: string | undefined;
  let fewest = Infinity;
  for (const candidate of candidates) {
    const edits = distance(name, candidate);
    if (edits < fewest && edits <= most(name, candidate)) [best, fewest] = [candidate, edits];
  }
  return best;
}

/** Levenshtein's distance, one row at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
