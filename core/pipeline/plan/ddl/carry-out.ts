import type { TablePlan } from '../../../api/plan.ts';
import { type Oid, type Relation, relationName } from '../../../postgres/relation.ts';
import type { PartitionOf, SchemaStep, SchemaSteps, TableName } from '../../../api/schema-change.ts';
import { sameColumnType, withDrift } from '../drift.ts';
import { planError } from '../errors.ts';
import { planTable } from '../plan-table.ts';
import type { PlanInput } from '../types.ts';
import { becoming, typesBecoming } from './become.ts';
import { type Along, type DdlMessage, relationOf, type DdlShape } from './message.ts';
import { alterSteps, cannotFollow, constant, readsRetyped, unknownValues } from './steps.ts';

/** What the mapper knows of a table. undefined: nothing; null: it no longer belongs to the pipeline. */
export type Known = { readonly source: Relation; readonly plan: TablePlan | null } | null | undefined;

export interface CarryOut {
  readonly message: DdlMessage;
  readonly input: PlanInput;
  readonly known: (oid: Oid) => Known;
  /** The table has this shape from here on; null: it was dropped. */
  readonly redefine: (oid: Oid, relation: Relation | null) => void;
}

/**
 * The schema change that a DDL message requires of this sink's target; null: none. Throws PGS4018 for DDL that cannot
 * be followed.
 */
export function carryOut(question: CarryOut): SchemaSteps | null {
  const { message } = question;
  switch (message.op) {
    case 'failed':
      // The effect of the command on a table shows at the table's next row.
      return null;
    case 'create':
      return created(question, message.after, message.published);
    case 'drop':
      return dropped(question, message);
    case 'parts':
      return becoming(message, question);
    case 'types':
      return typesBecoming(message);
    case 'shape':
      return changed(question, message);
    default:
      return message satisfies never;
  }
}

function created(question: CarryOut, shape: DdlShape, published: boolean): SchemaSteps | null {
  if (!published) return null;
  const relation = relationOf(shape);
  const { plan } = planTable(relation, question.input);
  // A partitioned table has no changes of its own. One that the transforms do not fit is left out, as it is at a restart.
  if (shape.kind !== 'partitioned') question.redefine(shape.oid, plan === null ? null : relation);
  if (plan === null) return null;
  // A table created from the message lacks what only the source's own definition says.
  if (shape.columns.some((column) => column.generated !== 'never')) {
    const where = { table: relationName(shape) };
    const remedy = `Copy it: pgsluice resync FILE ${relationName(shape)}`;
    const error = planError('PGS4018', 'the new table has a generated column', { where, remedy });
    throw withDrift(error, { source: relation, was: plan.output, is: plan.output, replaced: true });
  }
  const changes = plan.projection.columns.some((column) => column.from !== column.name);
  // The key of a partitioned table is SQL over the source's names: if a transform changes these, the user has to create
  // the table.
  if (shape.partitionBy !== null && changes) return null;
  const from = new Map(plan.projection.columns.map((column) => [column.name, column.from]));
  const sourceColumns = new Map(shape.columns.map((column) => [column.name, column]));
  const columns = plan.output.columns.map((column) => {
    const of = plan.tail === null ? sourceColumns.get(from.get(column.name) ?? '') : undefined;
    return { column, fallback: of === undefined ? null : constant(of) };
  });
  const step: SchemaStep = {
    kind: 'create-table',
    table: nameOf(plan.output),
    columns,
    primaryKey: plan.output.primaryKey.map((at) => plan.output.columns[at]!.name),
    partitionBy: shape.partitionBy,
    partitionOf: partitionOf(question, shape, relation),
  };
  return { table: relationName(shape), steps: [step] };
}

/**
 * Parents have no plan: their name in the target is what the transforms make of the source name, or the name of a
 * sibling's parent.
 */
function partitionOf(question: CarryOut, shape: DdlShape, relation: Relation): PartitionOf | null {
  const { parent, bound } = shape;
  if (parent === null || bound === null) return null;
  let sibling: TableName | null = null;
  for (const oid of parent.siblings ?? []) {
    const known = question.known(oid);
    if (known?.plan !== undefined && known.plan !== null) sibling ??= nameOf(known.plan.output);
  }
  return { parent: parentInTarget(question, parent, relation), sibling, bound };
}

function parentInTarget({ input }: CarryOut, { schema, name }: TableName, relation: Relation): TableName {
  const { plan } = planTable({ ...relation, schema, name, kind: 'partitioned' }, input);
  return plan === null ? { schema, name } : nameOf(plan.output);
}

function dropped(
  question: CarryOut,
  { before: shape, along }: Extract<DdlMessage, { op: 'drop' }>,
): SchemaSteps | null {
  const known = question.known(shape.oid);
  const plan = shape.kind === 'partitioned' ? planned(relationOf(shape), question.input) : (known?.plan ?? null);
  if (known !== undefined) question.redefine(shape.oid, null);
  if (plan === null) return null;
  const table = nameOf(plan.output);
  return { table: relationName(shape), steps: [...droppedAlong(table, along), { kind: 'drop-table', table }] };
}

