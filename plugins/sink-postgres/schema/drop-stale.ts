import pg from 'pg';
import type { Change } from '../../../core/postgres/manifest/difference.ts';
import { mend } from '../../../core/postgres/manifest/statements/plan.ts';
import { describe } from '../../../core/postgres/manifest/statements/refs.ts';
import { containerOf } from '../../../core/postgres/manifest/statements/step.ts';
import { type Manifest, type ManifestObject, keyOf, objectKey } from '../../../core/postgres/manifest/types.ts';
import { bulkError } from '../errors.ts';
import type { TableState } from '../state.ts';
import type { Made } from './made.ts';
import type { ForeignPart } from './made-parts.ts';
import { type TreeNode, childrenOf, descendantsOf } from './tree.ts';

export interface Doomed {
  readonly states: readonly TableState[];
  /** Tables without a copy, and those of them that differ from the wanted state. */
  readonly waiting: readonly TableState[];
  readonly stale: readonly TableState[];
  readonly tree: ReadonlyMap<number, TreeNode>;
}

export interface DropFacts {
  /** The target's objects and the wanted ones; null: unknown. */
  readonly compared: { readonly there: Manifest; readonly wanted: Manifest } | null;
  /** What this pipeline made in the target. */
  readonly made: Made;
  /** Columns and other parts of tables that a user made in the target. */
  readonly foreign: readonly ForeignPart[];
  /** Tables for which all such parts are known. */
  readonly noted: ReadonlySet<number>;
}

/**
 * Drops the stale tables. A partitioned table is dropped, too, if all of its partitions wait for their copy; if not,
 * its other partitions stay, and the partition that is created again stays separate until the stream has brought all to
 * the same shape. Returns the names on the source of all dropped tables.
 *
 * A dependent object is dropped only if the source has it, too, or this pipeline made it, each by a statement of its
 * own: never with CASCADE, which would include objects that a user made in the meantime.
 */
export async function dropTables(client: pg.Client, doomed: Doomed, facts: DropFacts): Promise<readonly string[]> {
  const { states, waiting, stale, tree } = doomed;
  const free = new Set(waiting.map(({ relid }) => relid));
  const tops = new Set(stale.map(({ relid }) => topOf(tree, relid, free)));
  const gone = new Set([...tops].flatMap((top) => [top, ...partitionsOf(tree, top)]));
  const names = states.filter(({ relid }) => gone.has(relid) || isStale(stale, relid)).map(({ source }) => source);
  const going = [...gone].flatMap((relid) => tree.get(relid) ?? []);
  const there = going.filter(({ isPartition, parents }) => !isPartition || !parents.some((p) => gone.has(p)));
  if (there.length === 0) return names;
  const dependents = facts.compared === null ? [] : dependentsOf(going, facts.compared.there);
  const holding = waiting.filter(({ relid }) => !gone.has(relid) && holdsRowOf(tree.get(relid), dependents));
  if (holding.length > 0) return dropTables(client, { ...doomed, stale: [...stale, ...holding] }, facts);
  refuseForeign(going, dependents, facts);
  const ours = new Set(states.map(({ relid }) => relid));
  for (const node of there) {
    const { relid, sql } = node;
    for (const child of childrenOf(tree, relid)) {
      if (child.isPartition || gone.has(child.relid)) continue;
      if (!ours.has(child.relid)) throw refusal([node], `table ${child.sql}`);
      await client.query(`ALTER TABLE ${child.sql} NO INHERIT ${sql}`);
    }
  }
  if (facts.compared !== null) await dropDependents(client, dependents, facts.compared.there);
  await dropRestricted(client, there);
  return names;
}

/** A column with the row type of a table that is dropped: its own table waits, so it is created again as well. */
function holdsRowOf(node: TreeNode | undefined, dependents: readonly ManifestObject[]): boolean {
  return dependents.some(({ kind, name }) => kind === 'column' && name[0] === node?.schema && name[1] === node?.name);
}

function isStale(stale: readonly TableState[], relid: number): boolean {
  return stale.some((state) => state.relid === relid);
}

function partitionsOf(tree: ReadonlyMap<number, TreeNode>, relid: number): readonly number[] {
  return descendantsOf(tree, relid)
    .filter(({ isPartition }) => isPartition)
    .map((node) => node.relid);
}

function topOf(tree: ReadonlyMap<number, TreeNode>, relid: number, free: ReadonlySet<number>): number {
  const node = tree.get(relid);
  const [parent] = node?.isPartition === true ? node.parents : [];
  if (parent === undefined || !tree.has(parent)) return relid;
  const rows = descendantsOf(tree, parent).filter(({ partitioned }) => !partitioned);
  return rows.every((leaf) => free.has(leaf.relid)) ? topOf(tree, parent, free) : relid;
}

