/** Object identifier of the source's catalog. Built-in types have the same on every server. */
export type Oid = number;

/** A column of a relation, as a row of it is read: in table order, without dropped columns. */
export interface Column {
  readonly name: string;
  /** pg_type.oid on the source. A domain has its own oid here; see {@link Column.baseType}. */
  readonly type: Oid;
  readonly typmod: number;
  /**
   * pg_attribute.attnum on the source: stays with the column through renames, and is never reused. Unknown for columns
   * that a transform makes.
   */
  readonly attnum?: number;
  /** Qualified name of a collation that is not its type's; null: its type's, or none. */
  readonly collation?: string | null;
  /** As format_type prints it, schema-qualified where the type is not in pg_catalog: `numeric(10,2)`, `"Shop".mood`. */
  readonly typeName: string;
  /** The kind of type decides how values compare and whether binary COPY is safe. */
  readonly typeKind: TypeKind;
  /** The type under all domains; equals `type` for one that is not a domain. */
  readonly baseType: Oid;
  /** For a domain: its base type as a column of that type would be declared; `typmod` is that of the domain. */
  readonly under?: { readonly typmod: number; readonly typeName: string; readonly typeKind: TypeKind };
  /** Of an array, or of a domain over one: what its elements are. */
  readonly elementKind?: TypeKind;
  /** For an array whose elements are not separated by commas in its text (box, geometry): the separator. */
  readonly delimiter?: string;
  /** Of an enum, a domain over one or an array of one: its labels in their order. */
  readonly labels?: readonly string[];
  /** DEFAULT as the catalog's pg_get_expr prints it; absent: none, or generated. */
  readonly default?: string;
  readonly notNull: boolean;
  readonly generated: 'never' | 'stored' | 'virtual';
  readonly identity: 'never' | 'always' | 'default';
  /** Send and receive of the type give the same bytes on every supported major, with no oid of a user's type inside. */
  readonly binarySafe: boolean;
}

export type TypeKind = 'base' | 'enum' | 'domain' | 'composite' | 'range' | 'multirange' | 'array' | 'pseudo';

/** A nullable column of type text. */
export function textColumn(name: string): Column {
  return {
    name,
    type: 25,
    typmod: -1,
    typeName: 'text',
    typeKind: 'base',
    baseType: 25,
    notNull: false,
    generated: 'never',
    identity: 'never',
    binarySafe: true,
  };
}

/**
 * What identifies a row in the change stream (manual: ALTER TABLE … REPLICA IDENTITY).
 * `key`: positions in {@link Relation.columns} of the primary key or the index chosen. `full`: all columns, old row sent
 * whole. `nothing`: UPDATE and DELETE are not publishable.
 */
export type Identity =
  | { readonly kind: 'key'; readonly positions: readonly number[] }
  | { readonly kind: 'full' }
  | { readonly kind: 'nothing' };

export type RelationKind = 'table' | 'partition' | 'partitioned';

/**
 * A table's shape at one moment. Immutable: a changed shape is a new object, so caches key on the object itself and no
 * row can be used with a plan for another shape. Used for source tables, and for the output of transforms.
 */
export interface Relation {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  readonly kind: RelationKind;
  readonly columns: readonly Column[];
  readonly identity: Identity;
  /** Positions of the primary key's columns, in key order; empty without one. */
  readonly primaryKey: readonly number[];
  /**
   * The primary key is DEFERRABLE: within a transaction two rows may have the same key, so it identifies none of them.
   */
  readonly deferrableKey?: true;
  /** User code makes its rows: one value may appear in several text forms. */
  readonly opaque?: true;
  /** For a stream that has all tables of the source: the file does not choose this one, and its changes are skipped. */
  readonly outside?: true;
}

/** `schema.name`, unquoted: the form of patterns, logs and reports, and the key of per-table state. Never SQL. */
export function relationName(relation: { readonly schema: string; readonly name: string }): string {
  return `${relation.schema}.${relation.name}`;
}
