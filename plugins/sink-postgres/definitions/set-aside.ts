import type pg from 'pg';
import type { Logger } from '../../../core/base/logger.ts';
import { failpoint } from '../../../core/base/failpoint.ts';
import { type TreeNode, descendantsOf, readTree } from '../schema/tree.ts';
import type { Sessions } from '../sessions.ts';
import { type Owner, setTablePhase } from '../state.ts';
import { dropSaved } from './drop.ts';
import { keepOff } from './kept-off.ts';
import { saveDefinitions, type Staying } from './save.ts';

export interface SetAsideOptions extends Staying {
  readonly log: Logger;
}

/**
 * Saves and drops indexes and constraints of tables that are about to be filled, some tables per transaction, each group with its mark.
 * Partition trees are kept together: dropping an index of the root drops those of all partitions.
 */
export async function setAside(
  sessions: Sessions,
  owner: Owner,
  relids: readonly number[],
  options: SetAsideOptions,
): Promise<void> {
  if (relids.length === 0) return;
  const tree = await sessions.query((client) => readTree(client, relids));
  const groups = groupTrees(tree, relids);
  const ours = new Set(relids);
  // An index of a partition is dropped and created with its parent's, so a tree stays as a whole or not at all.
  const mayStay = (relid: number): boolean =>
    options.small.has(relid) || (tree.get(relid)?.partitioned === true && !ours.has(relid));
  const stay = new Set(groups.filter((group) => group.every(mayStay)).flat());
  let pending: number[] = [];
  const flush = async (): Promise<void> => {
    failpoint('set-aside');
    const group = pending;
    pending = [];
    await sessions.transaction((client) => setAsideGroup(client, owner, group, { ...options, small: stay }));
  };
  for (const group of groups) {
    pending.push(...group);
    if (pending.length >= 50) await flush();
  }
  if (pending.length > 0) await flush();
}

export async function setAsideGroup(
  client: pg.Client,
  owner: Owner,
  relids: readonly number[],
  options: SetAsideOptions,
): Promise<void> {
  await dropHalfBuilt(client, owner, relids);
  await keepOff(client, owner, relids, options.log);
  await saveDefinitions(client, owner, relids, options);
  await dropSaved(client, owner, relids, options.log);
  await setTablePhase(client, owner, { relids, phase: 'aside' });
}

/** A unique index whose constraint was not added yet would be saved as a separate index. */
async function dropHalfBuilt(client: pg.Client, owner: Owner, relids: readonly number[]): Promise<void> {
  const { rows } = await client.query<{ index_name: string }>(
    `UPDATE pgsluice.definition SET status = 'aside'
     WHERE pipeline = $1 AND sink = $2 AND relid = ANY($3::oid[]) AND status = 'indexed' RETURNING index_name`,
    [owner.pipeline, owner.sink, relids],
  );
  for (const row of rows) await client.query(`DROP INDEX IF EXISTS ${row.index_name}`);
}

/**
 * Tables that must be handled in one transaction, with the partitioned tables above them if every partition is ours,
 * and everything below them.
 */
export function groupTrees(tree: ReadonlyMap<number, TreeNode>, relids: readonly number[]): number[][] {
  const ours = new Set(relids);
  const done = new Set<number>();
  const groups: number[][] = [];
  for (const relid of relids) {
    if (done.has(relid)) continue;
    const top = topOf(tree, relid, ours);
    const below = [
      top,
      ...descendantsOf(tree, top)
        .filter((node) => node.isPartition)
        .map((node) => node.relid),
    ];
    const group = below.filter((member) => !done.has(member));
    for (const member of group) done.add(member);
    groups.push(group);
  }
  return groups;
}

/** The highest partitioned table whose leaves are all ours, directly or through a partitioned table that is. */
function topOf(tree: ReadonlyMap<number, TreeNode>, relid: number, ours: ReadonlySet<number>): number {
  let top = relid;
  let at = tree.get(relid);
  let covered = ours.has(relid);
  while (at?.isPartition === true && at.parents[0] !== undefined) {
    const parent: TreeNode | undefined = tree.get(at.parents[0]);
    if (parent === undefined) break;
    covered = ours.has(parent.relid) || leavesOf(tree, parent.relid).every((leaf) => isCovered(tree, leaf, ours));
    if (covered) top = parent.relid;
    at = parent;
  }
  return top;
}

function leavesOf(tree: ReadonlyMap<number, TreeNode>, relid: number): TreeNode[] {
  return descendantsOf(tree, relid).filter((node) => !node.partitioned);
}

function isCovered(tree: ReadonlyMap<number, TreeNode>, node: TreeNode, ours: ReadonlySet<number>): boolean {
  if (ours.has(node.relid)) return true;
  const parent = node.isPartition ? tree.get(node.parents[0] ?? 0) : undefined;
  return parent !== undefined && isCovered(tree, parent, ours);
}
