import { relationName } from '../../postgres/relation.ts';
import type { SourceCatalog } from '../../api/source.ts';
import type { PipelineState } from './pipeline-state.ts';
import { runtimeError } from '../errors.ts';
import { entry, type StateEntry } from './entries.ts';

/**
 * The pipeline's tables among those that the file now chooses. A later table belongs to the pipeline once a run has
 * added it. A table that a changed file no longer chooses is refused: its changes would still arrive, and the state of
 * its rows in the target would be unknown. Under the same file it has left the tree that the file chooses, and a run
 * releases it.
 */
export function knownTables(state: PipelineState, catalog: SourceCatalog): SourceCatalog {
  const known = knownNames(state);
  if (known === null) return catalog;
  const gone = catalog.excluded.map(relationName).filter((name) => known.has(name));
  if (gone.length > 0 && !sameChoice(state, catalog))
    throw runtimeError('PGS6008', `the file no longer chooses ${gone.join(', ')}`);
  return { ...catalog, tables: catalog.tables.filter((table) => known.has(relationName(table.relation))) };
}

/** Whether the file has the patterns with which it last chose the pipeline's tables. */
export function sameChoice(state: PipelineState, { choice }: SourceCatalog): boolean {
  return choice !== undefined && state.get('choice') === choice;
}

/** Names of the tables that the pipeline was started with, and those added since; null before its start. */
export function knownNames(state: PipelineState): ReadonlySet<string> | null {
  const chosen = state.get('tables');
  if (state.head === null || state.head.phase === 'starting' || chosen === null) return null;
  return new Set(chosen);
}

/** Tables that have to be copied (again) before the stream goes on. */
export function pendingTables(state: PipelineState): ReadonlySet<string> {
  return new Set(state.get('resync') ?? []);
}

/**
 * One write, with `entries`: from here on the tables belong to the pipeline and wait for their copy, whatever happens to this
 * process.
 */
export function requestCopy(
  state: PipelineState,
  tables: readonly string[],
  sinks: readonly string[],
  ...entries: readonly StateEntry[]
): Promise<void> {
  const all = (before: ReadonlySet<string>) => [...new Set([...before, ...tables])];
  const resync = entry('resync', all(pendingTables(state)));
  const before = knownNames(state) ?? new Set<string>();
  const known = entry('tables', all(before));
  const again = new Set([...(state.get('recopied') ?? []), ...tables.filter((name) => before.has(name))]);
  return state.forgetTables(tables, sinks, [resync, known, entry('recopied', [...again]), ...entries]);
}

/**
 * Throws PGS6008 if a table that waits for its copy is no longer chosen by the file; one that was dropped on the source
 * is left out.
 */
export function refuseUnchosen(state: PipelineState, catalog: SourceCatalog): void {
  const pending = pendingTables(state);
  const left = catalog.excluded.map(relationName).filter((name) => pending.has(name));
  if (left.length > 0)
    throw runtimeError('PGS6008', `${left.join(', ')} waits for its copy, and the file does not choose it`);
}
