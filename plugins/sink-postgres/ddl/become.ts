import pg from 'pg';
import type { TablePart, SchemaStep, TableName } from '../../../core/api/schema-change.ts';
import type { Logger } from '../../../core/base/logger.ts';
import { describe } from '../../../core/postgres/manifest/statements/refs.ts';
import { difference } from '../../../core/postgres/manifest/difference.ts';
import { mend } from '../../../core/postgres/manifest/statements/plan.ts';
import { bare, containerOf, objectOf, sqlName } from '../../../core/postgres/manifest/statements/step.ts';
import { sameSql } from '../../../core/postgres/manifest/text.ts';
import { type Manifest, type ManifestObject, type ObjectKind, keyOf } from '../../../core/postgres/manifest/types.ts';
import { qualified } from '../../../core/postgres/quote.ts';
import { keepOff } from '../definitions/kept-off.ts';
import { notePart, partsBefore } from '../schema/made-parts.ts';
import type { Owner } from '../state.ts';
import { readParts, runApart } from './parts.ts';

type Become = Extract<SchemaStep, { kind: 'become' }>;

export interface BecomeOptions {
  readonly owner: Owner;
  readonly log: Logger;
  /** Foreign keys act on written rows: they wait for the cutover. */
  readonly enforced: boolean;
}

/**
 * Changes the parts of tables (constraints, indexes, triggers …) to their state on the source, from whatever state they
 * have here: parts that the command did not touch stay, equal parts are left alone. A part that the target refuses
 * (because of a missing function or role), or whose name belongs to an object that a user made there, is reported, and
 * named by `verify --schema`; it keeps no row away. Returns the statements that ran.
 */
export async function become(client: pg.Client, step: Become, options: BecomeOptions): Promise<readonly string[]> {
  let there = await readParts(client, step.tables);
  const before = await partsBefore(client, options.owner, step.tables);
  const { foreign } = before;
  const renames = step.now.filter((part) => !foreign.has(keyBefore(part))).flatMap((part) => renaming(part, there));
  const ran = await runApart(client, renames, options.log);
  if (renames.length > 0) there = await readParts(client, step.tables);
  const objects = new Map(there.objects);
  for (const gone of step.gone) if (!ofRows.has(gone.kind)) objects.delete(keyOf(gone));
  for (const { object } of step.now) {
    const wanted = wantedOf(object, there);
    if (wanted !== null) objects.set(keyOf(wanted), wanted);
  }
  keepForeign({ there, objects, foreign }, options.log);
  if (options.enforced) await setKeysAside(client, { there, objects }, options);
  const wanted = { ...there, objects };
  const changes = difference(there, wanted, {
    owners: false,
    same: sameSql({ relations: new Map(), columns: new Set() }),
  });
  const { statements } = mend(changes, { there, wanted }, { owners: false });
  ran.push(
    ...(await runApart(
      client,
      statements.map(({ sql }) => sql),
      options.log,
    )),
  );
  await before.noteNew();
  const acts = step.now.some(({ object: { kind } }) => kind === 'trigger' || kind === 'rule' || kind === 'table');
  if (acts && ran.length > 0) await keepOff(client, options.owner, await relids(client, step.tables), options.log);
  return ran;
}

function keyBefore({ object, was }: TablePart): string {
  return keyOf({ ...object, name: [...object.name.slice(0, -1), was ?? object.name.at(-1)!] });
}

/**
 * Objects that a user made in the target stay unchanged, even if the source has, or had, an object of the same name.
 */
function keepForeign(
  {
    there,
    objects,
    foreign,
  }: {
    readonly there: Manifest;
    readonly objects: Map<string, ManifestObject>;
    readonly foreign: ReadonlySet<string>;
  },
  log: Logger,
): void {
  for (const key of foreign) {
    const object = there.objects.get(key);
    const wanted = objects.get(key);
    if (object === undefined || object === wanted) continue;
    objects.set(key, object);
    if (wanted !== undefined && difference(manifestOf(there, object), manifestOf(there, wanted)).length === 0) continue;
    const of = wanted === undefined ? 'dropped' : 'made';
    const message = `${describe(object)}: somebody made it in the target, so it stays; the source has ${of} one of its name`;
    log.log('warn', 'object-skipped', message);
  }
}

function manifestOf(like: Manifest, object: ManifestObject): Manifest {
  return { ...like, objects: new Map([[keyOf(object), object]]) };
}

/** The objects on which rows and their places depend are changed by steps of their own. */
const ofRows: ReadonlySet<ObjectKind> = new Set<ObjectKind>(['table', 'column']);
const ofTable = ['options', 'toast options', 'row security', 'replica identity', 'comment'] as const;
const ofColumn = [
  'default',
  'identity',
  'storage',
  'compression',
  'statistics target',
  'options',
  'comment',
  'not null',
  'not null name',
  'not null more',
  'collation',
] as const;

