import type { Projection, TablePlan } from '../../api/plan.ts';
import { type Column, type Identity, type Relation, relationName } from '../../postgres/relation.ts';
import { columnsOf } from '../../expr/tree.ts';
import { type ChangeMap, compileChangeMap } from './change-map.ts';
import {
  diffShapes,
  driftError,
  isEmpty,
  otherColumns,
  replacedError,
  sameColumnType,
  widens,
  withDrift,
} from './drift.ts';
import type { PgsluiceError } from '../../base/error.ts';
import { planError } from './errors.ts';
import { planTable } from './plan-table.ts';
import type { PlanInput } from './types.ts';

/** How the changes of one relation object are mapped. */
export interface Binding {
  /** From the relation to the projection's output. */
  readonly map: ChangeMap;
  /** The part of the chain that only code understands, if there is one. */
  readonly tail: TablePlan['tail'];
  /** The relation of the final output. */
  readonly output: Relation;
  /** Values that the map lacks are fetched. */
  readonly refetch: boolean;
  /** Every value is output unchanged, with the type that the plan has for it. */
  readonly passesBytes: boolean;
}

export interface BindingQuestion {
  /** As the stream describes it. */
  readonly relation: Relation;
  /** As the catalog described it when the plan was made. */
  readonly source: Relation;
  /** Null: the sink does not get the table. */
  readonly plan: TablePlan | null;
  readonly input: PlanInput;
  /** Values that the map lacks can be fetched. */
  readonly fetches: boolean;
  /** The change is from before the catalog was read, so `source` is the newer shape. */
  readonly historic: boolean;
}

/**
 * Binds a relation of the stream to the table's plan, by column names; null if the sink does not get the table. Never
 * guesses: for a shape that the plan does not fit a new plan is made, and if its output differs the pipeline stops
 * (PGS4012, PGS4013).
 */
export function bindRelation(question: BindingQuestion): Binding | null {
  const { relation, source, plan, input, fetches } = question;
  if (plan === null) return stillLeftOut(question);
  const read = columnsRead(plan.projection);
  // Under `ddl: follow` the stream reports such a change in its place, and the present catalog may be ahead of it.
  const inPlace = input.followDdl !== undefined && input.lateDdl !== true;
  const moved = inPlace ? [] : otherColumns(relation, source, read);
  if (moved.length > 0) throw otherColumnsError(question, plan, { moved, shape: newShape(relation, source, read) });
  if (fits(relation, source, read)) {
    return bind(relation, replan(withIdentity(source, relation), source, plan, input), fetches);
  }
  if (question.historic) {
    return bind(relation, replan(historicShape(relation, source, read), source, plan, input), fetches);
  }
  const shape = newShape(relation, source, read);
  const again = replan(shape, source, plan, input);
  if (!sameOutput(plan.output, again.output)) {
    throw withDrift(driftError(plan.output, again.output), { source: shape, was: plan.output, is: again.output });
  }
  return bind(relation, again, fetches);
}

function stillLeftOut({ relation, source, input, historic }: BindingQuestion): null {
  const again = planTable(historic ? source : relation, input);
  if (again.plan === null && again.problems[0] === undefined) return null;
  throw (
    again.problems[0] ??
    planError('PGS4014', 'the table was left out when the pipeline was planned and would now be taken', {
      where: { table: relationName(relation) },
    })
  );
}

function otherColumnsError(
  { source, input }: BindingQuestion,
  plan: TablePlan,
  { moved, shape }: { readonly moved: readonly string[]; readonly shape: Relation },
): PgsluiceError {
  const again = planTable(shape, input).plan;
  const is = again?.output ?? plan.output;
  return withDrift(replacedError(source, { was: plan.output, is, moved }), {
    source: shape,
    was: plan.output,
    is,
    replaced: true,
  });
}

/**
 * The projection can be used unchanged: it finds the columns that it reads, with the same types, and there is no column
 * that it does not know.
 */
function fits(relation: Relation, source: Relation, read: ReadonlySet<string>): boolean {
  if (relation.schema !== source.schema || relation.name !== source.name) return false;
  const now = byName(relation);
  const then = byName(source);
  for (const name of read) {
    const column = now.get(name);
    const was = then.get(name);
    if (column === undefined || was === undefined || !sameColumnType(column, was)) return false;
  }
  return relation.columns.every((column) => {
    const was = then.get(column.name);
    // A generated column that became a plain one (DROP EXPRESSION) has values of its own from here on.
    return was !== undefined && (was.generated === 'never' || column.generated !== 'never');
  });
}

/** The plan for another shape of the same table; the plan itself if no relevant part differs. */
function replan(shape: Relation, source: Relation, plan: TablePlan, input: PlanInput): TablePlan {
  if (shape === source) return plan;
  const { plan: again, problems } = planTable(shape, input);
  if (problems[0] !== undefined) throw problems[0];
  if (again === null) throw driftError(plan.output, { ...plan.output, columns: [] });
  return again;
}

