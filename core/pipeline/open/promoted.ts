import { formatLsn } from '../../postgres/lsn.ts';
import type { SourceIdentity } from '../../api/source.ts';
import { runtimeError } from '../errors.ts';
import { entry } from '../state/entries.ts';
import type { Head, PipelineState } from '../state/pipeline-state.ts';
import type { Instances, RunContext } from './instances.ts';

/** Throws PGS6001 for another database than the one that the pipeline was started on. */
export function checkIdentity(head: Head | null, now: SourceIdentity): void {
  if (head === null) return;
  const then = head.identity;
  const differs = (['systemId', 'database'] as const).filter((key) => then[key] !== now[key]);
  if (differs.length > 0) throw otherSource(differs.map((key) => `${key} ${then[key]} then, ${now[key]} now`));
}

function otherSource(words: readonly string[]): Error {
  return runtimeError('PGS6001', `the state of this pipeline belongs to another source: ${words.join('; ')}`);
}

/**
 * Continues on a server that was promoted, if the source proves that it has everything that the sinks have, and that
 * nothing since is missing (I2). `positions`: of sinks that keep their own. Resolves with the state to continue from.
 */
export async function goOnWherePromoted(
  context: RunContext,
  positions: () => Promise<Iterable<bigint>>,
): Promise<void> {
  const { state, source, stop, log } = context;
  const { head } = state;
  if (head === null) return;
  const { identity: now } = await source.open(stop);
  checkIdentity(head, now);
  if (now.timeline === head.identity.timeline) return;
  const { timeline } = head.identity;
  if (source.control?.continues === undefined) throw otherSource([`timeline ${timeline} then, ${now.timeline} now`]);
  const reached = reachedBy(state, await positions());
  const { identity, until } = await source.control.continues({ noted: head.identity, reached }, stop);
  // A noted idle position beyond it refers to WAL that is lost: other changes have those positions now.
  const idle = state.get('idle');
  const cut = idle === null || idle.at <= until ? idle : { ...idle, at: until };
  await state.putAll([entry('head', { ...head, identity }), entry('idle', cut)]);
  log.log(
    'warn',
    'source-promoted',
    `the source was promoted: timeline ${identity.timeline} goes on where ${timeline} ended, at ${formatLsn(until)}; nothing is missing`,
    { timeline: identity.timeline, lsn: formatLsn(until) },
  );
}

/** Of sinks that keep their own. */
export async function ownPositions(
  sinks: readonly { readonly sink: Instances['sinks'][number]['sink'] }[],
  signal: AbortSignal,
): Promise<readonly bigint[]> {
  const positions = await Promise.all(sinks.map(({ sink }) => sink.stream.resume(signal)));
  return positions.filter((position) => position !== null);
}

/**
 * Positions of everything that the sinks have: changes, and tables and ranges of tables that a snapshot copied (I5).
 */
export function reachedBy(state: PipelineState, positions: Iterable<bigint>): bigint {
  let most: bigint = state.head?.handoff ?? 0n;
  const see = (position: bigint): void => void (position > most && (most = position));
  for (const position of positions) see(position);
  for (const position of state.all('position').values()) see(position);
  for (const { exactAt } of state.all('table').values()) see(exactAt);
  for (const { upTo } of state.all('ledger').values()) see(upTo);
  return most;
}
