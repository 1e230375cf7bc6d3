import { snapshotSchema, tablesSchema } from '../../core/api/schemas.ts';
import { Choice, Duration, Options, Part, type Static, Text, Type } from '../../core/base/options.ts';
import { connectionOptions, urlPattern } from '../../core/postgres/connect.ts';

const named = {
  effect: 'refused',
  remedy: 'The slot was made under the old name: restore it, or start over (cleanup).',
} as const;

/** Keys of `source:` in the pipeline file. */
export const postgresSourceOptions = Options({
  ...connectionOptions,
  primary: Type.Optional(
    Type.String({
      pattern: urlPattern,
      description:
        'Where `url` is a standby (PostgreSQL 16 and later): libpq URL of its primary, for the publication, messages and the fence.',
      secret: true,
    }),
  ),
  tables: tablesSchema,
  snapshot: snapshotSchema,
  slot: Part(
    {
      name: Type.Optional(
        Type.String({
          pattern: '^[a-z0-9_]{1,63}$',
          description: 'Lower-case letters, digits and underscore; default pgsluice_<pipeline>.',
          change: named,
        }),
      ),
      failover: Type.Boolean({
        default: false,
        description:
          'Standbys keep a copy of the slot, so that the stream goes on at the one that is promoted (PostgreSQL 17 and later).',
      }),
    },
    { description: 'The replication slot.' },
  ),
  publication: Part(
    { name: Type.Optional(Text({ maxLength: 63, description: 'Default pgsluice_<pipeline>.', change: named })) },
    { description: 'The publication, made for exactly the chosen tables.' },
  ),
  binary: Type.Boolean({
    default: true,
    description: 'Let the stream carry values in binary where every table is copied as it is and its types allow it.',
  }),
  heartbeat: Type.Optional(
    Duration({
      description:
        'Write a small message into the source’s WAL this often; needed where other databases write and this one does not.',
    }),
  ),
  streaming: Type.Boolean({
    default: false,
    description:
      'Receive large transactions while they are in progress, into a temporary file here, instead of having the source spill them on its disk.',
  }),
  origin: Choice(['any', 'none'], {
    default: 'any',
    description:
      'none: follow only what was written on the source itself, not what was replicated into it (PostgreSQL 16 and later).',
  }),
});
/** Sizes in bytes and durations in milliseconds. */
export type PostgresSourceOptions = Static<typeof postgresSourceOptions>;
