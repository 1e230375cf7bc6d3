import pg from 'pg';
import { failpoint } from '../../../core/base/failpoint.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import type { SinkPreparation } from '../../../core/api/snapshot.ts';
import { type Change, difference } from '../../../core/postgres/manifest/difference.ts';
import type { Mapped } from '../../../core/postgres/manifest/map.ts';
import { mend } from '../../../core/postgres/manifest/statements/plan.ts';
import { describe } from '../../../core/postgres/manifest/statements/refs.ts';
import { containerOf } from '../../../core/postgres/manifest/statements/step.ts';
import { sameSql } from '../../../core/postgres/manifest/text.ts';
import {
  type Manifest,
  type ManifestObject,
  type ObjectKind,
  objectKey,
} from '../../../core/postgres/manifest/types.ts';
import { qualified } from '../../../core/postgres/quote.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { type TableState, readTables } from '../state.ts';
import { addMissingTables, forgetGone } from './add-tables.ts';
import { detachGone } from './detach-gone.ts';
import { dropTables, type Doomed } from './drop-stale.ts';
import { labelsOf, noteMade, readMade } from './made.ts';
import { addedColumns } from './made-columns.ts';
import { foreignParts, notedTables, partsBefore } from './made-parts.ts';
import { schemaReader } from './manifest.ts';
import type { PrepareInput } from './prepare.ts';
import { type TreeNode, readTree } from './tree.ts';

type Again = NonNullable<SinkPreparation['again']>;

/** The target's objects, the wanted ones, and the differences. */
interface Compared {
  readonly there: Manifest;
  readonly wanted: Mapped['manifest'];
  readonly changes: readonly Change[];
}

/**
 * Brings the schema that an earlier snapshot began to the source's present state: tables that wait for their copy and
 * differ are dropped and created again, after the types and functions that they need, and followed by the views and
 * foreign keys that were dropped with them. Copied tables stay unchanged. Repeatable at any point.
 */
export async function schemaAgain(input: PrepareInput, preparation: SinkPreparation, again: Again): Promise<void> {
  const before = await compare(input, again);
  // The comparison's dependencies of a partition are valid until the partition leaves its parent.
  const compared = (await leaveParents(input, before)) ? await compare(input, again) : before;
  const finished = await input.sessions.query((client) => isFinished(input, client));
  const dropped = await dropStale(input, preparation, { again, compared });
  failpoint('dropped-stale');
  if (compared === null) return addMissingTables(input, preparation);
  const then = dropped.length === 0 ? compared : (await compare(input, again))!;
  const { needed, tables } = neededFirst(then, preparation);
  await make(input, needed);
  await addMissingTables(input, preparation);
  const now = tables.length === 0 && dropped.length === 0 ? then : (await compare(input, again))!;
  const missing = lost(now, await waitingTables(input, again));
  // A table may have taken along what the target lacked before it was in use; later only objects that existed a moment
  // ago count.
  const gone = missing.changes.filter(({ key }) => !finished || compared.there.objects.has(key));
  await make(input, { ...missing, changes: gone });
  await renewReferences(input, now);
}

async function compare({ sessions, owner, options }: PrepareInput, again: Again): Promise<Compared | null> {
  const view = await schemaReader(sessions, owner, options).read(new AbortController().signal);
  const mapped = await again.wanted(view);
  if (mapped === null) return null;
  const { manifest: wanted, renames } = mapped;
  const all = difference(view.manifest, wanted, { owners: false, same: sameSql(renames) });
  return { there: view.manifest, wanted, changes: all.filter(({ key }) => view.pending.get(key) !== null) };
}

/** The properties of a table that its rows and the stream depend on. */
const structure: ReadonlyMap<ObjectKind, readonly string[]> = new Map([
  ['table', ['persistence', 'partition key', 'of type']],
  ['column', ['type', 'collation', 'default', 'generated', 'identity', 'not null']],
  ['constraint', ['definition']],
  ['index', ['definition']],
]);

