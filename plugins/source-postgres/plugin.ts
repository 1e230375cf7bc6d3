import { definePlugin } from '../../core/api/plugin.ts';
import { connectionErrors } from '../../core/postgres/errors.ts';
import { sourceErrors } from './errors.ts';
import { type PostgresSourceOptions, postgresSourceOptions } from './options.ts';
import { PostgresSource } from './source.ts';
import { streamErrors } from './stream/errors.ts';

export const sourcePostgres = definePlugin<PostgresSourceOptions>({
  kind: 'source',
  name: 'postgres',
  apiVersion: 1,
  summary: 'PostgreSQL 14 to 18: consistent snapshot, then a logical slot (pgoutput)',
  options: postgresSourceOptions,
  errors: { ...connectionErrors, ...sourceErrors, ...streamErrors },
  create: async (options, context) => new PostgresSource(options, context),
});
