import pg from 'pg';
import { PgsluiceError } from '../../../core/base/error.ts';
import { pause } from '../../../core/base/backoff.ts';
import { failpoint } from '../../../core/base/failpoint.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { bulkError } from '../errors.ts';
import { type Semaphore, settle } from '../semaphore.ts';
import type { Sessions } from '../sessions.ts';
import { smallBytes } from '../staying.ts';
import type { Owner } from '../state.ts';
import { renewedParts } from '../schema/made-parts.ts';
import { claimDefinition, offerDefinitions } from './claim.ts';
import type { DefinitionStatus } from './save.ts';

/** Milliseconds between two looks at what another process builds. */
const everyLook = 300;

export interface Definition {
  readonly relid: string;
  readonly table: string;
  readonly kind: 'index' | 'constraint' | 'foreign key' | 'check';
  readonly name: string;
  readonly create: string | null;
  readonly constraint: string | null;
  readonly after: readonly string[];
  readonly index: string | null;
  readonly parentIndex: string | null;
  readonly refRelid: string | null;
  readonly status: DefinitionStatus;
  /** The table is so small that building its indexes costs less than log lines about it. */
  readonly small: boolean;
}

export interface Builder {
  readonly sessions: Sessions;
  readonly owner: Owner;
  /** Limits the builds of all tables together. */
  readonly workers: Semaphore;
}

/** Definitions that are not restored yet, of these tables (null: of all) and kinds. */
export async function openDefinitions(
  client: pg.Client,
  owner: Owner,
  of: {
    readonly relids: readonly number[] | null;
    readonly kinds: readonly Definition['kind'][];
    readonly partitioned: boolean;
  },
): Promise<Definition[]> {
  const { rows } = await client.query<DefinitionRow>(
    `${definitions}
     WHERE d.pipeline = $1 AND d.sink = $2 AND d.status <> 'built' AND d.kind = ANY($3::text[])
       AND ($4::oid[] IS NULL OR d.relid = ANY($4::oid[])) AND (d.partitioned = $5 OR d.kind NOT IN ('index', 'constraint'))
     ORDER BY d.create_sql LIKE '%CREATE UNIQUE INDEX%' DESC, z.bytes DESC, d.relid, d.kind, d.name`,
    [owner.pipeline, owner.sink, of.kinds, of.relids, of.partitioned],
  );
  return rows.map(definitionOf);
}

export type DefinitionRow = Readonly<Record<string, string | null>>;

export const definitions = `
  SELECT d.relid, d.relid::regclass::text AS tbl, d.kind, d.name, d.create_sql, d.constraint_sql, to_json(d.after_sql)::text AS after,
    d.index_name, d.parent_index, d.ref_relid, d.status, (z.bytes <= ${smallBytes})::text AS small
  FROM pgsluice.definition d JOIN pg_class c ON c.oid = d.relid,
    LATERAL (SELECT CASE WHEN c.relkind = 'r' THEN pg_relation_size(c.oid) ELSE 0 END AS bytes) z`;

export function definitionOf(row: DefinitionRow): Definition {
  return {
    relid: row['relid']!,
    table: row['tbl']!,
    kind: row['kind'] as Definition['kind'],
    name: row['name']!,
    create: row['create_sql'] ?? null,
    constraint: row['constraint_sql'] ?? null,
    after: JSON.parse(row['after']!) as string[],
    index: row['index_name'] ?? null,
    parentIndex: row['parent_index'] ?? null,
    refRelid: row['ref_relid'] ?? null,
    status: row['status'] as DefinitionStatus,
    small: row['small'] === 'true',
  };
}

/**
 * Indexes and the constraints on them, for tables that hold rows. Indexes first, several at a time (they share the
 * table); a constraint takes an exclusive lock briefly, so constraints follow when no build of the table runs.
 */
export async function buildIndexes(
  builder: Builder,
  relids: readonly number[] | null,
  signal: AbortSignal,
): Promise<void> {
  const read = (): Promise<Definition[]> =>
    builder.sessions.query((client) =>
      openDefinitions(client, builder.owner, { relids, kinds: ['index', 'constraint'], partitioned: false }),
    );
  const all = await read();
  const small = all.filter((definition) => canShare(definition));
  await buildTogether(builder, small, signal);
  // Definitions of a failed group are tried one by one, so that the error names the one at fault.
  const work = small.length === 0 ? all : await read();
  await buildAside(
    builder,
    work.filter((definition) => definition.create !== null && definition.status === 'aside'),
    signal,
  );
  for (const definition of work.filter((d) => d.kind === 'constraint')) {
    signal.throwIfAborted();
    failpoint('constraint');
    // A constraint without a separate index (exclusion) is built by this statement, so it counts as a build.
    const run = (): Promise<void> => step(builder, definition, addConstraint);
    await (definition.create === null ? builder.workers.run(run) : run());
  }
}

/** Other processes build of them, too; what one of them is at is looked at again until it is built, or free. */
async function buildAside(builder: Builder, aside: readonly Definition[], signal: AbortSignal): Promise<void> {
  if (aside.some(({ small }) => !small)) await builder.sessions.query((c) => offerDefinitions(c, builder.owner, aside));
  for (let left = aside; left.length > 0; ) {
    const others: Definition[] = [];
    await settle(
      left.map((definition) =>
        builder.workers.run(async () => {
          signal.throwIfAborted();
          failpoint('index');
          if (!(await buildIndex(builder, definition))) others.push(definition);
        }),
      ),
    );
    left = others;
    if (left.length > 0) await pause(everyLook, signal);
  }
}

