import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Sink } from '../../../../../core/api/sink.ts';
import { loadParser } from '../../../../../core/expr/parse.ts';
import { chainedSink } from '../../../../../core/pipeline/open/chain.ts';
import type { SinkInstance, TransformStep } from '../../../../../core/pipeline/open/instances.ts';
import { planTables } from '../../../../../core/pipeline/plan/planner.ts';
import { filter } from '../../../../../plugins/transform-filter/plugin.ts';
import { rename } from '../../../../../plugins/transform-rename/plugin.ts';
import { planInput, relation, step } from '../../../../support/plan.ts';

before(() => loadParser());

const instance = (name: string, tables: readonly string[] | null, steps: readonly TransformStep[]): SinkInstance => ({
  name,
  plugin: name,
  sink: {} as Sink,
  tables,
  steps,
  buffer: 0,
});

test('the transforms of both files are one chain, the second by the names that the journal has', () => {
  const writer = instance(
    'kafka',
    ['public.*'],
    [
      step(filter({ where: 'id > 1' }), ['public.a'], 'transforms[0] filter'),
      step(rename({ to: 'crm.{table}' }), ['public.a', 'public.b'], 'transforms[1] rename'),
    ],
  );
  const applier = instance(
    'postgres',
    ['crm.*'],
    [
      step(rename({ to: 'crm.client', columns: { v: 'w' } }), ['crm.a'], 'transforms[0] rename'),
      step(filter({ where: "w = 'x'" }), ['crm.a'], 'transforms[1] filter'),
      step(filter({ where: 'false' }), ['public.a'], 'transforms[2] filter'),
    ],
  );
  const chained = chainedSink({ writer, applier, excluded: [{ schema: 'crm', name: 'b' }], label: 'apply:' });
  const tables = ['public.a', 'public.b', 'public.c', 'other.d'].map((name) =>
    relation(name, 'id integer key, v text'),
  );
  const { plans, problems } = planTables(planInput(tables, chained.steps, { only: chained.tables! }));
  assert.deepEqual(problems, []);
  const made = plans.map(({ source, output }) => [
    source.name,
    `${output.schema}.${output.name}`,
    output.columns.map(({ name }) => name).join(),
  ]);
  // b is left out by the appliers, c and d are not theirs.
  assert.deepEqual(made, [['a', 'crm.client', 'id,w']]);
  const { where } = plans[0]!.query;
  assert.match(where!, /"id".*1/);
  assert.match(where!, /"v".*'x'/);
  assert.doesNotMatch(where!, /false/i);
});
