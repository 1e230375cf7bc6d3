/** `; did you mean x?` for the nearest of the names, or nothing. */
export function suggestion(wrong: string, names: Iterable<string>): string {
  let best: string | null = null;
  let distance = Math.max(1, Math.floor(wrong.length / 3)) + 1;
  for (const name of names) {
    const d = name.toLowerCase() === wrong.toLowerCase() ? 0 : edits(wrong.toLowerCase(), name.toLowerCase());
    if (d < distance) {
      best = name;
      distance = d;
    }
  }
  return best === null ? '' : `; did you mean ${best}?`;
}

/** Insertions, deletions, changes and swaps of neighbours (optimal string alignment). */
function edits(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    const above = rows[i - 1] as number[];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((above[j] as number) + 1, (row[j - 1] as number) + 1, (above[j - 1] as number) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (rows[i - 2]?.[j - 2] as number) + 1);
      }
      row.push(best);
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] as number;
}