/**
 * A constraint without a separate index counts as a build, and an index in a tablespace needs a setting for its
 * transaction.
 */
function canShare(definition: Definition): boolean {
  if (!definition.small || definition.create === null) return false;
  return definition.status === 'aside' && definition.create.startsWith('CREATE ');
}

/**
 * Indexes and constraints of small tables, all in one transaction with their marks; rolled back as a whole if one
 * fails.
 */
async function buildTogether(builder: Builder, small: readonly Definition[], signal: AbortSignal): Promise<void> {
  if (small.length === 0) return;
  signal.throwIfAborted();
  failpoint('index');
  const sql = [
    ...small.map((definition) => definition.create!),
    ...small.flatMap((definition) => [...constraintOf(definition), ...definition.after]),
  ].join('; ');
  try {
    await builder.workers.run(() =>
      builder.sessions.transaction(async (client) => {
        await client.query(sql);
        failpoint('constraint');
        await markDefinitions(client, builder.owner, small, 'built');
      }),
    );
  } catch (error) {
    if (!(error instanceof PgsluiceError) || error.where.sqlstate === undefined) throw error;
  }
}

function constraintOf(definition: Definition): string[] {
  if (definition.constraint === null) return [];
  const name = pg.escapeIdentifier(definition.name);
  return [`ALTER TABLE ${definition.table} ADD CONSTRAINT ${name} ${definition.constraint}`];
}

export async function createIndex(client: pg.Client, definition: Definition): Promise<DefinitionStatus> {
  await client.query(definition.create!);
  if (definition.constraint !== null) return 'indexed';
  await runAll(client, definition.after);
  return 'built';
}

export async function addConstraint(client: pg.Client, definition: Definition): Promise<DefinitionStatus> {
  await client.query(
    `ALTER TABLE ${definition.table} ADD CONSTRAINT ${pg.escapeIdentifier(definition.name)} ${definition.constraint}`,
  );
  await runAll(client, definition.after);
  return 'built';
}

export async function runAll(client: pg.Client, statements: readonly string[]): Promise<void> {
  if (statements.length > 0) await client.query(statements.join('; '));
}

/** One statement and its mark, in one transaction. */
export async function step(
  builder: Builder,
  definition: Definition,
  work: (client: pg.Client, definition: Definition) => Promise<DefinitionStatus>,
): Promise<void> {
  await within(builder, definition, async (client) => {
    await markDefinition(client, builder.owner, definition, await work(client, definition));
  });
}

/** Builds an index where no other process is at it. Returns whether it is there. */
function buildIndex(builder: Builder, definition: Definition): Promise<boolean> {
  return within(builder, definition, async (client) => {
    const found = await claimDefinition(client, builder.owner, definition);
    if (found !== 'ours') return found === 'done';
    await markDefinition(client, builder.owner, definition, await createIndex(client, definition));
    return true;
  });
}

async function within<T>(
  builder: Builder,
  definition: Definition,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  try {
    return await builder.sessions.transaction(work);
  } catch (error) {
    throw refused(error, definition);
  }
}

export async function markDefinition(
  client: pg.Client,
  owner: Owner,
  definition: Definition,
  status: DefinitionStatus,
): Promise<void> {
  await client.query(
    `WITH ${renewedParts('SELECT $3::oid AS relid, $5::text AS name')}
     UPDATE pgsluice.definition SET status = $6 WHERE pipeline = $1 AND sink = $2 AND relid = $3::oid AND kind = $4 AND name = $5::text`,
    [owner.pipeline, owner.sink, definition.relid, definition.kind, definition.name, status],
  );
}

export async function markDefinitions(
  client: pg.Client,
  owner: Owner,
  definitions: readonly Definition[],
  status: DefinitionStatus,
): Promise<void> {
  await client.query(
    `WITH ${renewedParts('SELECT * FROM unnest($3::oid[], $5::text[]) AS b (relid, name)')}
     UPDATE pgsluice.definition d SET status = $6
     FROM unnest($3::oid[], $4::text[], $5::text[]) AS m (relid, kind, name)
     WHERE d.pipeline = $1 AND d.sink = $2 AND d.relid = m.relid AND d.kind = m.kind AND d.name = m.name`,
    [
      owner.pipeline,
      owner.sink,
      definitions.map((definition) => definition.relid),
      definitions.map((definition) => definition.kind),
      definitions.map((definition) => definition.name),
      status,
    ],
  );
}

export function refused(error: unknown, definition: Definition): Error {
  const known = fromPg(error, {});
  const sqlstate = known.where.sqlstate;
  // Lost connections, locks, disk and memory are no fault of the definition: the runtime retries.
  if (sqlstate === undefined || known.retry === 'backoff' || known.code !== 'PGS2007') return known;
  const where = { ...known.where, table: definition.table, object: definition.name };
  const cause = known.cause ?? error;
  if (sqlstate === '23505') {
    return bulkError('PGS3020', `${definition.kind} ${definition.name} of ${definition.table}: duplicate key`, {
      where,
      cause,
    });
  }
  return bulkError('PGS3021', `${definition.kind} ${definition.name} of ${definition.table}: ${known.message}`, {
    where,
    cause,
  });
}
