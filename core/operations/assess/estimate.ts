import type { SourceSurvey } from '../../api/assessment.ts';
import { type Probe, rateOf } from './probed.ts';

/** Bytes a second that the path takes, and who says so: the user, `--probe`, or nobody. */
export interface Rate {
  readonly bytes: number;
  readonly by: 'given' | 'measured' | 'assumed';
}

/** Heap with TOAST that is copied, index bytes that are built, and WAL that the stream goes through. */
export interface PathRates {
  readonly copy: Rate;
  readonly index: Rate;
  readonly apply: Rate;
}

const assumed = (bytes: number): Rate => ({ bytes, by: 'assumed' });
/** What the path is taken for where nobody says more; docs/assess.md. */
export const assumedRates: PathRates = {
  copy: assumed(40 * 1024 ** 2),
  index: assumed(20 * 1024 ** 2),
  apply: assumed(15 * 1024 ** 2),
};

/** By what was given, else measured, else assumed. Decoding alone is measured, not applying: it only ever lowers what is assumed. */
export function ratesOf(given: { readonly [rate in keyof PathRates]: number | null }, probe: Probe | null): PathRates {
  const pick = (name: keyof PathRates, measured: number): Rate => {
    const bytes = given[name];
    if (bytes !== null) return { bytes, by: 'given' };
    return measured > 0 ? { bytes: measured, by: 'measured' } : assumedRates[name];
  };
  const copied = probe === null ? 0 : rateOf(probe.copy);
  const indexed = probe === null ? 0 : rateOf(probe.index);
  const decoded = probe === null ? 0 : rateOf(probe.decode);
  return {
    copy: pick('copy', copied),
    index: pick('index', indexed),
    apply: pick('apply', decoded < assumedRates.apply.bytes ? decoded : 0),
  };
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
