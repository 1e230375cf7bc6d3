import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InsertChange, RowChange, UpdateChange } from '../../core/api/change.ts';
import { type PartialTuple, type Tuple, UNCHANGED } from '../../core/postgres/tuple.ts';
import type { Expr } from '../../core/expr/expr.ts';
import type { TransformPlugin } from '../../core/api/plugin.ts';
import type { Relation } from '../../core/postgres/relation.ts';
import type { Shape, Transform, TransformPlan } from '../../core/api/transform.ts';
import { loadParser } from '../../core/expr/parse.ts';
import { transformTools } from '../../core/pipeline/plan/tools.ts';
import { type Given, withDefaults } from '../../core/base/options.ts';
import { checked } from '../../core/registry/registry.ts';
import { conformanceContext, sampleRelation, SampleStream } from './fixtures.ts';

export interface TransformSubject<O> {
  /** Options as the pipeline file would give them, after units. They apply to a table `id integer, name text, note text`. */
  readonly options: Given<O>;
  /** Folder that relative paths in options start from. */
  readonly directory?: string;
}

const rows: readonly Tuple[] = [
  ['1', 'Ada', 'first'],
  ['2', null, ''],
  ['3', "O'Neil \\ \t", '4111 1111 1111 1111'],
];

/** Registers the tests that every transform plugin has to pass. */
export function transformConformance<O>(plugin: TransformPlugin<O>, subject: TransformSubject<O>): void {
  const name = `transform ${plugin.name}`;
  const relation = sampleRelation('public', 'sample');
  const make = async (): Promise<Transform> => {
    await loadParser();
    return plugin.create(
      withDefaults<O>(plugin.options, subject.options as object),
      conformanceContext(plugin.name, subject.directory ?? process.cwd()),
    );
  };

  test(`${name}: is a plugin with a strict options schema`, () => {
    assert.equal(checked(plugin, 'transform', plugin.name), plugin);
    assert.notEqual(plugin.summary, '');
  });

  test(`${name}: the same shape gives the same plan, and the shape stays as it is`, async () => {
    const transform = await make();
    const shape = deepFreeze(shapeOf(relation));
    assert.deepEqual(data(transform.plan(shape, transformTools)), data(transform.plan(shape, transformTools)));
  });

  test(`${name}: output columns have names of their own and use columns that are there`, async () => {
    const plan = (await make()).plan(shapeOf(relation), transformTools);
    if (plan.kind === 'identity' || plan.kind === 'drop') return;
    const columns = plan.kind === 'project' ? plan.columns : plan.output.columns;
    const names = columns.map((column) => column.name);
    assert.equal(new Set(names).size, names.length);
    assert.ok(names.every((each) => each !== ''));
    if (plan.kind !== 'project') return;
    const known = new Set(relation.columns.map((column) => column.name));
    for (const expr of [...plan.columns.map((column) => column.expr), ...(plan.where === null ? [] : [plan.where])]) {
      for (const used of columnsOf(expr)) assert.ok(known.has(used), `uses ${used}`);
    }
  });

  test(`${name}: code treats a row of the snapshot as it treats the same row of the stream`, async () => {
    const plan = (await make()).plan(shapeOf(relation), transformTools);
    if (plan.kind !== 'opaque') return;
    const output = outputOf(relation, plan);
    const copied = await plan.rows(rows);
    const stream = new SampleStream(relation);
    const inserts = rows.map((row) => stream.insert(stream.begin(), row) as InsertChange);
    const changes = await plan.changes(inserts, output);
    assert.deepEqual(
      changes.map((change) => (change as InsertChange).after),
      copied,
    );
    for (const change of changes) assert.equal(change.relation, output);
    for (const row of copied) assert.equal(row.length, output.columns.length);
  });

  test(`${name}: a value that was not sent never becomes NULL or text (I7)`, async () => {
    const plan = (await make()).plan(shapeOf(relation), transformTools);
    if (plan.kind !== 'opaque') return;
    const output = outputOf(relation, plan);
    for (const at of [1, 2]) {
      const stream = new SampleStream(relation);
      const after: PartialTuple = ['1', 'Ada', 'first'].map((cell, i) => (i === at ? UNCHANGED : cell));
      const update = stream.update(stream.begin(), after) as UpdateChange;
      const made: readonly RowChange[] | null = await plan.changes([update], output).catch(() => null);
      const same = output.columns.findIndex((column) => column.name === relation.columns[at]!.name);
      if (made === null || same === -1) continue;
      for (const change of made) if (change.kind === 'update') assert.equal(change.after[same], UNCHANGED);
    }
  });
}

function shapeOf(relation: Relation): Shape {
  return { source: relation, schema: relation.schema, name: relation.name, columns: relation.columns };
}

function outputOf(relation: Relation, plan: Extract<TransformPlan, { kind: 'opaque' }>): Relation {
  return { ...relation, ...plan.output };
}

/** What of a plan is data. */
function data(plan: TransformPlan): unknown {
  return plan.kind === 'opaque' ? { because: plan.because, output: plan.output } : plan;
}

function columnsOf(expr: Expr): string[] {
  if (expr.op === 'column') return [expr.name];
  return expr.op === 'call' ? expr.args.flatMap(columnsOf) : [];
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
