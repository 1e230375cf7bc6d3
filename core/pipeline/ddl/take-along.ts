import { PgsluiceError } from '../../base/error.ts';
import type { SourceCatalog, SourceTable } from '../../api/source.ts';
import type { TablePresence } from '../../api/source-database.ts';
import { type Oid, relationName } from '../../postgres/relation.ts';
import { runtimeError } from '../errors.ts';
import type { RunContext, SinkInstance } from '../open/instances.ts';
import { planSinks } from '../open/planning.ts';
import { qualified } from '../../postgres/quote.ts';
import { knownNames, knownTables, pendingTables, requestCopy, sameChoice } from '../state/known-tables.ts';
import type { PipelineState } from '../state/pipeline-state.ts';
import { ShapeHistory, forgottenShapes } from './shape-history.ts';
import { entry } from '../state/entries.ts';

/** Noted with a request for copies: what was copied beside the stream until then is not what is requested now. */
export const copyAnew = entry('side:again', true);

/**
 * Tables with rows of their own that the file chooses and the pipeline does not have: created, attached or renamed
 * since.
 */
export function freshTables(
  state: PipelineState,
  history: ShapeHistory,
  presence: readonly TablePresence[],
): readonly TablePresence[] {
  const known = knownNames(state) ?? new Set<string>();
  return presence.filter(
    (table) =>
      table.chosen && table.kind !== 'partitioned' && !known.has(relationName(table)) && !history.has(table.oid),
  );
}

/**
 * Adds the tables that are new on the source, and releases those that have left the trees that the file chooses. New
 * tables are noted as waiting for their copy: the copy is exact at its own position (I5), so earlier changes in the
 * stream do not matter. Throws PGS6081 for a table that cannot be added, before anything is noted. Returns the
 * pipeline's tables after that. `announced`: oids of tables that the stream will describe, from their first row on.
 */
export async function takeAlong(
  context: RunContext,
  sinks: readonly SinkInstance[],
  catalog: SourceCatalog,
  announced: ReadonlySet<Oid>,
): Promise<SourceCatalog> {
  const { state, log } = context;
  if (sameChoice(state, catalog)) await letGo(context, sinks, catalog);
  const known = knownTables(state, catalog);
  if (catalog.choice !== undefined && !sameChoice(state, catalog)) await state.put('choice', catalog.choice);
  const history = new ShapeHistory(state);
  const names = knownNames(state) ?? new Set<string>();
  const fresh = catalog.tables.filter(
    ({ relation }) => !names.has(relationName(relation)) && !history.has(relation.oid) && !announced.has(relation.oid),
  );
  if (fresh.length === 0) return known;
  const added = fresh.map(({ relation }) => relationName(relation));
  await refuseUnfit(context, sinks, { catalog, fresh });
  log.log('info', 'tables-added', `new on the source: ${added.join(', ')}; to be copied and followed`, {
    tables: added.length,
  });
  await requestCopy(
    state,
    added,
    sinks.map(({ name }) => name),
    ...forgottenShapes(state, added),
    copyAnew,
  );
  return knownTables(state, catalog);
}

async function refuseUnfit(
  { state, stop }: RunContext,
  sinks: readonly SinkInstance[],
  { catalog, fresh }: { readonly catalog: SourceCatalog; readonly fresh: readonly SourceTable[] },
): Promise<void> {
  for (const { relation, persistence } of fresh) {
    const table = relationName(relation);
    const refuse = (why: string, sql: string): never => {
      const remedy = `Run on the source: ${sql} Or leave the table out with tables.exclude.`;
      throw runtimeError('PGS6081', `${table} is new on the source, and ${why}`, { where: { table }, remedy });
    };
    const alter = `ALTER TABLE ${qualified(relation)}`;
    if (persistence !== 'unlogged' && relation.identity.kind === 'nothing')
      refuse('its rows have no replica identity', `${alter} REPLICA IDENTITY FULL;`);
  }
  const tables = [...new ShapeHistory(state).newest(), ...fresh];
  try {
    await planSinks(sinks, { ...catalog, tables }, true, stop);
  } catch (error) {
    if (!(error instanceof PgsluiceError) || error.code === 'PGS4007') throw error;
    const names = fresh.map(({ relation }) => relationName(relation)).join(', ');
    const where = { where: { table: error.where.table ?? names } };
    const remedy = `${error.remedy} Or leave the new tables out with tables.exclude.`;
    throw runtimeError('PGS6081', `${names} came on the source: ${error.message}`, { ...where, remedy, cause: error });
  }
}

/** Tables that left the tree by which the file chose them. Their rows up to then are in the targets, and stay there. */
async function letGo(context: RunContext, sinks: readonly SinkInstance[], catalog: SourceCatalog): Promise<void> {
  const { state, log } = context;
  const known = knownNames(state);
  if (known === null) return;
  const gone = new Set(catalog.excluded.map(relationName).filter((name) => known.has(name)));
  if (gone.size === 0) return;
  const left = (names: ReadonlySet<string>) => [...names].filter((name) => !gone.has(name));
  const pending = left(pendingTables(state));
  const history = new ShapeHistory(state);
  for (const { relation } of history.newest()) if (gone.has(relationName(relation))) await history.leave(relation.oid);
  await state.forgetTables(
    [...gone],
    sinks.map(({ name }) => name),
    [
      ['tables', left(known)],
      ['resync', pending.length === 0 ? null : pending],
    ],
  );
  for (const table of gone) {
    const text = `${table} left the tree by which the file chose it: what it had until then stays in the target, later changes are not followed`;
    log.log('warn', 'table-left', text, { table });
  }
}