function isStructural(change: Change): boolean {
  const object = objectOf(change);
  const props = structure.get(object.kind);
  if (props === undefined) return false;
  return change.change !== 'changed' || change.props.some((name) => props.includes(name));
}

function objectOf(change: Change): ManifestObject {
  return change.change === 'extra' ? change.there : change.wanted;
}

async function leaveParents({ sessions, owner, context }: PrepareInput, compared: Compared | null): Promise<boolean> {
  const detached = await sessions.transaction(async (client) => {
    const states = [...(await readTables(client, owner)).values()];
    const tree = await readTree(
      client,
      states.map(({ relid }) => relid),
    );
    return detachGone(client, compared?.changes ?? [], tree);
  });
  if (detached.length === 0) return false;
  const message = `taken out of their parents in the target, as on the source: ${detached.join(', ')}`;
  context.log.log('info', 'partitions-detached', message);
  return true;
}

async function dropStale(
  input: PrepareInput,
  { plans }: SinkPreparation,
  { again, compared }: { readonly again: Again; readonly compared: Compared | null },
): Promise<readonly string[]> {
  const { sessions, owner, context } = input;
  return sessions.transaction(async (client) => {
    const states = [...(await readTables(client, owner)).values()];
    const relids = states.map(({ relid }) => relid);
    const tree = await readTree(client, relids);
    const names = new Set(plans.map(({ source }) => relationName(source)));
    const waiting = states.filter(({ source, phase }) => phase !== 'parent' && again.waiting.has(source));
    const stale = staleKeys(compared);
    const gone = await withGoneDefinitions(client, input, { tree, compared });
    const isStale = ({ source, relid }: TableState): boolean => {
      const node = tree.get(relid);
      if (node === undefined || !names.has(source) || gone.has(relid)) return true;
      return withParents(tree, node).some((each) => stale.has(tableKey(each)));
    };
    const doomed: Doomed = { waiting, stale: waiting.filter(isStale), states, tree };
    const made = await readMade(client, owner, doomed);
    const columns = await addedColumns(client, owner);
    const parts = await foreignParts(client, owner, null);
    const noted = await notedTables(client, owner);
    const dropped = await dropTables(client, doomed, { compared, made, foreign: [...columns, ...parts], noted });
    await forgetGone(client, owner, dropped);
    for (const table of dropped)
      context.log.log(
        'info',
        'table-made-again',
        `${table} is dropped in the target, as it is another on the source now`,
        {
          table,
        },
      );
    return dropped;
  });
}

async function isFinished({ owner }: PrepareInput, client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ phase: string }>(
    'SELECT phase FROM pgsluice.bulk WHERE pipeline = $1 AND sink = $2',
    [owner.pipeline, owner.sink],
  );
  return rows[0]?.phase === 'finished';
}

function tableKey({ schema, name }: Pick<TreeNode, 'schema' | 'name'>): string {
  return objectKey('table', [schema, name]);
}

/** Keys of tables that differ in some property. */
function staleKeys(compared: Compared | null): ReadonlySet<string> {
  if (compared === null) return new Set();
  const { there, wanted, changes } = compared;
  const keys = changes.filter(isStructural).map((change) => {
    const object = objectOf(change);
    const own = object.kind === 'table' ? change.key : containerOf(object, change.change === 'extra' ? there : wanted);
    return own ?? '';
  });
  return new Set(keys);
}

function withParents(tree: ReadonlyMap<number, TreeNode>, node: TreeNode): TreeNode[] {
  const parents = node.isPartition ? node.parents.flatMap((relid) => tree.get(relid) ?? []) : [];
  return [node, ...parents.flatMap((parent) => withParents(tree, parent))];
}

