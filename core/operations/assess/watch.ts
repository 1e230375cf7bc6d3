import { setTimeout as sleep } from 'node:timers/promises';
import type { AssessSource, SourceSurvey } from '../../api/assessment.ts';
import { afterStop } from '../../pipeline/open/capability.ts';
import { Watched } from './watched.ts';

export interface WatchOptions {
  readonly source: AssessSource;
  readonly survey: SourceSurvey;
  /** Milliseconds. */
  readonly duration: number;
  /** Ends the watching early; what was seen is reported. */
  readonly signal: AbortSignal;
  readonly began: () => void;
}

/**
 * Samples about sixty times, but not oftener than every second nor more rarely than every ten; oftener at the beginning, as the
 * watch may be ended early.
 */
export async function watch({ source, survey, duration, signal, began }: WatchOptions): Promise<Watched> {
  const oids = survey.tables.map(({ oid }) => oid);
  const every = Math.min(10_000, Math.max(1000, duration / 60));
  const sample = () => source.sample(oids, afterStop());
  const watched = new Watched(await sample());
  began();
  const start = Date.now();
  const end = start + duration;
  while (Date.now() < end && !signal.aborted) {
    const pause = Math.max(1000, Math.min(every, (Date.now() - start) / 10));
    await sleep(Math.min(pause, end - Date.now()), undefined, { signal }).catch(() => undefined);
    watched.add(await sample());
  }
  return watched;
}
