import type { TablePlan } from '../../../core/api/plan.ts';
import { bulkError } from '../errors.ts';
import { columnChanges } from '../../../core/api/column-changes.ts';
import { type TreeNode, descendantsOf } from './tree.ts';

/**
 * Columns of partitioned tables: the plan of any of their partitions, as all must change alike (PGS3005 otherwise). Pure.
 */
export function parentColumns(
  tree: ReadonlyMap<number, TreeNode>,
  planned: ReadonlyMap<number, TablePlan>,
): ReadonlyMap<number, TablePlan> {
  const columns = new Map<number, TablePlan>();
  for (const node of tree.values()) {
    if (!node.partitioned || planned.has(node.relid)) continue;
    const plans = descendantsOf(tree, node.relid).flatMap((below) => planned.get(below.relid) ?? []);
    const first = plans[0];
    if (first === undefined) continue;
    assertAlike(node, plans);
    columns.set(node.relid, first);
  }
  return columns;
}

function assertAlike(node: TreeNode, plans: readonly TablePlan[]): void {
  // The order of columns may differ between partitions; changes by name may not.
  const signature = (plan: TablePlan): string => {
    const { drop, rename, retype, add } = columnChanges(plan);
    return JSON.stringify([drop.toSorted(), rename.map((r) => [r.from, r.to]).toSorted(), retype, add]);
  };
  const first = signature(plans[0]!);
  if (plans.every((plan) => signature(plan) === first)) return;
  throw bulkError('PGS3005', `the partitions of ${node.sql} would get different columns`, {
    where: { table: `${node.schema}.${node.name}` },
    remedy:
      'Give all partitions of the table the same transforms of columns (tables: with a pattern that matches all).',
  });
}