/** Tables with an index or a constraint set aside that the source no longer has. */
async function withGoneDefinitions(
  client: pg.Client,
  { owner }: PrepareInput,
  { tree, compared }: { readonly tree: ReadonlyMap<number, TreeNode>; readonly compared: Compared | null },
): Promise<ReadonlySet<number>> {
  if (compared === null) return new Set();
  const { rows } = await client.query<{ relid: string; name: string }>(
    `SELECT relid, name FROM pgsluice.definition WHERE pipeline = $1 AND sink = $2 AND top
     AND kind IN ('index', 'constraint', 'foreign key', 'check')`,
    [owner.pipeline, owner.sink],
  );
  const { objects } = compared.wanted;
  const gone = rows.filter(({ relid, name }) => {
    const node = tree.get(Number(relid));
    if (node === undefined) return false;
    const { schema, name: table } = node;
    return (
      !objects.has(objectKey('constraint', [schema, table, name])) && !objects.has(objectKey('index', [schema, name]))
    );
  });
  return new Set(gone.map(({ relid }) => Number(relid)));
}

/**
 * Parts of tables are created with them; objects of a database, a role or a table that another step creates are not
 * created here.
 */
const made: ReadonlySet<ObjectKind> = new Set<ObjectKind>([
  'aggregate',
  'attribute',
  'base type',
  'cast',
  'collation',
  'composite type',
  'conversion',
  'domain',
  'domain constraint',
  'enum',
  'extension',
  'function',
  'language',
  'materialized view',
  'operator',
  'operator class',
  'operator family',
  'procedure',
  'range type',
  'schema',
  'sequence',
  'text search configuration',
  'text search dictionary',
  'text search parser',
  'text search template',
  'view',
]);

type Missing = Pick<Compared, 'there' | 'wanted'> & { readonly changes: readonly Change[] };

/** Tables of the plans that are about to be created, and the missing objects that they need. */
function neededFirst(
  { there, wanted, changes }: Compared,
  { plans }: SinkPreparation,
): { readonly needed: Missing; readonly tables: readonly string[] } {
  const missing = new Map(changes.filter(({ change }) => change === 'missing').map((change) => [change.key, change]));
  const tables = plans
    .map(({ output }) => objectKey('table', [output.schema, output.name]))
    .filter((table) => missing.has(table));
  const making = new Set(tables);
  const parts = [...wanted.objects].filter(
    ([key, object]) => making.has(key) || making.has(containerOf(object, wanted) ?? ''),
  );
  const queue = parts.flatMap(([key, object]) => [key, ...object.needs]);
  const needs = new Set(queue);
  for (const key of queue)
    for (const need of wanted.objects.get(key)?.needs ?? []) if (!needs.has(need)) queue.push((needs.add(need), need));
  const isNeeded = ({ kind, props }: ManifestObject, key: string, container: string | null): boolean => {
    const ofTable = kind === 'sequence' && (props['owned by'] ?? null) !== null;
    return (needs.has(key) || needs.has(container ?? '')) && made.has(kind) && !kind.endsWith('view') && !ofTable;
  };
  const first = changes.filter((change) => {
    const object = objectOf(change);
    // A type may exist and have gained an attribute or a value since.
    const grown = object.kind === 'attribute' || object.kind === 'enum';
    if (change.change === 'extra' || (change.change === 'changed' && !grown)) return false;
    return isNeeded(object, change.key, object.kind === 'attribute' ? containerOf(object, wanted) : null);
  });
  return { needed: { there, wanted, changes: first }, tables };
}

async function waitingTables({ sessions, owner }: PrepareInput, again: Again): Promise<ReadonlySet<string>> {
  return sessions.query(async (client) => {
    const states = [...(await readTables(client, owner)).values()].filter(({ source }) => again.waiting.has(source));
    const tree = await readTree(
      client,
      states.map(({ relid }) => relid),
    );
    return new Set(states.flatMap(({ relid }) => tree.get(relid) ?? []).map(tableKey));
  });
}

/**
 * Objects that the target lacks after all tables exist: they were dropped with a table, or created on the source since.
 */
