import type { JsonSchema } from '../../core/base/json-schema.ts';
import { type ConnectionOptions, connectionOptions } from '../../core/postgres/connect.ts';

/** What the bulk plane reads of the sink's keys; sizes are bytes. */
export interface BulkOptions extends ConnectionOptions {
  readonly schema?: 'create' | 'existing';
  readonly on_existing?: 'error' | 'truncate';
  /** Absent: kept where the target has all roles that the schema names and we may act as them, else skipped with a warning. */
  readonly owners?: 'keep' | 'skip';
  readonly dependents?: 'error' | 'cascade';
  /** Absent: copied with `schema: create`, skipped with `existing`. */
  readonly large_objects?: 'copy' | 'skip';
  readonly index_workers?: number;
  readonly maintenance_work_mem?: number;
}

/** Defaults stand in the schema for readers and are applied where a key is read. */
export const bulkOptions: { readonly [key: string]: JsonSchema } = {
  ...connectionOptions,
  schema: {
    enum: ['create', 'existing'],
    default: 'create',
    description: "create: the source's schema is restored on the empty target; existing: the tables are there.",
  },
  on_existing: {
    enum: ['error', 'truncate'],
    default: 'error',
    description: 'With `schema: existing`: what to do when a table of the plan has rows before its first copy.',
  },
  owners: {
    enum: ['keep', 'skip'],
    description:
      'Owners and grants of the source. Default: kept when the target has all roles that the schema names, else skipped with a warning.',
  },
  dependents: {
    enum: ['error', 'cascade'],
    default: 'error',
    description:
      'Objects that depend on a table or column that the target shall not have (views, foreign keys with orphans).',
  },
  large_objects: {
    enum: ['copy', 'skip'],
    description:
      'Large objects: copied once with the snapshot, under the same oids; later changes to them do not replicate. Default: copy with `schema: create`.',
  },
  index_workers: {
    type: 'integer',
    minimum: 1,
    maximum: 64,
    default: 2,
    description: 'How many indexes and constraints are built at a time.',
  },
  maintenance_work_mem: {
    type: 'string',
    format: 'size',
    description: "Memory of one index build. Default: the target's setting, at least 256MB.",
  },
};
