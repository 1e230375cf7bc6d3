import { derived, PgsluiceError } from '../../base/error.ts';
import type { Projection, SnapshotQuery, TablePlan } from '../../api/plan.ts';
import type { Column, Relation } from '../../postgres/relation.ts';
import { relationName, textColumn } from '../../postgres/relation.ts';
import type { Shape, TransformPlan } from '../../api/transform.ts';
import { withLetters } from '../../expr/letters.ts';
import { exprToSql, predicateToSql } from '../../expr/to-sql.ts';
import { chosen, type Draft, type Finished, finishDraft, newDraft, project } from './draft.ts';
import { planError } from './errors.ts';
import { identityFull, planNotes } from './notes.ts';
import { largeNeeded } from './large-needed.ts';
import { lostKey, outputRelation } from './output.ts';
import { quoteIdent } from '../../postgres/quote.ts';
import { chooseRoute } from './route.ts';
import { makeTail, type Stage, stageOutput } from './tail.ts';
import { transformTools } from './tools.ts';
import type { PlanInput, PlanStep } from './types.ts';

export interface TableResult {
  /** Null if the table is left out, or cannot be planned. */
  readonly plan: TablePlan | null;
  readonly problems: readonly PgsluiceError[];
}

/** A draft, and what precedes it: the first projection and the stages after that. */
interface Chain {
  readonly first: Finished | null;
  readonly stages: readonly Stage[];
  readonly draft: Draft;
  readonly refetch: boolean;
}

/** Plans one table. A table that the sink's patterns or a step leave out has no plan and no problem. */
export function planTable(source: Relation, input: PlanInput): TableResult {
  if (!chosen(input.sink.tables, source)) return { plan: null, problems: [] };
  try {
    const chain = compose(source, input.steps, input.letters);
    return chain === null ? { plan: null, problems: [] } : finish(source, chain, input);
  } catch (error) {
    if (!(error instanceof PgsluiceError)) throw error;
    return { plan: null, problems: [error] };
  }
}

/** Null: a step leaves the table out. */
export function compose(
  source: Relation,
  steps: readonly PlanStep[],
  letters: PlanInput['letters'] = null,
): Chain | null {
  let chain: Chain = { first: null, stages: [], draft: newDraft(source), refetch: true };
  for (const step of steps) {
    if (!chosen(step.tables, source)) continue;
    try {
      const next = apply(chain, step, source, letters);
      if (next === null) return null;
      chain = next;
    } catch (error) {
      throw labelled(error, step.label, relationName(source));
    }
  }
  return chain;
}

/** Columns that the draft's first step reads: of the table, or of what the last opaque step puts out. */
function inputOf({ stages }: Chain, source: Relation): readonly Column[] {
  const last = stages.at(-1);
  return last?.kind === 'opaque' ? last.plan.output.columns : source.columns;
}

function apply(chain: Chain, step: PlanStep, source: Relation, letters: PlanInput['letters']): Chain | null {
  const { draft } = chain;
  const shape: Shape = { source, schema: draft.schema, name: draft.name, columns: draft.columns.map((c) => c.column) };
  const plan = lettered(step.transform.plan(shape, transformTools), letters);
  switch (plan.kind) {
    case 'identity':
      return chain;
    case 'drop':
      return null;
    case 'project':
      return { ...chain, draft: project(draft, plan), refetch: chain.refetch && plan.refetch !== false };
    case 'opaque':
      return opaque(chain, plan, { label: step.label, source });
    default:
      return plan satisfies never;
  }
}

/** Here, once, expressions get the source's letter folding. */
function lettered(plan: TransformPlan, letters: PlanInput['letters']): TransformPlan {
  if (letters === null || letters === undefined || plan.kind !== 'project') return plan;
  const columns = plan.columns.map(({ name, expr }) => ({ name, expr: withLetters(expr, letters) }));
  return { ...plan, columns, where: plan.where === null ? null : withLetters(plan.where, letters) };
}

/**
 * Ends the projection so far; the following steps apply to the opaque step's output. Generated columns bypass the
 * opaque step.
 */
