import type { JsonSchema } from '../../core/base/json-schema.ts';
import { type SnapshotOption, type TablesOption, snapshotSchema, tablesSchema } from '../../core/api/schemas.ts';
import { type ConnectionOptions, connectionOptions } from '../../core/postgres/connect.ts';

/** Keys of `source:` in the pipeline file, sizes in bytes and durations in milliseconds. */
export interface PostgresSourceOptions extends ConnectionOptions {
  readonly tables?: TablesOption;
  readonly snapshot?: Partial<SnapshotOption>;
  readonly slot?: { readonly name?: string };
  readonly publication?: { readonly name?: string };
  readonly heartbeat?: number;
  readonly streaming?: boolean;
  readonly origin?: 'any' | 'none';
  readonly binary?: boolean;
}

export const postgresSourceOptions: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['url'],
  properties: {
    ...connectionOptions,
    tables: tablesSchema,
    snapshot: snapshotSchema,
    slot: {
      type: 'object',
      additionalProperties: false,
      description: 'The replication slot.',
      properties: {
        name: {
          type: 'string',
          pattern: '^[a-z0-9_]{1,63}$',
          description: 'Lower-case letters, digits and underscore; default pgsluice_<pipeline>.',
        },
      },
    },
    publication: {
      type: 'object',
      additionalProperties: false,
      description: 'The publication, made for exactly the chosen tables.',
      properties: {
        name: { type: 'string', minLength: 1, maxLength: 63, description: 'Default pgsluice_<pipeline>.' },
      },
    },
    binary: {
      type: 'boolean',
      description:
        'Let the stream carry values in binary where every table is copied as it is and its types allow it; default true.',
    },
    heartbeat: {
      type: 'string',
      format: 'duration',
      description:
        'Write a small message into the source’s WAL this often; needed where other databases write and this one does not.',
    },
    streaming: {
      type: 'boolean',
      description:
        'Receive large transactions while they are in progress, into a temporary file here, instead of having the source spill them on its disk; default false.',
    },
    origin: {
      enum: ['any', 'none'],
      description:
        'none: follow only what was written on the source itself, not what was replicated into it (PostgreSQL 16 and later); default any.',
    },
  },
};
