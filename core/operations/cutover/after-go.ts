import { pause } from '../../base/backoff.ts';
import { PgsluiceError } from '../../base/error.ts';
import type { RunContext, SinkInstance } from '../../pipeline/open/instances.ts';
import { cutoverError } from './errors.ts';
import type { CutoverOptions } from './options.ts';
import type { CutoverRecord } from './record.ts';

/**
 * Looks at the source's tables again after GO: the slot's WAL is exact, unlike the counters of pg_stat, which are
 * updated late. Throws PGS7045 if rows were committed after GO; slot and publication are kept.
 */
export async function lookBehind(
  { say, quiet, accept }: CutoverOptions,
  { source, log, stop }: RunContext,
  record: CutoverRecord | null,
): Promise<void> {
  const goAt = record?.goAt ?? null;
  if (goAt === null || source.fence === undefined) return;
  // Without a fence a session may still be about to write.
  if (record?.fence === null) await pause(quiet, stop);
  try {
    const behind = await source.fence.changesBeyond(goAt, stop);
    const words = behind.map(({ table, changes }) => `${changes} changes in ${table}`);
    if (behind.some(({ table }) => !accept.has(table)))
      throw cutoverError('PGS7045', `committed on the source after the GO, and not in the target: ${words.join(', ')}`);
    say(words.length === 0 ? 'nothing was written on the source after the GO' : `accepted: ${words.join(', ')}`);
  } catch (error) {
    if (!(error instanceof PgsluiceError) || error.code === 'PGS7045') throw error;
    log.log('warn', 'not-looked-behind', `whether the source was written after the GO is not known: ${error.message}`, {
      code: error.code,
    });
  }
}

/**
 * The targets accept writes from now on: a fence that this pipeline has on them, as their reverse pipeline's source, is
 * taken down.
 */
export async function openTargets(
  sinks: readonly SinkInstance[],
  { say, signal }: { readonly say: (line: string) => void; readonly signal: AbortSignal },
): Promise<void> {
  for (const { sink, name } of sinks) {
    for (const words of (await sink.cutover?.open?.(signal)) ?? []) say(`${name}: ${words}`);
  }
}
