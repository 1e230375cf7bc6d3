import { relationName } from '../../core/postgres/relation.ts';
import type { SinkPreparation } from '../../core/api/snapshot.ts';
import type { TableState } from './state.ts';

/** A table of at most this many bytes costs less than log messages and catalog changes about it. */
export const smallBytes = 1 << 20;

/** Tables of the target, by oid, that are still small after all plans that write into them are copied. */
export function smallTables(
  { plans, sizes }: Pick<SinkPreparation, 'plans' | 'sizes'>,
  states: ReadonlyMap<string, TableState>,
): ReadonlySet<number> {
  const bytes = new Map<number, number>();
  for (const { source } of plans) {
    const state = states.get(relationName(source));
    if (state === undefined) continue;
    bytes.set(state.relid, (bytes.get(state.relid) ?? 0) + (sizes?.get(source.oid) ?? Infinity));
  }
  return new Set([...bytes].filter(([, sum]) => sum <= smallBytes).map(([relid]) => relid));
}

/** Tables of the target, by oid, that keep what is unique while they are filled. */
export function keyedTables(
  { plans, keyed }: Pick<SinkPreparation, 'plans' | 'keyed'>,
  states: ReadonlyMap<string, TableState>,
): ReadonlySet<number> {
  const sources = plans
    .filter(({ source }) => keyed?.has(source.oid) === true)
    .map(({ source }) => relationName(source));
  return new Set(sources.flatMap((source) => states.get(source)?.relid ?? []));
}
