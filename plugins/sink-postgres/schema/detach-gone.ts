import type pg from 'pg';
import type { Change } from '../../../core/postgres/manifest/difference.ts';
import { detaching } from '../../../core/postgres/manifest/statements/table.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import type { TreeNode } from './tree.ts';

/**
 * Takes partitions out of their parents in the target that are not in them on the source any more, or are there under another bound: a
 * bound that is over would keep rows out of the partitions beside it, out of a default one above all. They stay as tables of their
 * own until the stream, or the look at the trees, has brought them to their place. Returns their names.
 */
export async function detachGone(
  client: pg.Client,
  changes: readonly Change[],
  tree: ReadonlyMap<number, TreeNode>,
): Promise<readonly string[]> {
  const ours = new Set([...tree.values()].map(({ schema, name }) => `${schema}\0${name}`));
  const gone: string[] = [];
  for (const change of changes) {
    if (change.change !== 'changed' || change.there.kind !== 'table') continue;
    const [schema, name] = change.there.name as [string, string];
    if (!ours.has(`${schema}\0${name}`)) continue;
    const statements = detaching(change.there, change.wanted);
    if (statements.length === 0) continue;
    for (const sql of statements) await client.query(sql);
    gone.push(relationName({ schema, name }));
  }
  return gone;
}