/** Null: not for this target, which lacks the table or the column. */
function wantedOf(object: ManifestObject, there: Manifest): ManifestObject | null {
  const found = there.objects.get(keyOf(object));
  if (object.kind === 'table' || object.kind === 'column') {
    if (found === undefined) return null;
    // A column that is computed by a transform, or has another type here, does not get the source's default.
    if (object.kind === 'column' && !isAlike(found, object)) return null;
    const names: readonly string[] = object.kind === 'table' ? ofTable : ofColumn;
    const props = Object.fromEntries(
      names.flatMap((name) => (name in object.props ? [[name, object.props[name] ?? null]] : [])),
    );
    return {
      ...found,
      props: { ...found.props, ...props },
      facts: { ...found.facts, notnull: object.facts['notnull'] ?? null },
    };
  }
  return containerOf(object, there) === null ? null : object;
}

function isAlike(there: ManifestObject, { props }: ManifestObject): boolean {
  return (
    there.props['type'] === props['type'] &&
    (there.props['generated'] ?? null) === null &&
    (props['generated'] ?? null) === null
  );
}

function renaming({ object, was }: TablePart, there: Manifest): readonly string[] {
  const { kind, name } = object;
  const last = name.at(-1)!;
  if (was === null || was === last || ofRows.has(kind) || there.objects.has(keyOf(object))) return [];
  if (objectOf(there, kind, [...name.slice(0, -1), was]) === null) return [];
  const to = `RENAME TO ${bare(last)}`;
  switch (kind) {
    case 'constraint':
      return [`ALTER TABLE ${sqlName(name[0], name[1])} RENAME CONSTRAINT ${bare(was)} TO ${bare(last)}`];
    case 'index':
      return (object.props['constraint'] ?? null) === null ? [`ALTER INDEX ${sqlName(name[0], was)} ${to}`] : [];
    case 'sequence':
    case 'statistics':
      return [`ALTER ${kind.toUpperCase()} ${sqlName(name[0], was)} ${to}`];
    case 'trigger':
    case 'rule':
    case 'policy':
      return [`ALTER ${kind.toUpperCase()} ${bare(was)} ON ${sqlName(name[0], name[1])} ${to}`];
    default:
      return [];
  }
}

/** New foreign keys are noted as waiting for the cutover; the note of a dropped one is removed. */
async function setKeysAside(
  client: pg.Client,
  { there, objects }: { readonly there: Manifest; readonly objects: Map<string, ManifestObject> },
  { owner }: BecomeOptions,
): Promise<void> {
  for (const [key, { facts, props, name }] of objects) {
    if (facts['type'] !== 'f' || there.objects.has(key)) continue;
    objects.delete(key);
    const to = JSON.parse(facts['references'] ?? '[]') as [string, string];
    await notePart(client, owner, {
      table: { schema: name[0]!, name: name[1]! },
      kind: 'constraint',
      name: name[2]!,
    });
    await client.query(
      `INSERT INTO pgsluice.definition (pipeline, sink, relid, kind, name, constraint_sql, after_sql, top, partitioned, ref_relid, status)
       SELECT $1, $2, c.oid, 'foreign key', $4, $5, '{}', true, c.relkind = 'p', to_regclass($6), 'aside'
       FROM pg_class c WHERE c.oid = to_regclass($3)
       ON CONFLICT (pipeline, sink, relid, kind, name) DO UPDATE SET constraint_sql = excluded.constraint_sql, status = 'aside'`,
      [
        owner.pipeline,
        owner.sink,
        qualified({ schema: name[0]!, name: name[1]! }),
        name[2],
        `${props['definition']}${props['valid'] === 'f' ? ' NOT VALID' : ''}`,
        qualified({ schema: to[0], name: to[1] }),
      ],
    );
  }
}

async function relids(client: pg.Client, tables: readonly TableName[]): Promise<readonly number[]> {
  const { rows } = await client.query<{ oid: string }>(
    'SELECT to_regclass(t)::oid AS oid FROM unnest($1::text[]) t WHERE to_regclass(t) IS NOT NULL',
    [tables.map(qualified)],
  );
  return rows.map(({ oid }) => Number(oid));
}

/**
 * Drops views and functions that the source dropped along, in an order that works: an object that another one needs is
 * dropped later. An object that others need here stays.
 */
export async function dropAlong(
  client: pg.Client,
  objects: Extract<SchemaStep, { kind: 'drop-along' }>['objects'],
): Promise<readonly string[]> {
  const ran: string[] = [];
  let left = objects.map(({ type, identity }) => `DROP ${type.toUpperCase()} IF EXISTS ${identity}`);
  for (let before = left.length + 1; left.length > 0 && left.length < before; ) {
    before = left.length;
    const refused: string[] = [];
    for (const sql of left) {
      await client.query('SAVEPOINT along');
      try {
        await client.query(sql);
        ran.push(sql);
      } catch (error) {
        if (!(error instanceof pg.DatabaseError) || error.code !== '2BP01') throw error;
        await client.query('ROLLBACK TO SAVEPOINT along');
        refused.push(sql);
      }
      await client.query('RELEASE SAVEPOINT along');
    }
    left = refused;
  }
  return ran;
}