function opaque(
  chain: Chain,
  plan: Extract<TransformPlan, { kind: 'opaque' }>,
  { label, source }: { readonly label: string; readonly source: Relation },
): Chain {
  const finished = finishDraft(chain.draft, inputOf(chain, source));
  const stage: Stage = { kind: 'opaque', plan, label };
  const generated = chain.draft.columns.filter((each) => each.column.generated !== 'never');
  const after = newDraft(plan.output);
  const draft = { ...after, columns: [...after.columns, ...generated] };
  const refetch = chain.refetch && plan.refetch !== false;
  if (chain.first === null) return { first: finished, stages: [stage], draft, refetch };
  return { first: chain.first, refetch, stages: [...chain.stages, ...projectStage(chain, finished), stage], draft };
}

/** The projection between two opaque steps; none if it changes nothing. */
function projectStage(chain: Chain, finished: Finished): readonly Stage[] {
  const last = chain.stages.at(-1);
  if (last?.kind !== 'opaque') return [];
  const input = last.plan.output;
  const { target, columns, where } = finished.projection;
  const untouched =
    where === null &&
    target.schema === input.schema &&
    target.name === input.name &&
    columns.length === input.columns.length &&
    columns.every((column, i) => column.from === column.name && column.name === input.columns[i]?.name);
  if (untouched) return [];
  return [{ kind: 'project', input: input.columns, projection: finished.projection, columns: finished.columns }];
}

function finish(source: Relation, chain: Chain, input: PlanInput): TableResult {
  const last = finishDraft(chain.draft, inputOf(chain, source));
  const first = chain.first ?? last;
  const stages = chain.first === null ? [] : [...chain.stages, ...projectStage(chain, last)];
  const { needsKey } = input.sink.traits;
  const { projection } = first;
  const middle = outputRelation(source, { ...projection.target, columns: first.columns, needsKey });
  const output = stages.reduce((relation, stage) => stageOutput(stage, relation, needsKey), middle);
  const tail = stages.length === 0 ? null : makeTail(middle, stages, needsKey);
  const { name, traits } = input.sink;
  const route = chooseRoute({ output, sink: name, traits, opaque: tail?.because ?? null });
  const plan: TablePlan = {
    source,
    output,
    generated: last.generated,
    projection,
    query: snapshotQuery(first.projection),
    ...(traits.readsGenerated === true && tail === null ? readingOf(source, chain.draft, last) : {}),
    ...(tail === null ? streamingOf(source, chain.draft, last, input) : {}),
    route,
    tail,
    takesNewColumns: takesNewColumns(source, projection, input.steps),
    ...(chain.refetch && largeNeeded({ source, projection, tail }).length > 0 ? { refetch: true } : {}),
    notes: [],
  };
  const lost = plan.streaming === undefined ? lostColumns(source, output, first) : [];
  const problems = [...keyProblem(plan, lost, input), ...existingProblems(plan, input)];
  if (problems.length > 0) return { plan: null, problems };
  return { plan: { ...plan, notes: planNotes(plan, lost, input) }, problems };
}

const probe = textColumn('pgsluice_new_column');

/** Called with a column that does not exist; a step that cannot answer counts as one that takes new columns. */
function takesNewColumns(source: Relation, projection: Projection, steps: readonly PlanStep[]): boolean {
  // No column is left out, so there is no list that could hide a new one.
  if (projection.columns.length >= source.columns.length) return true;
  try {
    const chain = compose({ ...source, columns: [...source.columns, probe] }, steps);
    if (chain === null || chain.stages.length > 0) return true;
    return chain.draft.columns.some((column) => column.from === probe.name);
  } catch {
    return true;
  }
}

function lostColumns(source: Relation, output: Relation, first: Finished): readonly string[] {
  if (source.identity.kind !== 'key' || output.identity.kind === 'key') return [];
  const lost = lostKey(source, output, first.columns);
  return lost.length > 0 ? lost : source.identity.positions.map((at) => source.columns[at]?.name ?? '?');
}