/** The catalog's shape with the replica identity from the stream, and with a key that has become deferrable. */
function withIdentity(source: Relation, relation: Relation): Relation {
  const identity = identityIn(source, relation);
  const deferred = relation.deferrableKey === true && source.deferrableKey !== true;
  if (!deferred && sameIdentity(identity, source.identity)) return source;
  return { ...source, identity, ...(deferred ? { deferrableKey: true } : {}) };
}

function identityIn(shape: Pick<Relation, 'columns'>, relation: Relation): Identity {
  if (relation.identity.kind !== 'key') return relation.identity;
  const names = relation.identity.positions.map((at) => (relation.columns[at] as Column).name);
  const positions = names.map((name) => shape.columns.findIndex((column) => column.name === name));
  return positions.includes(-1) ? { kind: 'nothing' } : { kind: 'key', positions };
}

function sameIdentity(a: Identity, b: Identity): boolean {
  if (a.kind !== 'key' || b.kind !== 'key') return a.kind === b.kind;
  const inA = new Set(a.positions);
  return a.positions.length === b.positions.length && b.positions.every((at) => inA.has(at));
}

/**
 * A change from before DDL that the catalog already shows. A column added since is left out of the change (the target
 * fills it as the source filled its old rows: with the default); one dropped since is left out, too. Both at once may be
 * a rename, and a changed type may have been converted: those cannot be told from the stream.
 */
function historicShape(relation: Relation, source: Relation, read: ReadonlySet<string>): Relation {
  const now = byName(source);
  const then = byName(relation);
  const missing = source.columns.filter((column) => read.has(column.name) && !then.has(column.name));
  const extra = relation.columns.filter((column) => !now.has(column.name));
  const converted = source.columns.find((column) => {
    const old = then.get(column.name);
    return old !== undefined && read.has(column.name) && !widens(old, column);
  });
  const where = { where: { table: relationName(source) } };
  if (missing.length > 0 && extra.length > 0) {
    const [old, current] = [extra, missing].map((columns) => columns.map((column) => column.name).join(', '));
    throw planError('PGS4013', `changes from before DDL have ${old} where the table now has ${current}`, where);
  }
  if (converted !== undefined) {
    throw planError('PGS4013', `changes from before DDL have another type of column ${converted.name}`, where);
  }
  const columns = source.columns.filter((column) => !missing.includes(column));
  return reshaped(source, columns, relation);
}

/** The stream's columns, with the catalog's description of them, and the columns that the plan does not read. */
function newShape(relation: Relation, source: Relation, read: ReadonlySet<string>): Relation {
  const then = byName(source);
  const now = byName(relation);
  const streamed = relation.columns.map((column): Column => {
    const known = then.get(column.name);
    if (known === undefined || !sameColumnType(known, column)) return column;
    // For `generated` the stream is more recent: 18 sends generated columns, older majors only columns that are no
    // longer generated.
    const attnum = column.attnum === undefined ? {} : { attnum: column.attnum };
    return { ...known, generated: column.generated, ...attnum };
  });
  const others = source.columns.filter((column) => !now.has(column.name) && !read.has(column.name));
  return reshaped({ ...source, schema: relation.schema, name: relation.name }, [...streamed, ...others], relation);
}

function reshaped(of: Relation, columns: readonly Column[], relation: Relation): Relation {
  const primaryKey = of.primaryKey.map((at) => columns.findIndex((each) => each.name === of.columns[at]?.name));
  return {
    ...of,
    columns,
    identity: identityIn({ columns }, relation),
    primaryKey: primaryKey.includes(-1) ? [] : primaryKey,
  };
}

export function columnsRead(projection: Projection): ReadonlySet<string> {
  const read = new Set(projection.where === null ? [] : columnsOf(projection.where));
  for (const column of projection.columns) for (const name of columnsOf(column.expr)) read.add(name);
  return read;
}

function sameOutput(was: Relation, is: Relation): boolean {
  return was.schema === is.schema && was.name === is.name && isEmpty(diffShapes(was, is));
}

function bind(relation: Relation, plan: TablePlan, fetches: boolean): Binding {
  const { tail } = plan;
  const { projection, output } = plan.streaming ?? plan;
  const refetch = fetches && plan.refetch === true;
  if (tail === null) {
    const map = compileChangeMap(relation, projection, output, { refetch });
    return { map, tail: null, output: map.output, refetch, passesBytes: passesBytes(relation, plan) };
  }
  const map = compileChangeMap(relation, projection, tail.input, { refetch, whole: true });
  return { map, tail, output, refetch, passesBytes: false };
}

/** Bytes of another type than the plan's would be read as a wrong value, without an error. */
function passesBytes(relation: Relation, plan: TablePlan): boolean {
  const { projection, output } = plan.streaming ?? plan;
  const now = byName(relation);
  const out = byName(output);
  return (
    plan.refetch !== true &&
    projection.where === null &&
    projection.columns.every(({ name, from }) => {
      const column = from === null ? undefined : now.get(from);
      return column !== undefined && column.binarySafe && column.type === out.get(name)?.type;
    })
  );
}

const byName = (relation: Relation): ReadonlyMap<string, Column> =>
  new Map(relation.columns.map((column) => [column.name, column]));
