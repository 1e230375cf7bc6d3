import { Choice, List, Mapping, Options, Part, Size, type Static, Text, Type } from '../../core/base/options.ts';
import { connectionOptions } from '../../core/postgres/connect.ts';

const made = { effect: 'refused', remedy: 'The schema is made already: restore it.' } as const;

const roleNames = Mapping(Text({}), {
  minProperties: 1,
  description: 'Roles of the target by the names of those on the source (with `owners: map`).',
  examples: [{ shop_owner: 'app' }],
});

/** Keys of a `plugin: postgres` of `sinks:` in the pipeline file. */
export const postgresSinkOptions = Options({
  ...connectionOptions,
  schema: Type.Union(
    [
      Choice(['create', 'existing'], {}),
      Options({
        mode: Type.Optional(Choice(['create', 'existing'], {})),
        exclude: Type.Optional(
          Options(
            {
              extensions: Type.Optional(List(Text({}), { description: 'Extensions that the target shall not have.' })),
              schemas: Type.Optional(
                List(Text({}), { description: 'Schemas that are left out with all that is in them.' }),
              ),
            },
            { description: 'Parts of the source’s schema that are not made.' },
          ),
        ),
      }),
    ],
    {
      default: 'create',
      description:
        "create: the source's schema is restored on the empty target; existing: the tables are there. With `mode` and `exclude`: but for some extensions or schemas.",
      change: made,
    },
  ),
  on_existing: Choice(['error', 'truncate'], {
    default: 'error',
    description: 'With `schema: existing`: what to do when a table of the plan has rows before its first copy.',
  }),
  owners: Type.Optional(
    Type.Union([Choice(['keep', 'skip', 'map'], {}), Options({ map: roleNames })], {
      description:
        'Owners and grants of the source. keep: a role that the target lacks is an error; skip: none; map: roles of other names. Default: kept, and what names a role that the target lacks is left out alone, with a warning.',
    }),
  ),
  roles: Type.Optional(roleNames),
  on_restore_error: Choice(['stop', 'skip'], {
    default: 'stop',
    description:
      'An object of the source’s schema that the target refuses: stop with the list of all of them, or leave them out.',
  }),
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
  apply: Part(
    {
      lanes: Type.Integer({
        minimum: 1,
        maximum: 64,
        default: 1,
        description: 'Sessions that apply changes at the same time. Each keeps a position of its own.',
      }),
      by: Choice(['group', 'key', 'table'], {
        default: 'group',
        description:
          'What a lane is given. group: tables that foreign keys connect stay together; table: each table by itself; key: rows of a table by the hash of their key. With the last two a transaction of the source is committed in parts.',
      }),
      wait_for_standbys: Type.Integer({
        minimum: 0,
        maximum: 100,
        default: 0,
        description:
          'What is applied counts as durable once this many standbys of the target have flushed it, so that a failover of the target loses nothing that the source was told of.',
      }),
    },
    { description: 'How changes are applied.' },
  ),
  on_missing: Choice(['error', 'warn', 'upsert'], {
    default: 'error',
    description: 'What to do when an UPDATE or DELETE of the source finds no row in the target.',
  }),
});
/** Sizes in bytes. */
export type PostgresSinkOptions = Static<typeof postgresSinkOptions>;

export function schemaMode({ schema }: Pick<PostgresSinkOptions, 'schema'>): 'create' | 'existing' {
  return (typeof schema === 'object' ? schema.mode : schema) ?? 'create';
}

/** Several sessions commit the rows of one transaction. */
export function dividesTransactions({ apply }: Pick<PostgresSinkOptions, 'apply'>): boolean {
  return apply.lanes > 1 && apply.by !== 'group';
}

/** Objects of the source's schema that are not created. */
export function schemaExclude({ schema }: Pick<PostgresSinkOptions, 'schema'>): {
  readonly extensions: readonly string[];
  readonly schemas: readonly string[];
} {
  const exclude = typeof schema === 'object' ? schema.exclude : undefined;
  return { extensions: exclude?.extensions ?? [], schemas: exclude?.schemas ?? [] };
}

/** Roles of the target by the source's roles that they replace. */
export function roleMap({ owners, roles }: Pick<PostgresSinkOptions, 'owners' | 'roles'>): ReadonlyMap<string, string> {
  return new Map(Object.entries({ ...roles, ...(typeof owners === 'object' ? owners.map : {}) }));
}
