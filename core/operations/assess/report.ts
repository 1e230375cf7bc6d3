import type { SourceSurvey, SurveyedTable } from '../../api/assessment.ts';
import type { Finding } from '../../api/check.ts';
import { type Estimate, type PathRates, estimate } from './estimate.ts';
import type { Uncovered } from '../coverage/uncovered.ts';
import type { Probe } from './probed.ts';
import { type Verdict, judge } from './verdict.ts';
import type { TableActivity, WatchPoint, Watched } from './watched.ts';

/** What `assess` says; as JSON just so. Sizes in bytes, times in seconds. */
export interface Assessment extends Verdict {
  readonly pipeline: string;
  readonly version: number;
  /** How long the source was watched, by its clock. */
  readonly watched: number;
  readonly walPerSecond: { readonly byPosition: number; readonly byStatistics: number };
  readonly tables: readonly AssessedTable[];
  readonly rates: PathRates;
  /** Null without `--probe`. */
  readonly probe: Probe | null;
  readonly estimate: Estimate;
  readonly slotKeepsBytes: number | null;
  readonly oldestWriter: number | null;
  readonly seesSessions: boolean;
  readonly largeObjects: number;
  readonly extensions: readonly string[];
  readonly findings: readonly Finding[];
  readonly points: readonly WatchPoint[];
}

/** A table with what was counted while it was watched. */
export interface AssessedTable extends SurveyedTable, TableActivity {
  /** Of a table without identity: bytes of WAL a second that REPLICA IDENTITY FULL would add; null: it has one, or its rows are not known. */
  readonly fullBytesPerSecond: number | null;
}

export interface AssessmentInput {
  readonly pipeline: string;
  readonly survey: SourceSurvey;
  readonly watched: Watched;
  readonly findings: readonly Finding[];
  readonly rates: PathRates;
  readonly probe: Probe | null;
  /** What a cutover would not let pass. */
  readonly ahead: readonly Uncovered[];
}

const quiet: TableActivity = { inserts: 0, updates: 0, hotUpdates: 0, deletes: 0, deadRows: 0 };

/** Pure. Tables: those with most changes first, then the largest. */
export function assessment(input: AssessmentInput): Assessment {
  const { pipeline, survey, watched, findings, rates, probe, ahead } = input;
  const { seconds } = watched;
  const perSecond = (count: number) => (seconds > 0 ? count / seconds : 0);
  const walRate = perSecond(watched.walBytes);
  const expected = estimate(survey, walRate, rates);
  const tables = survey.tables.map((table) => {
    const activity = watched.tables.get(table.oid) ?? quiet;
    const rewritten = perSecond(activity.updates + activity.deletes);
    const known = !table.identified && table.rows > 0;
    const fullBytesPerSecond = known ? (rewritten * (table.heap + table.toast)) / table.rows : null;
    return { ...table, ...activity, fullBytesPerSecond };
  });
  const { version, slotKeepsBytes, seesSessions, largeObjects, extensions } = survey;
  return {
    pipeline,
    ...judge({ survey, findings, estimate: expected, walRate, rates, probe, ahead }),
    version,
    watched: seconds,
    walPerSecond: { byPosition: walRate, byStatistics: perSecond(watched.walRecordBytes) },
    tables: tables.toSorted((a, b) => changesOf(b) - changesOf(a) || bytesOf(b) - bytesOf(a)),
    rates,
    probe,
    estimate: expected,
    slotKeepsBytes,
    oldestWriter: watched.oldestWriter,
    seesSessions,
    largeObjects,
    extensions,
    findings,
    points: watched.points,
  };
}

export function changesOf({ inserts, updates, deletes }: AssessedTable): number {
  return inserts + updates + deletes;
}

export function bytesOf({ heap, toast, indexes }: AssessedTable): number {
  return heap + toast + indexes;
}