function lost({ there, wanted, changes }: Compared, waiting: ReadonlySet<string>): Missing {
  const found = changes.filter((change) => {
    if (change.change !== 'missing') return false;
    const { kind, facts, props } = change.wanted;
    const container = containerOf(change.wanted, wanted);
    if (kind === 'constraint') return facts['type'] === 'f' && waiting.has(container ?? '');
    if (made.has(kind)) return kind !== 'sequence' || (props['owned by'] ?? null) === null;
    // Parts of views, and losses of other tables: a trigger or a policy that calls a function of the table's row type.
    return (
      container !== null && (/view\0/.test(container) || kind === 'trigger' || kind === 'rule' || kind === 'policy')
    );
  });
  return { there, wanted, changes: found };
}

/** One by one, so that a refused object does not prevent the others: an object that depends on it reports that. */
async function make({ sessions, owner, context }: PrepareInput, { there, wanted, changes }: Missing): Promise<void> {
  if (changes.length === 0) return;
  const { statements, about } = mend(changes, { there, wanted }, { owners: false });
  const refused = new Set<string>();
  const isMade = ({ key }: Change): boolean => !refused.has(about(key));
  await sessions.transaction(async (client) => {
    const before = await partsBefore(client, owner, null);
    for (const { about: key, sql } of statements) {
      await client.query('SAVEPOINT again');
      try {
        await client.query(sql);
        await client.query('RELEASE SAVEPOINT again');
      } catch (error) {
        if (!(error instanceof pg.DatabaseError)) throw error;
        await client.query('ROLLBACK TO SAVEPOINT again');
        refused.add(key);
        context.log.log('warn', 'object-skipped', `not made in the target: ${fromPg(error, {}).message}: ${sql}`);
      }
    }
    await before.noteNew();
    const own = changes.filter(isMade).map(objectOf);
    await noteMade(
      client,
      owner,
      own.filter(({ kind }) => kind !== 'column').map((object) => labelsOf(object)[0]!),
    );
  });
  const names = changes.filter(isMade).map((change) => describe(objectOf(change)));
  if (names.length > 0)
    context.log.log('info', 'objects-made', `made in the target, as the source has them: ${names.join(', ')}`);
}

/**
 * Foreign keys that are set aside refer to tables by name, and the names may have changed; some keys were dropped with
 * the table that they referred to.
 */
async function renewReferences({ sessions, owner }: PrepareInput, { wanted }: Compared): Promise<void> {
  await sessions.transaction(async (client) => {
    const { rows } = await client.query<{ relid: string; schema: string; table: string; name: string }>(
      `SELECT d.relid, n.nspname AS schema, c.relname AS "table", d.name FROM pgsluice.definition d
       JOIN pg_class c ON c.oid = d.relid JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE d.pipeline = $1 AND d.sink = $2 AND d.kind = 'foreign key' AND d.status = 'aside'
         AND NOT EXISTS (SELECT FROM pg_class r WHERE r.oid = d.ref_relid)`,
      [owner.pipeline, owner.sink],
    );
    for (const { relid, schema, table, name } of rows) {
      const of = [owner.pipeline, owner.sink, relid, name];
      const where = `WHERE pipeline = $1 AND sink = $2 AND relid = $3 AND kind = 'foreign key' AND name = $4`;
      const key = wanted.objects.get(objectKey('constraint', [schema, table, name]));
      if (key === undefined) {
        await client.query(`DELETE FROM pgsluice.definition ${where}`, of);
        continue;
      }
      const sql = `${key.props['definition']}${key.props['valid'] === 'f' ? ' NOT VALID' : ''}`;
      const [toSchema, toName] = JSON.parse(key.facts['references'] ?? '[]') as [string, string];
      const to = qualified({ schema: toSchema, name: toName });
      await client.query(`UPDATE pgsluice.definition SET constraint_sql = $5, ref_relid = to_regclass($6) ${where}`, [
        ...of,
        sql,
        to,
      ]);
    }
  });
}
