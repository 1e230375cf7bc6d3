import type pg from 'pg';
import type { Change } from '../../../core/postgres/manifest/difference.ts';
import { list, sqlName } from '../../../core/postgres/manifest/statements/step.ts';
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
    const { there, wanted } = change;
    const [schema, name] = there.name as [string, string];
    const bound = there.props['partition bound'] ?? null;
    const [parent] = list<readonly [string, string]>(there.props['parents']);
    if (bound === null || parent === undefined || !ours.has(`${schema}\0${name}`)) continue;
    const stays = list<readonly [string, string]>(wanted.props['parents']).some(
      (each) => each[0] === parent[0] && each[1] === parent[1],
    );
    if (stays && !change.props.includes('partition bound')) continue;
    await client.query(`ALTER TABLE ONLY ${sqlName(...parent)} DETACH PARTITION ${sqlName(schema, name)}`);
    gone.push(relationName({ schema, name }));
  }
  return gone;
}
