import { setTimeout as sleep } from 'node:timers/promises';
import type { AssessSource, SourceSample, SourceSurvey } from '../../api/assessment.ts';
import { formatBytes, formatSeconds } from '../../base/format.ts';
import { assumedRates, estimate } from '../assess/estimate.ts';

/** Milliseconds between the two looks at the position of the WAL. */
const look = 1000;

/**
 * What the copy takes in time and WAL, at assumed rates of the connection and the source's present rate; changes
 * nothing.
 */
export async function outlook(source: AssessSource, age: number, signal: AbortSignal): Promise<string> {
  const survey = await source.survey(signal);
  const before = await source.sample([], signal);
  await sleep(look, undefined, { signal });
  return printOutlook(survey, age, { before, after: await source.sample([], signal) });
}

/** Pure; `age`: milliseconds of a snapshot under `snapshot.stream: during`. Takes the higher of two rates: the present one, and the mean since the statistics began. */
export function printOutlook(
  survey: SourceSurvey,
  age: number,
  { before, after }: { readonly before: SourceSample; readonly after: SourceSample },
): string {
  const now = Number(after.wal - before.wal) / Math.max(0.001, (after.at - before.at) / 1000);
  const mean = after.walSeconds === null ? 0 : after.walBytes / Math.max(1, after.walSeconds);
  const rates = assumedRates;
  const expected = estimate(survey, Math.max(now, mean), rates);
  const sum = (of: 'heap' | 'toast' | 'indexes') => survey.tables.reduce((total, table) => total + table[of], 0);
  const since =
    after.walSeconds === null ? '' : `, ${formatBytes(mean)}/s on average for ${formatSeconds(after.walSeconds)}`;
  const { slotKeepsBytes: limit } = survey;
  const kept =
    limit === null ? 'max_slot_wal_keep_size has no limit' : `max_slot_wal_keep_size is ${formatBytes(limit)}`;
  const lost = limit !== null && expected.walKept > limit ? ': the slot would be lost' : '';
  // Of the snapshot that has ended and of the one that is read; a copy that is shorter has one.
  const between = Math.min(expected.walKept, (2 * Math.max(now, mean) * age) / 1000);
  const catchUp = expected.catchUp === null ? 'never' : `about ${formatSeconds(expected.catchUp)}`;
  return [
    `copy: ${formatBytes(sum('heap') + sum('toast'))} of tables, about ${formatSeconds(expected.copy)} at ${formatBytes(rates.copy.bytes)}/s (assumed)`,
    `indexes: ${formatBytes(sum('indexes'))}, about ${formatSeconds(expected.indexes)} at ${formatBytes(rates.index.bytes)}/s (assumed)`,
    `WAL of the source: ${formatBytes(now)}/s now${since}`,
    `WAL that the slot keeps meanwhile: about ${formatBytes(expected.walKept)} at the higher of these rates; ${kept}${lost}`,
    `with snapshot.stream: during, about ${formatBytes(between)}, as snapshots of ${formatSeconds(age / 1000)} divide the copy; large tables keep their keys while they are filled, which makes their copy slower`,
    `catching up afterwards: ${catchUp} at ${formatBytes(rates.apply.bytes)}/s (assumed); \`pgsluice assess\` takes rates that you measured`,
    '',
  ].join('\n');
}
