import { definePlugin } from '../../core/api/plugin.ts';
import { connectionErrors } from '../../core/postgres/errors.ts';
import { sourceErrors } from './errors.ts';
import { type PostgresSourceOptions, postgresSourceOptions } from './options.ts';
import { PostgresSource } from './source.ts';
import { streamErrors } from './stream/errors.ts';
import { connectionOf } from '../../core/postgres/connect.ts';
import { firstFile } from './first-file.ts';

export const sourcePostgres = definePlugin<PostgresSourceOptions>({
  kind: 'source',
  name: 'postgres',
  apiVersion: 1,
  summary: 'PostgreSQL 14 to 18: consistent snapshot, then a logical slot (pgoutput)',
  options: postgresSourceOptions,
  errors: { ...connectionErrors, ...sourceErrors, ...streamErrors },
  create: async (options, context) => new PostgresSource(options, context),
  first: { options: (url) => ({ url }), file: firstFile },
  // A standby accepts no writes.
  asSink: (given) => ({
    plugin: 'postgres',
    ...connectionOf(given),
    ...(given['primary'] === undefined ? {} : { url: given['primary'] }),
    schema: 'existing',
  }),
});
