/** The known word that a user most likely meant, or null if none is near. Case does not count. */
export function suggest(word: string, known: Iterable<string>): string | null {
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | null = null;
  let least = limit + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) >= least) continue;
    const distance = edits(word.toLowerCase(), candidate.toLowerCase());
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

/** `; did you mean x?`, or nothing. */
export function suggestion(word: string, known: Iterable<string>): string {
  const near = suggest(word, known);
  return near === null ? '' : `; did you mean ${near}?`;
}

/** `; did you mean "x"?`, or the list of what is known. */
export function hint(word: string, known: readonly string[], what: string): string {
  const near = suggest(word, known);
  if (near !== null) return `; did you mean "${near}"?`;
  return known.length === 0 ? '' : `; ${what}: ${known.join(', ')}`;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn one word into the other (optimal string alignment). */
function edits(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, before[j - 2]! + 1);
      row.push(least);
    }
    before = last;
    last = row;
  }
  return last[b.length]!;
}
