import type pg from 'pg';
import type { Change } from '../../../core/postgres/manifest/difference.ts';
import { detaching } from '../../../core/postgres/manifest/statements/table.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import type { TreeNode } from './tree.ts';

/**
 * Detaches partitions in the target that the source detached, or attached with another bound: an outdated bound would
 * keep rows out of other partitions, above all out of a default one. They stay separate tables until the stream, or the
 * look at the trees, moves them to their place. Returns their names.
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
