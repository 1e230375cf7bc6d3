import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { RowChange } from '../../../../../core/api/change.ts';
import type { Relation } from '../../../../../core/postgres/relation.ts';
import { loadParser } from '../../../../../core/expr/parse.ts';
import { createMapper } from '../../../../../core/pipeline/plan/mapper.ts';
import { type PlanStep, planTables } from '../../../../../core/pipeline/plan/planner.ts';
import { columns } from '../../../../../plugins/transform-columns/plugin.ts';
import { filter } from '../../../../../plugins/transform-filter/plugin.ts';
import { rename } from '../../../../../plugins/transform-rename/plugin.ts';
import { set } from '../../../../../plugins/transform-set/plugin.ts';
import { brief, deleted, inserted, planInput, relation, step, updated } from '../../../../support/plan.ts';

before(() => loadParser());

/** A mapper that was planned for `table`; changes below `catalogAt` are from before the plan. */
function planned(table: Relation, steps: readonly PlanStep[], catalogAt?: bigint) {
  const input = planInput([table], steps, catalogAt === undefined ? {} : { catalogAt });
  const { plans, problems } = planTables(input);
  assert.deepEqual(problems, []);
  return createMapper(input, plans);
}

/** The same table as the stream describes it after other DDL. */
const as = (table: Relation, columnsText: string, identity?: 'key' | 'full'): Relation => ({
  ...relation(`${table.schema}.${table.name}`, columnsText, identity),
  oid: table.oid,
});

const drift =
  (code: string, ...texts: readonly RegExp[]) =>
  (error: Error & { code?: string; remedy?: string }) => {
    const all = `${error.message} ${error.remedy}`;
    assert.equal(error.code, code, all);
    for (const text of texts) assert.match(all, text);
    return true;
  };
const one = (changes: unknown) => {
  const [change] = changes as readonly RowChange[];
  assert.ok(change !== undefined);
  return change;
};

/** With the numbers that pg_attribute has for these names. */
const numbered = (table: Relation, attnums: Readonly<Record<string, number>>): Relation => ({
  ...table,
  columns: table.columns.map((column) => ({ ...column, attnum: attnums[column.name]! })),
});

test('columns are bound by name: another order shifts no value', () => {
  const attnums = { id: 1, a: 2, b: 3 };
  const table = numbered(relation('public.t', 'id integer key, a text, b text'), attnums);
  const map = planned(table, [step(filter({ where: "b = 'y'" }))]);
  const other = numbered(as(table, 'b text, id integer key, a text'), attnums);
  const change = one(map.map([inserted(other, ['y', '1', 'x'])]));
  assert.equal(brief(change), 'insert (1,x,y)');
  assert.deepEqual(
    change.relation.columns.map((column) => column.name),
    ['id', 'a', 'b'],
  );
});

test('a column of the same name and type that is another one stops the pipeline: by its number, or by the order where that is not known', () => {
  const table = numbered(relation('public.t', 'id integer key, a text, b text'), { id: 1, a: 2, b: 3 });
  const again = numbered(as(table, 'id integer key, a text, b text'), { id: 1, a: 2, b: 4 });
  const stops = (other: Relation, what: RegExp) =>
    assert.throws(() => planned(table, []).map([inserted(other, ['1', 'x', 'y'])]), drift('PGS4012', what, /resync/));
  stops(again, /column b is another one of the same name/);
  stops(as(table, 'id integer key, b text, a text'), /columns b, a are others of the same name/);
  const keeps = planned(table, [step(columns({ keep: ['id', 'a'] }))]);
  assert.equal(brief(one(keeps.map([inserted(again, ['1', 'x', 'y'])]))), 'insert (1,x)');
});

test('a column added on the source that goes on to the target stops the pipeline, with the statement', () => {
  const table = relation('public.t', 'id integer key, a text');
  const map = planned(table, [step(rename({ to: 'crm.u' }))]);
  assert.equal(brief(one(map.map([inserted(table, ['1', 'x'])]))), 'insert (1,x)');
  assert.throws(
    () => map.map([inserted(as(table, 'id integer key, a text, n numeric(10,2)'), ['1', 'x', '2.00'])]),
    drift('PGS4012', /new column n/, /ALTER TABLE "crm"\."u" ADD COLUMN "n" numeric\(10,2\);/),
  );
});

test('a column added on the source that the transforms do not keep changes nothing', () => {
  const table = relation('public.t', 'id integer key, a text');
  const map = planned(table, [step(columns({ keep: ['id', 'a'] }))]);
  assert.equal(
    brief(one(map.map([inserted(as(table, 'id integer key, n integer, a text'), ['1', '2', 'x'])]))),
    'insert (1,x)',
  );
});

