import type { TableFacts } from './table-facts.ts';

/** A publication's entry for one table; columns by attribute number. */
export interface Entry {
  /** Columns of the list; null: all. */
  readonly list: readonly number[] | null;
  /** Columns that the row filter reads. */
  readonly filter: readonly number[];
}

/** Of the whole publication. */
export interface Publishes {
  /** UPDATE or DELETE are published: INSERT and TRUNCATE are never refused. */
  readonly changes: boolean;
  /** `publish_generated_columns = stored`. */
  readonly generated: boolean;
}

/** Why the server refuses UPDATE and DELETE on a published table, with the columns concerned. */
export type Refusal =
  | { readonly kind: 'identity' }
  | { readonly kind: 'filter'; readonly columns: readonly number[] }
  /** Empty: a table with REPLICA IDENTITY FULL must not have a list at all. */
  | { readonly kind: 'list'; readonly columns: readonly number[] }
  | { readonly kind: 'generated'; readonly columns: readonly number[] };

/**
 * I10. The rules of CheckCmdReplicaIdentity (execReplication.c) and of the functions that it calls:
 * pub_rf_contains_invalid_column and pub_collist_contains_invalid_column of 15 and later, pub_contains_invalid_column
 * of 18.
 */
export function refusalOf(facts: TableFacts, entry: Entry, publishes: Publishes, version: number): Refusal | null {
  if (!publishes.changes) return null;
  const full = facts.identity === 'f';
  const key = new Set(facts.key ?? []);
  if (version >= 150_000) {
    const unread = full ? [] : entry.filter.filter((column) => !key.has(column));
    if (unread.length > 0) return { kind: 'filter', columns: unread };
    if (entry.list !== null) {
      const list = new Set(entry.list);
      const uncovered = [...key].filter((column) => !list.has(column));
      if (full || uncovered.length > 0) return { kind: 'list', columns: full ? [] : uncovered };
    }
  }
  if (version >= 180_000) {
    const columns = unpublished(facts, entry, publishes);
    if (columns.length > 0) return { kind: 'generated', columns };
  }
  return full || facts.key !== null ? null : { kind: 'identity' };
}

/** Generated columns that belong to the identity and are not sent. Virtual ones never are. */
function unpublished(facts: TableFacts, entry: Entry, publishes: Publishes): readonly number[] {
  const stored = publishes.generated ? [] : facts.stored;
  if (facts.identity === 'f') return [...facts.virtual, ...stored];
  if (entry.list !== null) return [];
  const key = new Set(facts.key ?? []);
  return [...facts.virtual, ...stored].filter((column) => key.has(column));
}
