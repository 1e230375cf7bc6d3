import { failpoint } from '../../base/failpoint.ts';
import { relationName } from '../../postgres/relation.ts';
import type { RunContext } from '../../pipeline/open/instances.ts';
import { pendingTables, refuseUnchosen } from '../../pipeline/state/known-tables.ts';
import { planSinks } from '../../pipeline/open/planning.ts';
import { dropSide } from './side-copy.ts';
import { copyWithRetries, type PhaseInput, publish } from '../../pipeline/snapshot/phase.ts';

/**
 * Copies the tables that were requested again, or were added, before the stream goes on (I5). They are in the
 * publication before the snapshot is taken, so every later change of theirs is in the stream; changes that the snapshot
 * contains are skipped by the exact position of the copy. The decoder reads the catalog of the past: what a table
 * changed before it was published is in the snapshot only.
 */
export async function copyPending(context: RunContext, given: Omit<PhaseInput, 'planning'>): Promise<void> {
  const { state, log } = context;
  const pending = pendingTables(state);
  if (pending.size === 0) return;
  refuseUnchosen(state, given.catalog);
  // What an earlier run copied beside its stream is no longer followed by a stream.
  await dropSide(context);
  // Uses the present catalog: the copy reads the tables as they are, whatever shapes the stream still passes.
  const input = { ...given, planning: await planSinks(given.instances.sinks, given.catalog, true, context.stop) };
  await publish(context, input);
  failpoint('resync-published');
  log.log('info', 'resync-started', `copying ${[...pending].join(', ')}`, { tables: pending.size });
  const chosen = (table: { readonly schema: string; readonly name: string }) => pending.has(relationName(table));
  const sinks = input.planning.sinks.map((sink) => ({
    ...sink,
    plans: sink.plans.filter((plan) => chosen(plan.source)),
  }));
  const catalog = { ...input.catalog, tables: input.catalog.tables.filter((table) => chosen(table.relation)) };
  const snapshot = { ...input.config.snapshot, ledger_above: Number.POSITIVE_INFINITY };
  const config = { ...input.config, snapshot };
  await copyWithRetries(context, { ...input, config, catalog, planning: { ...input.planning, sinks } });
  failpoint('resync-copied');
  await state.put('resync', null);
  log.log('info', 'resync-finished', 'the tables are copied; the stream goes on', { tables: pending.size });
}
