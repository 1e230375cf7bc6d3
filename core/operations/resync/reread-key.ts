import type { Relation } from '../../postgres/relation.ts';

/** Columns that identify a row; empty if none do. */
export function keyOf({ identity, primaryKey }: Relation): readonly number[] {
  return primaryKey.length > 0 || identity.kind !== 'key' ? primaryKey : identity.positions;
}