/**
 * Everything that depends on the tables, directly or through other objects; not their own columns, indexes and
 * constraints.
 */
function dependentsOf(tables: readonly TreeNode[], manifest: Manifest): readonly ManifestObject[] {
  const needed = new Map<string, ManifestObject[]>();
  for (const object of manifest.objects.values())
    for (const need of object.needs) {
      const by = needed.get(need);
      if (by === undefined) needed.set(need, [object]);
      else by.push(object);
    }
  const parts = Map.groupBy(manifest.objects.values(), (object) => containerOf(object, manifest) ?? '');
  const queue = tables.map(({ schema, name }) => objectKey('table', [schema, name]));
  const doomed = new Set(queue);
  const found = new Map<string, ManifestObject>();
  for (let at = 0; at < queue.length; at++) {
    const key = queue[at]!;
    const own = (parts.get(key) ?? []).map(keyOf);
    for (const object of [key, ...own].flatMap((each) => needed.get(each) ?? [])) {
      const next = keyOf(object);
      if (doomed.has(next) || doomed.has(containerOf(object, manifest) ?? '')) continue;
      doomed.add(next);
      found.set(next, object);
      queue.push(next);
    }
  }
  return [...found.values()];
}

const partKinds: ReadonlySet<ManifestObject['kind']> = new Set(['trigger', 'rule', 'policy', 'index', 'statistics']);

/**
 * Objects that a user made in the target are not ours to drop, whether they depend on the tables or are parts of them.
 */
function refuseForeign(
  tables: readonly TreeNode[],
  dependents: readonly ManifestObject[],
  { compared, made, foreign, noted }: DropFacts,
): void {
  const relids = new Set(tables.map(({ relid }) => relid));
  // A column that the source has, too, holds the source's values.
  const added = foreign.filter(
    ({ relid, object }) =>
      relids.has(relid) && (object.kind !== 'column' || compared?.wanted.objects.has(keyOf(object)) !== true),
  );
  const older = tables.filter(({ relid }) => !noted.has(relid));
  const objects = [
    ...added.map(({ object }) => object),
    ...(compared === null ? [] : othersOf(older, dependents, { compared, made })),
  ];
  const names = new Set(objects.map(describe));
  if (names.size > 0) throw refusal(tables, [...names].join(', '));
}

/** Dependents, and parts of tables of unknown origin: those that neither the source nor the dump has. */
function othersOf(
  tables: readonly TreeNode[],
  dependents: readonly ManifestObject[],
  { compared, made }: { readonly compared: NonNullable<DropFacts['compared']>; readonly made: Made },
): readonly ManifestObject[] {
  const { there, wanted } = compared;
  const keys = new Set(tables.map(({ schema, name }) => objectKey('table', [schema, name])));
  const parts = [...there.objects.values()].filter(
    (object) => partKinds.has(object.kind) && keys.has(containerOf(object, there) ?? ''),
  );
  return [...dependents, ...parts].filter(
    // Its values would be lost, whoever made it.
    (object) => object.kind === 'column' || (!wanted.objects.has(keyOf(object)) && !made.has(object)),
  );
}

function refusal(tables: readonly Pick<TreeNode, 'schema' | 'name' | 'sql'>[], names: string, cause?: Error): Error {
  const list = tables.map(({ sql }) => sql);
  const others = list.length > 5 ? ` and ${list.length - 5} more` : '';
  const message = `${list.slice(0, 5).join(', ')}${others}: another table on the source now, and what depends on it in the target would go with it: ${names}`;
  const where = { table: `${tables[0]!.schema}.${tables[0]!.name}` };
  return bulkError('PGS3150', message, { where, ...(cause === undefined ? {} : { cause }) });
}

async function dropDependents(client: pg.Client, objects: readonly ManifestObject[], there: Manifest): Promise<void> {
  const changes = objects.map((object): Change => ({ change: 'extra', key: keyOf(object), there: object }));
  const keys = new Set(changes.map(({ key }) => key));
  const wanted = { ...there, objects: new Map([...there.objects].filter(([key]) => !keys.has(key))) };
  for (const { sql } of mend(changes, { there, wanted }, { owners: false }).statements) await client.query(sql);
}

/** dependent_objects_still_exist: the server names what depends on them. */
async function dropRestricted(client: pg.Client, tables: readonly TreeNode[]): Promise<void> {
  const names = tables.map(({ sql }) => sql).join(', ');
  try {
    await client.query(`DROP TABLE ${names}`);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== '2BP01') throw error;
    throw refusal(tables, error.detail ?? error.message, error);
  }
}
