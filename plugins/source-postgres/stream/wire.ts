import type { Oid } from '../../../core/postgres/relation.ts';

/** A column in a Relation message. Generated and unpublished columns are not in it. */
export interface WireColumn {
  readonly name: string;
  /** Part of the replica identity. */
  readonly key: boolean;
  readonly type: Oid;
  readonly typmod: number;
  /** `schema.name`, unquoted, from the Type message of a type that is not built in; else null. */
  readonly typeName: string | null;
}

/** pg_class.relreplident: default, nothing, full, index. */
export type ReplicaIdentity = 'd' | 'n' | 'f' | 'i';

/**
 * The server's description of a table before its first row and after every change of it (manual: "Logical Replication
 * Message Formats").
 */
export interface WireRelation {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  readonly identity: ReplicaIdentity;
  readonly columns: readonly WireColumn[];
}

/**
 * The server repeats a Relation for reasons that do not change the shape (invalidation of a cache); nothing is planned
 * again then.
 */
export function sameWire(a: WireRelation, b: WireRelation): boolean {
  return (
    a.oid === b.oid &&
    a.schema === b.schema &&
    a.name === b.name &&
    a.identity === b.identity &&
    a.columns.length === b.columns.length &&
    a.columns.every((column, i) => sameColumn(column, b.columns[i] as WireColumn))
  );
}

function sameColumn(a: WireColumn, b: WireColumn): boolean {
  return (
    a.name === b.name && a.key === b.key && a.type === b.type && a.typmod === b.typmod && a.typeName === b.typeName
  );
}
