import type { Column, Identity, Relation, RelationKind } from '../../../core/postgres/relation.ts';
import type { WireRelation } from './wire.ts';

/** The catalog's details of one column of a Relation message. */
export type ColumnDetails = Omit<Column, 'name' | 'type' | 'typmod'>;

/** The catalog's details of a Relation message; `columns` in the message's order. */
export interface RelationDetails {
  readonly kind: RelationKind;
  readonly columns: readonly ColumnDetails[];
  /** Names of the primary key's columns, in key order; empty without one. */
  readonly primaryKey: readonly string[];
  /** See {@link Relation.deferrableKey}. */
  readonly deferrableKey?: boolean;
}

/**
 * The replica identity in the stream. Without a key column, `default` and `index` identify nothing (a table without a
 * primary key): the server does not publish its UPDATEs and DELETEs.
 */
export function identityOf(wire: WireRelation): Identity {
  if (wire.identity === 'f') return { kind: 'full' };
  if (wire.identity === 'n') return { kind: 'nothing' };
  const positions = wire.columns.flatMap((column, i) => (column.key ? [i] : []));
  return positions.length === 0 ? { kind: 'nothing' } : { kind: 'key', positions };
}

/** The message joined with the catalog: names, types and order are the message's, so a row of the stream fits by position. */
export function relationFrom(wire: WireRelation, details: RelationDetails): Relation {
  if (details.columns.length !== wire.columns.length) {
    throw new RangeError(`details of ${details.columns.length} columns for ${wire.columns.length} columns`);
  }
  const position = new Map(wire.columns.map((column, i) => [column.name, i]));
  const primaryKey = details.primaryKey.map((name) => position.get(name));
  return {
    oid: wire.oid,
    schema: wire.schema,
    name: wire.name,
    kind: details.kind,
    columns: wire.columns.map(({ name, type, typmod }, i) => ({
      ...(details.columns[i] as ColumnDetails),
      name,
      type,
      typmod,
    })),
    identity: identityOf(wire),
    // A publication may leave out a column of the primary key; the stream's rows then have no primary key.
    primaryKey: primaryKey.every((at) => at !== undefined) ? primaryKey : [],
    ...(details.deferrableKey === true ? { deferrableKey: true } : {}),
  };
}
