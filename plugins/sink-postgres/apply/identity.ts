import type { Relation } from '../../../core/postgres/relation.ts';
import type { TargetTable, UniqueIndex } from './target-table.ts';

/** How the row of the target that a change of the source means is found. The one decision that all who look for rows read. */
export interface RowIdentity {
  /** Positions of the columns that find it; null: the whole old row does, of which the first match is taken. */
  readonly key: readonly number[] | null;
  /**
   * Oid of the target's index that lets no two rows have one key at any moment; null: there is none. Only with it may changes
   * be reduced to their net change per key and be written set-wise.
   */
  readonly index: number | null;
  /** Why rows are not found by a key, or not reduced per key; null where both are done. */
  readonly because: string | null;
}

/**
 * A key identifies a row only while it is enforced: by the source, so that the stream means one row by it, and by the target, so
 * that one row is found. A replica identity that is an index is always enforced by the source (manual: ALTER TABLE, REPLICA
 * IDENTITY). A primary key that is only known from the catalog (identity full) may be deferrable; then the whole old row, which the
 * source sends, finds one row. Pure.
 */
export function rowIdentity(relation: Relation, table: TargetTable): RowIdentity {
  const { identity, primaryKey } = relation;
  if (identity.kind === 'key') {
    const index = enforcedIndex(relation, table, identity.positions);
    const because = index === null ? 'the target enforces no unique key over the columns' : null;
    return { key: identity.positions, index: index?.oid ?? null, because };
  }
  if (primaryKey.length === 0) return wholeRow('no primary key comes from the source');
  if (relation.deferrableKey === true) return wholeRow('the primary key of the source is deferrable');
  const index = enforcedIndex(relation, table, primaryKey);
  if (index === null) return wholeRow('the target enforces no unique key over the columns');
  return { key: primaryKey, index: index.oid, because: null };
}

const wholeRow = (because: string): RowIdentity => ({ key: null, index: null, because });

/** An index over nothing but columns at `positions`, under which two rows never have one key. */
function enforcedIndex(relation: Relation, table: TargetTable, positions: readonly number[]): UniqueIndex | null {
  const names = new Set(positions.map((i) => relation.columns[i]?.name));
  return table.unique.find((index) => identifies(index) && index.columns.every((name) => names.has(name))) ?? null;
}

/** The rules for an index that identifies rows, each as the catalog shows it. */
export function identifies(index: UniqueIndex): boolean {
  return index.immediate && index.usable && index.plain && index.notNull && index.comparesAsColumns;
}

/** How the stream's rows are found and written in one target table. */
export interface TargetShape {
  readonly relation: Relation;
  readonly table: TargetTable;
  /** Positions of the columns that are written. */
  readonly filled: readonly number[];
  readonly identity: RowIdentity;
  /** {@link RowIdentity.key} */
  readonly key: readonly number[] | null;
  /** May be reduced to net changes and written set-wise; else in order. */
  readonly setWise: boolean;
  /** Cells are the bytes of the types' send functions. */
  readonly binary: boolean;
}

/** Derives what can be done with a table. `enforced`: triggers and foreign keys act (no replica role). */
export function shapeOf(
  relation: Relation,
  table: TargetTable,
  { enforced, binary }: { readonly enforced: boolean; readonly binary: boolean },
): TargetShape {
  const filled = relation.columns.map((_, i) => i).filter((i) => table.columns[i]?.generated !== true);
  const identity = rowIdentity(relation, table);
  const { key } = identity;
  const setWise =
    key !== null &&
    !enforced &&
    identity.index !== null &&
    key.every((i) => table.columns[i]?.canonical === true) &&
    filled.every((i) => key.includes(i) || table.columns[i]?.identityAlways !== true);
  return { relation, table, filled, identity, key, setWise, binary };
}
