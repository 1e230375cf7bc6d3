import { definePlugin } from '../../core/api/plugin.ts';
import { Options } from '../../core/base/options.ts';
import { type ConnectionOptions, connectionOptions } from '../../core/postgres/connect.ts';
import { checkpointPostgresErrors } from './errors.ts';
import { PostgresCheckpoint } from './store.ts';

/** Core's state in the schema `pgsluice` of a PostgreSQL database; a run holds a session's advisory lock there. */
export const checkpointPostgres = definePlugin<ConnectionOptions>({
  kind: 'checkpoint',
  name: 'postgres',
  apiVersion: 1,
  summary: 'State of the pipeline in the schema pgsluice of a PostgreSQL database.',
  options: Options(connectionOptions),
  errors: checkpointPostgresErrors,
  create: async (options, context) => new PostgresCheckpoint(options, context),
});
