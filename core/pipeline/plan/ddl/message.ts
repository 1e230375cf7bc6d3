import type { MessageChange } from '../../../api/change.ts';
import type { PartRow } from '../../../postgres/manifest/parts.ts';
import type { Column, Identity, Relation, RelationKind } from '../../../postgres/relation.ts';

/** A column as the source's trigger describes it. */
export interface DdlColumn extends Omit<Column, 'binarySafe'> {
  /** Attribute number: stays with the column through renames. */
  readonly attnum: number;
  /** SQL of the default; null: none. */
  readonly fallback: string | null;
  /** The value that rows from before the column have in it, if they were not rewritten: the server's text. */
  readonly missing: string | null;
}

/** A table's shape as the source's trigger describes it (plugins/source-postgres/ddl/install-sql.ts). */
export interface DdlShape {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: RelationKind;
  /** pg_class.relreplident. */
  readonly identity: string;
  /** Attribute numbers. */
  readonly primaryKey: readonly number[];
  readonly index: readonly number[] | null;
  readonly partitionBy: string | null;
  readonly bound: string | null;
  readonly parent: {
    /** Older messages lack it. */
    readonly oid?: number;
    readonly schema: string;
    readonly name: string;
    /** Oids of the parent's other partitions. */
    readonly siblings: readonly number[] | null;
  } | null;
  /** Of a partitioned table: how many partitions it has. Older messages lack it. */
  readonly members?: number | null;
  /** What it inherits from without being a partition. Older messages lack it. */
  readonly inherits?: readonly { readonly oid: number; readonly schema: string; readonly name: string }[] | null;
  readonly columns: readonly DdlColumn[];
}

/** A view or a function that the command dropped along with its own object. */
export interface Along {
  readonly type: 'view' | 'materialized view' | 'function' | 'procedure';
  /** [schema, name] */
  readonly names: readonly string[];
  /** The object's identity in SQL. */
  readonly identity: string;
}

export type DdlMessage =
  | {
      readonly op: 'shape';
      readonly tag: string;
      readonly before: DdlShape;
      readonly after: DdlShape;
      /** There is no USING and no code around the command, as far as its text shows. */
      readonly plain: boolean;
      /** Rows got values of a volatile default. */
      readonly rewritten: boolean;
      /** Rows were written again by ALTER COLUMN … TYPE. Older messages lack it. */
      readonly retyped?: boolean;
      readonly along?: readonly Along[] | null;
    }
  | { readonly op: 'create'; readonly tag: string; readonly after: DdlShape; readonly published: boolean }
  | { readonly op: 'drop'; readonly tag: string; readonly before: DdlShape; readonly along?: readonly Along[] | null }
  | {
      readonly op: 'parts';
      readonly tag: string;
      /** server_version_num. */
      readonly version: number;
      /** Their state after the command. */
      readonly tables: readonly DdlShape[];
      /** New or changed parts; `was`: the name before. */
      readonly now: readonly { readonly kind: string; readonly row: PartRow; readonly was: string | null }[];
      readonly gone: readonly {
        readonly kind: string;
        readonly table: readonly [string, string];
        readonly name: string;
      }[];
    }
  /** Types that were created or changed, in their state after the command. */
  | {
      readonly op: 'types';
      readonly tag: string;
      readonly version: number;
      readonly now: readonly { readonly kind: string; readonly row: PartRow }[];
    }
  | { readonly op: 'failed'; readonly tag: string; readonly sqlstate: string; readonly message: string };

const ops: ReadonlySet<unknown> = new Set(['shape', 'create', 'drop', 'parts', 'types', 'failed']);

/** Null for anything but DDL of this pipeline. */
export function decodeDdl(change: MessageChange, pipeline: string): DdlMessage | null {
  if (change.prefix !== 'pgsluice') return null;
  try {
    const value = JSON.parse(Buffer.from(change.content).toString('utf8')) as Record<string, unknown>;
    if (value['kind'] !== 'ddl' || value['pipeline'] !== pipeline || !ops.has(value['op'])) return null;
    return value as unknown as DdlMessage;
  } catch {
    return null;
  }
}

/** The relation that a run would read from the catalog at this moment; never binary, which the stream does not ask for. */
export function relationOf(shape: DdlShape): Relation {
  const { oid, schema, name, kind } = shape;
  const at = (attnums: readonly number[]) =>
    attnums.map((attnum) => shape.columns.findIndex((column) => column.attnum === attnum));
  const columns = shape.columns.map(
    ({ fallback: _, missing: __, ...column }): Column => ({ ...column, binarySafe: false }),
  );
  return { oid, schema, name, kind, columns, identity: identityOf(shape, at), primaryKey: at(shape.primaryKey) };
}

function identityOf(shape: DdlShape, at: (attnums: readonly number[]) => number[]): Identity {
  if (shape.identity === 'f') return { kind: 'full' };
  if (shape.identity === 'd' && shape.primaryKey.length > 0) return { kind: 'key', positions: at(shape.primaryKey) };
  if (shape.identity === 'i' && shape.index !== null) return { kind: 'key', positions: at(shape.index) };
  return { kind: 'nothing' };
}
