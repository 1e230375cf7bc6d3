/** Kinds of objects that a manifest holds. The words are those of messages; docs/schema.md lists what is compared of each. */
export type ObjectKind =
  | 'access method'
  | 'aggregate'
  | 'attribute'
  | 'base type'
  | 'cast'
  | 'collation'
  | 'column'
  | 'composite type'
  | 'constraint'
  | 'conversion'
  | 'database'
  | 'default privileges'
  | 'domain'
  | 'domain constraint'
  | 'enum'
  | 'event trigger'
  | 'extension'
  | 'foreign data wrapper'
  | 'foreign server'
  | 'foreign table'
  | 'function'
  | 'index'
  | 'language'
  | 'large objects'
  | 'materialized view'
  | 'operator'
  | 'operator class'
  | 'operator family'
  | 'policy'
  | 'procedure'
  | 'publication'
  | 'range type'
  | 'role settings'
  | 'rule'
  | 'schema'
  | 'sequence'
  | 'statistics'
  | 'subscription'
  | 'table'
  | 'text search configuration'
  | 'text search dictionary'
  | 'text search parser'
  | 'text search template'
  | 'transform'
  | 'trigger'
  | 'user mapping'
  | 'view';

/**
 * One object as plain values. `props` are compared, as the server prints them: booleans are `t` and `f`, lists are
 * JSON. A property that the server's version does not know is absent. `facts` are read with them and never compared.
 */
export interface ManifestObject {
  readonly kind: ObjectKind;
  /** Unquoted; unique within the kind: [schema, table], [schema, table, column], [schema, function, types of arguments] … */
  readonly name: readonly string[];
  readonly props: Readonly<Record<string, string | null>>;
  readonly facts: Readonly<Record<string, string | null>>;
  /** Keys of objects of the same manifest that it depends on. */
  readonly needs: readonly string[];
}

/** The schema of one database at one moment. */
export interface Manifest {
  /** server_version_num, for example 150020. */
  readonly version: number;
  /** By {@link objectKey}, in the order of their kinds and names. */
  readonly objects: ReadonlyMap<string, ManifestObject>;
  /** Roles of the server. */
  readonly roles: ReadonlySet<string>;
}

/** Names may hold any character but NUL, so this separates them. */
export function objectKey(kind: ObjectKind, name: readonly string[]): string {
  return `${kind}\0${name.join('\0')}`;
}

export function keyOf(object: Pick<ManifestObject, 'kind' | 'name'>): string {
  return objectKey(object.kind, object.name);
}
