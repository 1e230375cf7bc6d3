import type { ParentPlan, TablePlan } from '../../api/plan.ts';
import type { SourceParent } from '../../api/source.ts';
import { type Relation, relationName } from '../../postgres/relation.ts';
import { chosen } from './draft.ts';
import { compose } from './plan-table.ts';
import type { PlanInput, PlanStep } from './types.ts';

/**
 * Where partitioned tables go. They hold no rows and so have no plan of their own. A step applies to one if the step's
 * patterns choose the parent by its own name, or all partitions in the parent's schema (`log_*` of `log`). A parent
 * that no step renames keeps its name, wherever its partitions go.
 */
export function planParents(input: PlanInput, plans: readonly TablePlan[]): readonly ParentPlan[] {
  const relations = new Map(input.tables.map(({ relation }) => [relationName(relation), relation]));
  const renamed = plans.filter(({ source, output }) => relationName(source) !== relationName(output));
  const taken = new Set(renamed.map(({ output }) => relationName(output)));
  const planned = new Set(plans.map(({ source }) => relationName(source)));
  return (input.parents ?? []).flatMap((parent) => {
    const leaf = parent.leaves.map(relationName).find((name) => planned.has(name));
    const relation = leaf === undefined ? undefined : relations.get(leaf);
    return relation === undefined ? [] : [planParent(parent, relation, { input, taken })];
  });
}

function planParent(
  parent: SourceParent,
  leaf: Relation,
  { input, taken }: { readonly input: PlanInput; readonly taken: ReadonlySet<string> },
): ParentPlan {
  const { schema, name } = parent;
  const source = { schema, name };
  const steps = input.steps.filter((step) => isFor(step, parent)).map((step) => ({ ...step, tables: null }));
  // Partitions have the columns of their parent, perhaps in another order.
  const moved = compose({ ...leaf, schema, name, kind: 'partitioned' }, steps)?.draft ?? source;
  const output = { schema: moved.schema, name: moved.name };
  if (relationName(output) === relationName(source)) return { source, output, because: null };
  // One name for all (`to: crm.log`) belongs to the partition.
  if (taken.has(relationName(output))) return { source, output: source, because: null };
  const by = steps.filter((step) => renames(step, { ...leaf, schema, name })).map(({ label }) => label);
  const own = input.steps.some((step) => by.includes(step.label) && chosen(step.tables, source));
  const whom = own ? 'it' : 'all of its partitions';
  return {
    source,
    output,
    because: `${(by.length > 0 ? by : steps.map(({ label }) => label)).join(', ')} renames ${whom}`,
  };
}

/** Whether a step by itself gives the table another name. */
function renames(step: PlanStep, relation: Relation): boolean {
  const alone = compose(relation, [step])?.draft;
  return alone !== undefined && relationName(alone) !== relationName(relation);
}

function isFor(step: PlanStep, parent: SourceParent): boolean {
  if (chosen(step.tables, parent)) return true;
  const beside = parent.leaves.filter(({ schema }) => schema === parent.schema);
  return beside.length > 0 && beside.every((leaf) => chosen(step.tables, leaf));
}
