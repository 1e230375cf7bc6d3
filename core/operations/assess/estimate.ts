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
