import type pg from 'pg';
import type { Manifest } from '../../../core/postgres/manifest/types.ts';
import { describe } from '../../../core/postgres/manifest/statements/refs.ts';
import { containerOf } from '../../../core/postgres/manifest/statements/step.ts';
import { objectKey } from '../../../core/postgres/manifest/types.ts';
import { bulkError } from '../errors.ts';
import type { TableState } from '../state.ts';
import { type TreeNode, childrenOf, descendantsOf } from './tree.ts';

export interface Doomed {
  readonly states: readonly TableState[];
  /** Those that hold no copy, and of these the ones that are not what they should be. */
  readonly waiting: readonly TableState[];
  readonly stale: readonly TableState[];
  readonly tree: ReadonlyMap<number, TreeNode>;
}

export interface DropMore {
  /** The first copy is over: what depends on the tables may be of others. */
  readonly finished: boolean;
  readonly compared: { readonly there: Manifest; readonly wanted: Manifest } | null;
}

/**
 * Drops the stale tables. A partitioned table goes, too, where all of its partitions wait for their copy; else its other partitions stay
 * under it, and the one that is made again stands alone until the stream has brought them to the same shape. Returns the names on the
 * source of all that are gone now.
 */
export async function dropTables(client: pg.Client, doomed: Doomed, more: DropMore): Promise<readonly string[]> {
  const { states, waiting, stale, tree } = doomed;
  const free = new Set(waiting.map(({ relid }) => relid));
  const tops = new Set(stale.map(({ relid }) => topOf(tree, relid, free)));
  const gone = new Set([...tops].flatMap((top) => [top, ...partitionsOf(tree, top)]));
  const names = states.filter(({ relid }) => gone.has(relid) || isStale(stale, relid)).map(({ source }) => source);
  const there = [...tops]
    .flatMap((top) => tree.get(top) ?? [])
    .filter(({ parents }) => !parents.some((p) => gone.has(p)));
  if (there.length === 0) return names;
  refuseForeign(there, more);
  // CASCADE would take tables that inherit from them along.
  for (const { relid, sql } of there) {
    for (const child of childrenOf(tree, relid))
      if (!child.isPartition && !gone.has(child.relid))
        await client.query(`ALTER TABLE ${child.sql} NO INHERIT ${sql}`);
  }
  await client.query(`DROP TABLE ${there.map(({ sql }) => sql).join(', ')} CASCADE`);
  return names;
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

/** What somebody made in the target, or what the source does not have any more, is not ours to drop once the target is in use. */
function refuseForeign(tables: readonly TreeNode[], { finished, compared }: DropMore): void {
  if (!finished || compared === null) return;
  const { there, wanted } = compared;
  for (const { schema, name } of tables) {
    const table = objectKey('table', [schema, name]);
    const dependents = [...there.objects].filter(
      ([key, object]) =>
        !wanted.objects.has(key) &&
        containerOf(object, there) !== table &&
        object.needs.some((need) => need === table || need.startsWith(`column\0${schema}\0${name}\0`)),
    );
    if (dependents.length === 0) continue;
    const names = dependents.map(([, object]) => describe(object)).join(', ');
    const message = `${schema}.${name} is another table on the source now, and in the target ${names} depends on it`;
    throw bulkError('PGS3150', message, { where: { table: `${schema}.${name}` } });
  }
}