function keyProblem(plan: TablePlan, lost: readonly string[], input: PlanInput): readonly PgsluiceError[] {
  if (lost.length === 0 || !input.streaming || !input.sink.traits.needsKey) return [];
  const table = relationName(plan.source);
  const what = `key column ${lost.join(', ')} is computed or dropped, but sink ${input.sink.name} finds rows by it`;
  const full = identityFull(plan);
  const remedy = `Keep ${lost.join(', ')} as it is${full === null ? '.' : `, or run on the source: ${full};`}`;
  return [
    planError('PGS4004', what, { where: { table }, remedy, ...(full === null ? {} : { statements: [`${full};`] }) }),
  ];
}

function existingProblems(plan: TablePlan, input: PlanInput): readonly PgsluiceError[] {
  const { existing } = input.sink.traits;
  if (existing === null) return [];
  const table = relationName(plan.source);
  const target = existing.get(relationName(plan.output));
  const fail = (message: string) => planError('PGS4006', message, { where: { table } });
  if (target === undefined) {
    return [fail(`sink ${input.sink.name} has no table ${relationName(plan.output)}`)];
  }
  const there = new Map(target.map((column) => [column.name, column]));
  return plan.output.columns.flatMap(({ name }) => {
    const column = there.get(name);
    if (column === undefined)
      return [fail(`${relationName(plan.output)} of sink ${input.sink.name} has no column ${name}`)];
    if (column.generated === 'never') return [];
    return [
      fail(
        `${relationName(plan.output)}.${name} is a generated column in sink ${input.sink.name}; drop it with \`columns\``,
      ),
    ];
  });
}

/**
 * The snapshot with the generated columns, in the table's order. Only if every other column passes unchanged: a value
 * computed from a masked or dropped column would reveal it.
 */
function readingOf(source: Relation, draft: Draft, { projection, generated }: Finished): Pick<TablePlan, 'reading'> {
  const stored = draft.columns.filter((each) => each.column.generated !== 'virtual');
  const untouched = projection.columns.filter((column) => column.from !== null);
  const plain = source.columns.filter((column) => column.generated === 'never');
  if (generated.length === 0 || untouched.length !== projection.columns.length || plain.length !== untouched.length) {
    return {};
  }
  const columns = stored.map(({ column, expr, from }) => ({ name: column.name, expr, from }));
  // COPY refuses generated columns by name; a SELECT within COPY does not.
  const query = { ...snapshotQuery({ ...projection, columns }), plain: null };
  return {
    reading: { output: outputRelation(source, { ...projection.target, columns: stored, needsKey: false }), query },
  };
}

/** From 18 on our publications send stored generated columns, so a key that includes one finds rows. */
function streamingOf(
  source: Relation,
  draft: Draft,
  { projection }: Finished,
  { streaming, sourceVersion, sink }: PlanInput,
): Pick<TablePlan, 'streaming'> {
  const { identity } = source;
  if (!streaming || sourceVersion < 180_000 || !sink.traits.needsKey || identity.kind !== 'key') return {};
  const key = identity.positions.flatMap((at) => source.columns[at] ?? []);
  const sent = key.filter((column) => column.generated === 'stored').map((column) => column.name);
  if (sent.length === 0) return {};
  const kept = draft.columns.filter(({ column, from }) => column.generated === 'never' || sent.includes(from ?? ''));
  const output = outputRelation(source, { ...projection.target, columns: kept, needsKey: true });
  if (output.identity.kind !== 'key') return {};
  const columns = kept.map(({ column, expr, from }) => ({ name: column.name, expr, from }));
  return { streaming: { output, projection: { ...projection, columns } } };
}

function snapshotQuery(projection: Projection): SnapshotQuery {
  const column = quoteIdent;
  const names = projection.columns.map((each) => each.from);
  const plain = projection.where === null && !names.includes(null) ? (names as readonly string[]) : null;
  return {
    select: projection.columns.map((each) => (each.from === null ? exprToSql(each.expr, column) : column(each.from))),
    where: projection.where === null ? null : predicateToSql(projection.where, column),
    plain,
  };
}

/** Adds transform and table to the message; keeps code, remedy and place of the error. */
function labelled(error: unknown, label: string, table: string): unknown {
  if (!(error instanceof PgsluiceError)) {
    const text = error instanceof Error ? error.message : String(error);
    return planError('PGS4001', text, { where: { table, step: label }, cause: error });
  }
  return derived(error, { where: { table, step: label } });
}
