import type { Relation } from '../../postgres/relation.ts';

/** Columns that identify a row, which the server sends of an old one; empty if none do. */
export function keyOf({ identity, primaryKey }: Relation): readonly number[] {
  return identity.kind === 'key' ? identity.positions : primaryKey;
}
