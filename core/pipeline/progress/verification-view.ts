/**
 * `unknown`: a part was not compared yet. `not-compared`: comparison is impossible, or was at the last looks; `why`
 * gives the reason. `equal`: all parts were compared, the oldest one at `since`.
 */
export type Verdict = 'equal' | 'differs' | 'unknown' | 'not-compared';

/** A table of a sink under the verification that runs beside the stream. Times in milliseconds since 1970. */
export interface VerifiedTable {
  readonly sink: string;
  /** On the source. */
  readonly table: string;
  readonly verdict: Verdict;
  readonly why: string | null;
  /** Time of the oldest comparison that counts, and of the last one; null: none. */
  readonly since: number | null;
  readonly last: number | null;
  readonly rows: string;
  /** Number of ranges; of compared ranges; of ranges that the stream has changed since. */
  readonly parts: number;
  readonly compared: number;
  readonly changed: number;
  /** Number of differing rows, as far as they were searched; the first of them by key. */
  readonly differing: number;
  readonly named: readonly { readonly kind: string; readonly key: string }[];
  /** Rows that were copied again. */
  readonly repaired: number;
}

export interface VerificationView {
  /** Milliseconds in which each row is to be compared once. */
  readonly every: number;
  readonly repair: boolean;
  /** What the verification waits for, in words. */
  readonly waits: string | null;
  readonly tables: readonly VerifiedTable[];
}

/** Worst first. */
const order: readonly Verdict[] = ['differs', 'not-compared', 'unknown', 'equal'];

export function worstFirst(tables: readonly VerifiedTable[]): VerifiedTable[] {
  return tables.toSorted(
    (a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict) || (a.since ?? 0) - (b.since ?? 0),
  );
}

export function countVerdicts(tables: readonly VerifiedTable[]): Readonly<Record<Verdict, number>> {
  const counts = { equal: 0, differs: 0, unknown: 0, 'not-compared': 0 };
  for (const { verdict } of tables) counts[verdict]++;
  return counts;
}

/** Age of the part that was compared longest ago; null: some part was never compared, or there is none. */
export function oldestSeconds(tables: readonly VerifiedTable[], now: number): number | null {
  let oldest: number | null = null;
  for (const { verdict, since } of tables) {
    if (verdict === 'unknown') return null;
    if (verdict !== 'not-compared' && since !== null && (oldest === null || since < oldest)) oldest = since;
  }
  return oldest === null ? null : Math.max(0, (now - oldest) / 1000);
}
