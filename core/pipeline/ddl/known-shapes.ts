import { PgsluiceError } from '../../base/error.ts';
import { relationName } from '../../postgres/relation.ts';
import type { SourceCatalog } from '../../api/source.ts';
import type { RunContext } from '../open/instances.ts';
import { pendingTables } from '../state/known-tables.ts';
import type { PipelineState } from '../state/pipeline-state.ts';
import { ShapeHistory } from './shape-history.ts';
import { readCatalog } from '../../api/source.ts';

/** The source's catalog; for a stream that is under way, tables that were dropped meanwhile are no error. */
export async function catalogNow(context: RunContext): Promise<SourceCatalog> {
  try {
    return await readCatalog(context.source, context.stop);
  } catch (error) {
    const { head } = context.state;
    // Tables may have been dropped since the start.
    const underWay = head?.phase === 'stream' && !new ShapeHistory(context.state).empty;
    if (!underWay || !(error instanceof PgsluiceError) || error.meaning !== 'nothing-chosen') throw error;
    return { identity: head.identity, at: 0n, tables: [], excluded: [] };
  }
}

/**
 * What a stream that is under way plans with: the shapes in the history, not those of the present catalog. A table that
 * was copied again since (after it was dropped and created again, or added) is taken from the catalog.
 */
export async function shapesUnderWay(context: RunContext, known: SourceCatalog): Promise<SourceCatalog> {
  const history = new ShapeHistory(context.state);
  if (context.state.head?.phase !== 'stream' || history.empty) return known;
  const presence = (await context.source.ddl?.tables(context.stop)) ?? [];
  const there = new Map(presence.map((table) => [table.oid, table]));
  const pending = pendingTables(context.state);
  for (const { relation } of known.tables) {
    if (pending.has(relationName(relation))) {
      await history.renew(relation);
      continue;
    }
    if (history.has(relation.oid) || there.get(relation.oid)?.published !== true) continue;
    const namesake = history.byName(relationName(relation));
    if (namesake !== null && there.has(namesake.oid)) continue;
    if (namesake !== null) await history.forget(namesake.oid);
    await history.add([relation]);
  }
  return { ...known, at: 0n, tables: history.newest() };
}

/**
 * Tables of a first copy that is under way, as they were at its start, including those that are dropped or renamed by
 * now. The next snapshot decides about them.
 */
export function tablesBegun(state: PipelineState, known: SourceCatalog): SourceCatalog {
  const history = new ShapeHistory(state);
  if (state.head?.phase !== 'snapshot' || history.empty) return known;
  const now = new Map(known.tables.map((table) => [table.relation.oid, table]));
  const tables = history
    .newest()
    .map((table) => ({ ...table, ...now.get(table.relation.oid), relation: table.relation }));
  return { ...known, tables };
}
