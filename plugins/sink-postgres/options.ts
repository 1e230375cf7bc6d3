import { Choice, Options, Size, type Static, Type } from '../../core/base/options.ts';
import { connectionOptions } from '../../core/postgres/connect.ts';

const made = { effect: 'refused', remedy: 'The schema is made already: restore it.' } as const;

/** Keys of a `plugin: postgres` of `sinks:` in the pipeline file. */
export const postgresSinkOptions = Options({
  ...connectionOptions,
  schema: Choice(['create', 'existing'], {
    default: 'create',
    description: "create: the source's schema is restored on the empty target; existing: the tables are there.",
    change: made,
  }),
  on_existing: Choice(['error', 'truncate'], {
    default: 'error',
    description: 'With `schema: existing`: what to do when a table of the plan has rows before its first copy.',
  }),
  owners: Type.Optional(
    Choice(['keep', 'skip'], {
      description:
        'Owners and grants of the source. Default: kept when the target has all roles that the schema names, else skipped with a warning.',
    }),
  ),
  dependents: Choice(['error', 'cascade'], {
    default: 'error',
    description:
      'Objects that depend on a table or column that the target shall not have (views, foreign keys with orphans).',
  }),
  large_objects: Type.Optional(
    Choice(['copy', 'skip'], {
      description:
        'Large objects: copied once with the snapshot, under the same oids; later changes to them do not replicate. Default: copy with `schema: create`.',
    }),
  ),
  index_workers: Type.Integer({
    minimum: 1,
    maximum: 64,
    default: 2,
    description: 'How many indexes and constraints are built at a time.',
  }),
  maintenance_work_mem: Type.Optional(
    Size({ description: "Memory of one index build. Default: the target's setting, at least 256MB." }),
  ),
  on_missing: Choice(['error', 'warn', 'upsert'], {
    default: 'error',
    description: 'What to do when an UPDATE or DELETE of the source finds no row in the target.',
  }),
});
/** Sizes in bytes. */
export type PostgresSinkOptions = Static<typeof postgresSinkOptions>;
