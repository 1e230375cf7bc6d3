import type { SourceSurvey } from '../../api/assessment.ts';

/** Bytes a second that the path takes. `given`: by the user, else assumed. */
export interface Rate {
  readonly bytes: number;
  readonly given: boolean;
}

/** Heap with TOAST that is copied, index bytes that are built, and WAL that the stream goes through. */
export interface PathRates {
  readonly copy: Rate;
  readonly index: Rate;
  readonly apply: Rate;
}

const assumed = (bytes: number): Rate => ({ bytes, given: false });
/** What the path is taken for where nobody says more; docs/assess.md. */
export const assumedRates: PathRates = {
  copy: assumed(40 * 1024 ** 2),
  index: assumed(20 * 1024 ** 2),
  apply: assumed(15 * 1024 ** 2),
};

/** Seconds and bytes; docs/assess.md says how each is computed. */
export interface Estimate {
  readonly copy: number;
  readonly indexes: number;
  /** WAL that the slot holds back when the stream begins to be read. */
  readonly walKept: number;
  /** Null: the path does not take WAL faster than the source writes it. */
  readonly catchUp: number | null;
}

/** Pure. `walRate`: bytes of WAL a second on the source. */
export function estimate(survey: SourceSurvey, walRate: number, rates: PathRates): Estimate {
  const sum = (of: 'heap' | 'toast' | 'indexes') => survey.tables.reduce((total, table) => total + table[of], 0);
  const copy = (sum('heap') + sum('toast')) / rates.copy.bytes;
  const indexes = sum('indexes') / rates.index.bytes;
  const walKept = walRate * (copy + indexes);
  const spare = rates.apply.bytes - walRate;
  return { copy, indexes, walKept, catchUp: spare > 0 ? walKept / spare : null };
}
