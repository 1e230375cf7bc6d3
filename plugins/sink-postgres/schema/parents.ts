import type { TablePlan } from '../../../core/api/plan.ts';
import { bulkError } from '../errors.ts';
import { columnChanges } from './column-changes.ts';
import { type TreeNode, descendantsOf } from './tree.ts';

export interface ParentTargets {
  /** Partitioned tables: the plan of any of their partitions, as all have the same changes of columns. */
  readonly columns: ReadonlyMap<number, TablePlan>;
  readonly names: ReadonlyMap<number, { readonly schema: string; readonly name: string }>;
}

/**
 * Plans are for tables that hold rows; partitioned tables above them follow. Columns: all partitions must change alike
 * (PGS3005 otherwise). Schema: moves where all partitions move to one. Name: changes as all partitions' names do, where that is the
 * same text before and after (`{table}_old`), else stays. Pure.
 */
export function parentTargets(
  tree: ReadonlyMap<number, TreeNode>,
  planned: ReadonlyMap<number, TablePlan>,
  sources: ReadonlyMap<number, string>,
): ParentTargets {
  const columns = new Map<number, TablePlan>();
  const names = new Map<number, { schema: string; name: string }>();
  for (const node of tree.values()) {
    if (!node.partitioned || planned.has(node.relid)) continue;
    const plans = descendantsOf(tree, node.relid).flatMap((below) => planned.get(below.relid) ?? []);
    const first = plans[0];
    if (first === undefined) continue;
    assertAlike(node, plans);
    columns.set(node.relid, first);
    // The name on the source: the node may have been renamed before a restart.
    const source = splitSource(sources.get(node.relid), node);
    names.set(node.relid, { schema: commonSchema(plans) ?? source.schema, name: followName(plans, source.name) });
  }
  return { columns, names };
}

function assertAlike(node: TreeNode, plans: readonly TablePlan[]): void {
  // Order of columns may differ between partitions; what is done by name may not.
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

function splitSource(source: string | undefined, node: TreeNode): { schema: string; name: string } {
  if (source === undefined || source === `${node.schema}.${node.name}`) return node;
  // Names may hold dots; the part that the node still has tells where the text is to be cut.
  if (source.startsWith(`${node.schema}.`)) return { schema: node.schema, name: source.slice(node.schema.length + 1) };
  if (source.endsWith(`.${node.name}`)) return { schema: source.slice(0, -node.name.length - 1), name: node.name };
  return { schema: node.schema, name: node.name };
}

function commonSchema(plans: readonly TablePlan[]): string | null {
  const schema = plans[0]!.output.schema;
  return plans.every((plan) => plan.output.schema === schema) ? schema : null;
}

function followName(plans: readonly TablePlan[], name: string): string {
  const { source, output } = plans[0]!;
  const at = output.name.indexOf(source.name);
  if (at === -1) return name;
  const before = output.name.slice(0, at);
  const after = output.name.slice(at + source.name.length);
  return plans.every((plan) => plan.output.name === before + plan.source.name + after) ? before + name + after : name;
}
