import type { PgsluiceError } from '../../base/error.ts';
import type { ParentPlan, TablePlan } from '../../api/plan.ts';
import { relationName } from '../../postgres/relation.ts';
import { chosen } from './draft.ts';
import { planError } from './errors.ts';
import { unloggedNote } from './notes.ts';
import { planParents } from './parents.ts';
import { planTable } from './plan-table.ts';
import type { PlanInput, PlanResult } from './types.ts';

export type { PlanInput, PlanResult, PlanStep } from './types.ts';

/**
 * What pgsluice will do with each table for one sink. Pure: no connection, no clock; the same input gives the same plans.
 * `loadParser()` of core/expr must have resolved before. All problems are found at once; a table with one has no plan.
 */
export function planTables(input: PlanInput): PlanResult {
  const problems: PgsluiceError[] = [...idlePatterns(input)];
  const plans: TablePlan[] = [];
  for (const { relation, persistence } of input.tables) {
    const { plan, problems: found } = planTable(relation, input);
    problems.push(...found);
    if (plan === null) continue;
    const unlogged = persistence === 'unlogged' && input.streaming;
    plans.push(unlogged ? { ...plan, unlogged, notes: [...plan.notes, unloggedNote] } : plan);
  }
  const parents = problems.length > 0 ? [] : planParents(input, plans);
  problems.push(...collisions([...plans, ...parents], input.sink.name));
  return { plans, parents, problems };
}

/** A pattern that chooses no table is a mistake that would otherwise let rows through unfiltered. */
function idlePatterns(input: PlanInput): readonly PgsluiceError[] {
  const relations = (input.whole ?? input.tables).map((table) => table.relation);
  const check = (tables: readonly string[] | null, label: string): readonly PgsluiceError[] =>
    (tables ?? [])
      .filter((pattern) => !relations.some((relation) => chosen([pattern], relation)))
      .map((pattern) =>
        planError('PGS4007', `no table of the source matches ${JSON.stringify(pattern)}`, { where: { step: label } }),
      );
  return [
    ...check(input.sink.tables, `sink ${input.sink.name}`),
    ...input.steps.flatMap((step) => check(step.tables, step.label)),
  ];
}

function collisions(plans: readonly Pick<ParentPlan, 'source' | 'output'>[], sink: string): readonly PgsluiceError[] {
  const byTarget = new Map<string, string[]>();
  for (const plan of plans) {
    const target = relationName(plan.output);
    const sources = byTarget.get(target) ?? [];
    sources.push(relationName(plan.source));
    byTarget.set(target, sources);
  }
  return [...byTarget]
    .filter(([, sources]) => sources.length > 1)
    .map(([target, sources]) =>
      planError('PGS4002', `sink ${sink}: ${sources.join(' and ')} would both be ${target}`, {
        where: { table: sources[0] as string },
      }),
    );
}
