import type { ManifestObject } from '../postgres/manifest/types.ts';
import type { Column } from '../postgres/relation.ts';

/** A table of the target, unquoted. */
export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** A partition of the table that `sibling` is one of, else of `parent`; `bound` as in `FOR VALUES …`. */
export interface PartitionOf {
  readonly parent: TableName;
  readonly sibling: TableName | null;
  readonly bound: string;
}

/** What one command on the source asks of a target. */
export interface SchemaSteps {
  /** `schema.table` on the source. */
  readonly table: string;
  readonly steps: readonly SchemaStep[];
}

export interface DroppedObject {
  readonly type: 'view' | 'materialized view' | 'function' | 'procedure';
  readonly identity: string;
}

/** Something of a table: a column's properties, a constraint, an index, a trigger … */
export interface TablePart {
  readonly object: ManifestObject;
  /** The last part of its name, before it was renamed. */
  readonly was: string | null;
}

/** One thing that DDL of the source asks of a target, in the target's names. All of them may be repeated. */
export type SchemaStep =
  | {
      readonly kind: 'add-column';
      readonly table: TableName;
      readonly column: Column;
      /** What the rows that are there get: the server's text, null for NULL. */
      readonly value: string | null;
      /** SQL of the default for rows to come; null: none. */
      readonly fallback: string | null;
    }
  | { readonly kind: 'drop-column'; readonly table: TableName; readonly column: string }
  /** Views and functions that went with something else on the source. */
  | { readonly kind: 'drop-along'; readonly table: TableName; readonly objects: readonly DroppedObject[] }
  /** What hangs on the tables becomes what it is on the source. */
  | {
      readonly kind: 'become';
      readonly table: TableName;
      readonly tables: readonly TableName[];
      readonly now: readonly TablePart[];
      readonly gone: readonly Pick<ManifestObject, 'kind' | 'name'>[];
    }
  /** Types, each with all of its attributes, labels and constraints. */
  | { readonly kind: 'become-types'; readonly table: TableName; readonly now: readonly ManifestObject[] }
  | { readonly kind: 'rename-column'; readonly table: TableName; readonly from: string; readonly to: string }
  | { readonly kind: 'retype-column'; readonly table: TableName; readonly column: Column }
  | { readonly kind: 'set-nullable'; readonly table: TableName; readonly column: string; readonly nullable: boolean }
  | { readonly kind: 'rename-table'; readonly table: TableName; readonly to: TableName }
  | { readonly kind: 'drop-table'; readonly table: TableName }
  | { readonly kind: 'attach'; readonly table: TableName; readonly to: PartitionOf }
  /** `from` null: from whatever it is a partition of. */
  | { readonly kind: 'detach'; readonly table: TableName; readonly from: TableName | null }
  | { readonly kind: 'inherit' | 'no-inherit'; readonly table: TableName; readonly parent: TableName }
  | {
      readonly kind: 'create-table';
      readonly table: TableName;
      readonly columns: readonly { readonly column: Column; readonly fallback: string | null }[];
      /** Names of the key's columns, in key order. */
      readonly primaryKey: readonly string[];
      /** `RANGE (at)`, for a partitioned table. */
      readonly partitionBy: string | null;
      readonly partitionOf: PartitionOf | null;
    };

/** A table of a target, and where it stands among partitions and inheriting tables. */
export interface PlacedTable extends TableName {
  /** Declared PARTITION BY: holds no rows of its own. */
  readonly partitioned: boolean;
  /** What it is a partition of, or inherits from, in order. */
  readonly parents: readonly TableName[];
  /** As in `FOR VALUES …`; null where it is no partition. */
  readonly bound: string | null;
}
