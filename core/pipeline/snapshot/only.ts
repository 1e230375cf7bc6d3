import type { SnapshotLsn } from '../../postgres/lsn.ts';
import type { SnapshotSession } from '../../api/snapshot.ts';
import type { RunContext } from '../open/instances.ts';
import type { CutoverSink } from '../../api/sink.ts';
import type { Planning } from '../open/planning.ts';
import type { PhaseInput } from './phase.ts';
import { needed } from '../open/capability.ts';

/** What the last session told of itself; `again`: tables were copied a second time. */

/**
 * A session for a copy without a stream. Nothing would bring tables of two snapshots to one state, so tables that an
 * earlier run copied are kept only where the source has not changed since; else they are copied again, with a warning.
 */
export async function openOnly(context: RunContext, { planning, catalog }: PhaseInput): Promise<SnapshotSession> {
  const { state } = context;
  const before = state.get('only');
  const session = await needed(context.source, 'snapshot', 'a copy').open({ kind: 'only', before }, context.stop);
  try {
    const stale = await dropStale(context, planning, session.exactAt);
    const again = stale || before?.again === true;
    await state.put('only', { sees: session.sees ?? '', exactAt: session.exactAt, again });
    await state.setHead({ phase: 'snapshot', identity: catalog.identity, handoff: null });
    return session;
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}

async function dropStale(context: RunContext, planning: Planning, exactAt: SnapshotLsn): Promise<boolean> {
  let count = 0;
  for (const { name } of planning.sinks) {
    for (const [table, was] of context.state.tables(name)) {
      if (was.exactAt === exactAt) continue;
      await context.state.setTable(name, table, null);
      count++;
    }
  }
  if (count === 0) return false;
  context.log.log(
    'warn',
    'copied-again',
    `the source was written since the earlier run: its ${count} tables are copied again, as no stream brings them up to date`,
    { tables: count },
  );
  return true;
}

/** Without a cutover, what it would do for the target's sequences and views is done at the end of the copy. */
export async function finishOnly(context: RunContext, planning: Planning): Promise<void> {
  const sequences = (await context.source.schema?.sequences(context.stop)) ?? [];
  const again = context.state.get('only')?.again;
  for (const { name, sink, plans } of planning.sinks) {
    if (!sink.cutover) continue;
    const set = await sink.cutover.setSequences(sequences, plans, context.stop);
    // Views that were filled from the first copy.
    const refreshed =
      again === true ? await refreshAll(context, sink.cutover) : await sink.cutover.settle(context.stop);
    context.log.log('info', 'sequences-set', `${set.length} sequences set`, {
      sink: name,
      sequences: set.length,
      refreshed: refreshed.length,
    });
  }
}

async function refreshAll({ stop, log }: RunContext, sink: CutoverSink): Promise<readonly string[]> {
  const { done, failed } = await sink.refresh(stop);
  for (const { view, why } of failed)
    log.log('warn', 'view-not-refreshed', `materialized view ${view}: ${why}`, { view });
  return done;
}
