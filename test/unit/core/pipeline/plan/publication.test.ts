import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { loadParser } from '../../../../../core/expr/parse.ts';
import { type PlanStep, planTables } from '../../../../../core/pipeline/plan/planner.ts';
import { publishedTables } from '../../../../../core/pipeline/plan/publication.ts';
import type { Relation } from '../../../../../core/postgres/relation.ts';
import { columns } from '../../../../../plugins/transform-columns/plugin.ts';
import { filter } from '../../../../../plugins/transform-filter/plugin.ts';
import { mask } from '../../../../../plugins/transform-mask/plugin.ts';
import { rename } from '../../../../../plugins/transform-rename/plugin.ts';
import { planInput, relation, step } from '../../../../support/plan.ts';

before(() => loadParser());

function published(table: Relation, chains: readonly (readonly PlanStep[])[], version = 170_000) {
  const plans = chains.map((steps) => {
    const result = planTables(planInput([table], steps));
    assert.deepEqual(result.problems, []);
    return result.plans;
  });
  const [only] = publishedTables(plans, version);
  assert.ok(only !== undefined);
  return { where: only.where, columns: only.columns };
}
const where = (sql: string) => step(filter({ where: sql }));
const nothing = { where: null, columns: null };
const keyed = () => relation('public.t', 'id integer key, state text, secret text');
const full = () => relation('public.t', 'id integer key, state text, secret text', 'full');

test('a filter over the key is pushed into the publication, from PostgreSQL 15 on', () => {
  const sql = '(("id" OPERATOR(pg_catalog.>) CAST(\'3\' AS pg_catalog.int4)) AND ("id" IS NOT NULL))';
  assert.deepEqual(published(keyed(), [[where('id > 3 and id is not null')]]), { where: sql, columns: null });
  assert.deepEqual(published(keyed(), [[where('id > 3')]], 140_010), nothing);
});

test('a filter over other columns only where the old row is whole', () => {
  assert.deepEqual(published(keyed(), [[where("state = 'x'")]]), nothing);
  assert.match(published(full(), [[where("state = 'x'")]]).where ?? '', /"state"/);
  const none = relation('public.t', 'id integer, state text', 'nothing');
  assert.deepEqual(published(none, [[where("state = 'x'")]]), nothing);
});

test('only what every sink that takes the table agrees on is pushed', () => {
  assert.deepEqual(published(keyed(), [[where('id > 3')], [where('id > 4')]]), nothing);
  assert.deepEqual(published(keyed(), [[where('id > 3')], []]), nothing);
  assert.notEqual(published(keyed(), [[where('id > 3')], [step(rename({ to: 'x' })), where('id > 3')]]).where, null);
});

test('a filter that the server might refuse stays here: functions, casts, types and collations of users, masked values', () => {
  assert.deepEqual(published(full(), [[where('length(state) = 3')]]), nothing);
  assert.deepEqual(published(full(), [[where('state::integer = 3')]]), nothing);
  const enumerated = relation('public.t', 'id integer key, m mood', 'full');
  assert.deepEqual(published(enumerated, [[where("m = 'sad'")]]), nothing);
  const collated = (collation: string) => {
    const table = full();
    return { ...table, columns: table.columns.map((column) => ({ ...column, collation })) };
  };
  assert.deepEqual(published(collated('public.nocase'), [[where('state is not null')]]), nothing);
  assert.match(published(collated('pg_catalog."C"'), [[where('state is not null')]]).where ?? '', /"state"/);
  const hashed = [step(mask({ columns: { state: { hash: { secret: 'long-secret' } } } })), where("state = 'x'")];
  assert.deepEqual(published(full(), [hashed]), nothing);
});

test('dropped columns leave the publication where the key stays in it', () => {
  const drop = step(columns({ drop: ['secret'] }));
  assert.deepEqual(published(keyed(), [[drop]]), { where: null, columns: ['id', 'state'] });
  assert.deepEqual(published(full(), [[drop]]), nothing);
  assert.deepEqual(published(keyed(), [[drop], []]), nothing);
  assert.deepEqual(published(keyed(), [[drop], [step(columns({ keep: ['id', 'state'] }))]]).columns, ['id', 'state']);
  assert.deepEqual(published(keyed(), [[drop]], 140_010), nothing);
});

test('a column that only a filter or an expression reads stays in the publication', () => {
  assert.deepEqual(published(keyed(), [[where("secret = 'x'"), step(columns({ drop: ['secret'] }))]]).columns, null);
  const generated = relation('public.t', 'id integer key, a text, b text, g text generated');
  assert.deepEqual(published(generated, [[step(columns({ drop: ['b'] }))]]).columns, ['id', 'a']);
});