test('a dropped, renamed or retyped column stops the pipeline, with the statement', () => {
  const table = relation('public.t', 'id integer key, a text, b text');
  const map = planned(table, []);
  assert.throws(
    () => map.map([inserted(as(table, 'id integer key, a text'), ['1', 'x'])]),
    drift('PGS4012', /column b is gone/, /ALTER TABLE "public"\."t" DROP COLUMN "b";/),
  );
  assert.throws(
    () => map.map([inserted(as(table, 'id integer key, a text, c text'), ['1', 'x', 'y'])]),
    drift('PGS4012', /RENAME COLUMN "b" TO "c";/),
  );
  assert.throws(
    () => map.map([inserted(as(table, 'id bigint key, a text, b text'), ['1', 'x', 'y'])]),
    drift('PGS4012', /ALTER COLUMN "id" TYPE bigint;/),
  );
});

test('a renamed table stops the pipeline, and goes on where a transform names the target', () => {
  const table = relation('public.t', 'id integer key');
  const moved = { ...as(table, 'id integer key'), schema: 'b', name: 'u' };
  assert.throws(
    () => planned(table, []).map([inserted(moved, ['1'])]),
    drift('PGS4012', /RENAME TO "u"; ALTER TABLE "public"\."u" SET SCHEMA "b";/),
  );
  assert.equal(brief(one(planned(table, [step(rename({ to: 'x.y' }))]).map([inserted(moved, ['1'])]))), 'insert (1)');
});

test('a dropped column that the filter reads stops with the error of the filter', () => {
  const table = relation('public.t', 'id integer key, state text');
  const map = planned(table, [step(filter({ where: "state = 'x'" })), step(columns({ keep: ['id'] }))]);
  assert.throws(() => map.map([inserted(as(table, 'id integer key'), ['1'])]), drift('PGS4102', /state/));
});

test('columns that the publication does not carry and the plan does not read are no drift', () => {
  const table = relation('public.t', 'id integer key, a text, secret text');
  const map = planned(table, [step(columns({ drop: ['secret'] }))]);
  assert.equal(brief(one(map.map([inserted(as(table, 'id integer key, a text'), ['1', 'x'])]))), 'insert (1,x)');
});

test('generated columns are not in the stream and not in the output', () => {
  const table = relation('public.t', 'id integer key, a text, twice text generated');
  const streamed = as(table, 'id integer key, a text');
  const map = planned(table, []);
  const changes = [inserted(streamed, ['1', 'x'])];
  assert.equal(map.map(changes), changes);
});

test('a changed replica identity is followed: whole rows downstream from then on', () => {
  const table = relation('public.t', 'id integer key, a text');
  const map = planned(table, [step(rename({ to: 'b.u' }))]);
  const full = as(table, 'id integer key, a text', 'full');
  const change = one(map.map([deleted(full, { full: ['1', 'x'] })]));
  assert.equal(change.relation.identity.kind, 'full');
  assert.equal(brief(change), 'delete full(1,x)');
  assert.equal(map.outputs()[0]?.output, change.relation);
});

test('a key that a change of identity takes from the output is refused in the stream, too', () => {
  const table = relation('public.t', 'id integer key, a text', 'full');
  const map = planned(table, [step(columns({ drop: ['id'] }))]);
  assert.throws(
    () => map.map([deleted(as(table, 'id integer key, a text', 'key'), { key: ['1', null] })]),
    drift('PGS4004', /id/),
  );
});

test('older changes after a restart: a column added since is left to the target default', () => {
  const table = relation('public.t', 'id integer key, a text, n integer');
  const map = planned(table, [step(filter({ where: 'id > 0' }))], 0x100n);
  const old = as(table, 'id integer key, a text');
  const change = one(map.map([inserted(old, ['1', 'x'])]));
  assert.equal(brief(change), 'insert (1,x)');
  assert.deepEqual(
    change.relation.columns.map((column) => column.name),
    ['id', 'a'],
  );
  // The same shape at a later position is new DDL: the column was dropped.
  assert.throws(() => planned(table, [], 0x10n).map([inserted(old, ['1', 'x'])]), drift('PGS4012', /DROP COLUMN "n"/));
});

test('older changes after a restart: a column dropped since is left out, a widened type is taken', () => {
  const table = relation('public.t', 'id bigint key, a text');
  const old = as(table, 'id integer key, gone text, a text');
  const map = planned(table, [], 0x100n);
  assert.equal(
    brief(one(map.map([updated(old, ['1', 'g', 'x'], { key: ['2', null, null] })]))),
    'update key(2,null) (1,x)',
  );
});

test('older changes after a restart: what may be a rename or a conversion is not guessed', () => {
  const table = relation('public.t', 'id integer key, b text');
  const map = planned(table, [], 0x100n);
  assert.throws(
    () => map.map([inserted(as(table, 'id integer key, a text'), ['1', 'x'])]),
    drift('PGS4013', /have a where the table now has b/, /resync/),
  );
  assert.throws(
    () => map.map([inserted(as(table, 'id integer key, b integer'), ['1', '2'])]),
    drift('PGS4013', /type of column b/),
  );
});

test('older changes after a restart: a computed column whose input came later is not guessed', () => {
  const table = relation('public.t', 'id integer key, n integer');
  const map = planned(table, [step(set({ columns: { m: 'n + 1' } }))], 0x100n);
  assert.throws(() => map.map([inserted(as(table, 'id integer key'), ['1'])]), drift('PGS4102', /n/));
});