function droppedAlong(table: TableName, along: readonly Along[] | null | undefined): readonly SchemaStep[] {
  if (along === null || along === undefined) return [];
  return [{ kind: 'drop-along', table, objects: along.map(({ type, identity }) => ({ type, identity })) }];
}

function changed(question: CarryOut, message: Extract<DdlMessage, { op: 'shape' }>): SchemaSteps | null {
  const { before, after } = message;
  const table = relationName(before);
  if (after.kind === 'partitioned') return changedParent(question, message);
  const known = question.known(after.oid);
  if (known === undefined || known === null) return null;
  const relation = relationOf(after);
  const is = planned(relation, question.input);
  if (known.plan === null) {
    question.redefine(after.oid, relation);
    if (is === null) return null;
    throw planError('PGS4018', `${message.tag}: ${table} was left out and would now be taken`, { where: { table } });
  }
  const was = known.plan;
  if (is === null) {
    throw planError('PGS4018', `${message.tag}: ${table} would now be left out`, { where: { table } });
  }
  // The shape has arrived in another way already: the table was copied again since, or the target was changed by hand.
  if (!sameShape(known.source, before) && sameShape(known.source, after)) {
    question.redefine(after.oid, relation);
    return null;
  }
  if (!sameShape(known.source, before)) {
    throw cannotFollow('the table was changed before in a way that was not told', { message, was, is });
  }
  const unknown = unknownValues({ message, was, is });
  if (unknown !== null) throw unknown;
  const retyped = readsRetyped({ message, was });
  if (retyped !== null) {
    throw cannotFollow(`a filter or a computed column reads ${retyped}, whose type changes`, { message, was, is });
  }
  // A member is detached before its columns change, so that those of the other members stay.
  const steps: SchemaStep[] = [
    ...droppedAlong(nameOf(was.output), message.along),
    ...leaving(question, message, was),
    ...alterSteps({ message, was, is }),
    ...entering(question, message, is),
  ];
  question.redefine(after.oid, relation);
  return steps.length === 0 ? null : { table, steps };
}

/**
 * Columns of a partitioned table are added and dropped with those of its partitions, if it has any; its name in the
 * target stays.
 */
function changedParent(question: CarryOut, message: Extract<DdlMessage, { op: 'shape' }>): SchemaSteps | null {
  const { before, after } = message;
  const [was, is] = [before, after].map((shape) => ({ ...relationOf(shape), schema: after.schema, name: after.name }));
  const { plan } = planTable(is!, question.input);
  if (plan === null) return null;
  const steps: SchemaStep[] = [...leaving(question, message, plan), ...entering(question, message, plan)];
  if (after.members === 0) {
    const [from, to] = [planned(was!, question.input), planned(is!, question.input)];
    if (from === null || to === null) return null;
    steps.push(...droppedAlong(nameOf(from.output), message.along), ...alterSteps({ message, was: from, is: to }));
  }
  return steps.length === 0 ? null : { table: relationName(after), steps };
}

function leaving(
  question: CarryOut,
  { before, after }: Extract<DdlMessage, { op: 'shape' }>,
  { output }: TablePlan,
): readonly SchemaStep[] {
  const table = nameOf(output);
  if (before.parent !== null && !isSamePlace(before, after))
    return [{ kind: 'detach', table, from: parentInTarget(question, before.parent, relationOf(before)) }];
  const still = new Set((after.inherits ?? []).map(({ oid }) => oid));
  return (before.inherits ?? []).flatMap(({ oid }) => {
    const plan = question.known(oid)?.plan ?? null;
    return still.has(oid) || plan === null ? [] : [{ kind: 'no-inherit', table, parent: nameOf(plan.output) } as const];
  });
}

/** A table that moved between two looks is attached by a later step, when all tables have been detached. */
function entering(
  question: CarryOut,
  { before, after }: Extract<DdlMessage, { op: 'shape' }>,
  { output }: TablePlan,
): readonly SchemaStep[] {
  const to = before.parent === null ? partitionOf(question, after, relationOf(after)) : null;
  return to === null ? [] : [{ kind: 'attach', table: nameOf(output), to }];
}

function isSamePlace(before: DdlShape, after: DdlShape): boolean {
  const [from, to] = [before.parent?.oid, after.parent?.oid];
  return (
    after.parent !== null && before.bound === after.bound && (from === undefined || to === undefined || from === to)
  );
}

function planned(relation: Relation, input: PlanInput): TablePlan | null {
  const { plan, problems } = planTable(relation, input);
  const [problem] = problems;
  if (problem === undefined) return plan;
  throw planError('PGS4018', `the transforms do not fit the table as it is now: ${problem.message}`, {
    where: { table: relationName(relation) },
    cause: problem,
  });
}

function sameShape(source: Relation, shape: DdlShape): boolean {
  const shapeColumns = new Map(shape.columns.map((column) => [column.name, column]));
  return (
    source.schema === shape.schema &&
    source.name === shape.name &&
    source.columns.length === shapeColumns.size &&
    source.columns.every((column) => {
      const other = shapeColumns.get(column.name);
      const same = column.attnum === undefined || column.attnum === other?.attnum;
      return other !== undefined && same && sameColumnType(column, { ...other, binarySafe: false });
    })
  );
}

function nameOf({ schema, name }: TableName): TableName {
  return { schema, name };
}
