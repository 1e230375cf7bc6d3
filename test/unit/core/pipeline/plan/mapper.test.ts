import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Change, RowChange } from '../../../../../core/api/change.ts';
import { UNCHANGED } from '../../../../../core/postgres/tuple.ts';
import type { Relation } from '../../../../../core/postgres/relation.ts';
import { loadParser } from '../../../../../core/expr/parse.ts';
import { createMapper } from '../../../../../core/pipeline/plan/mapper.ts';
import { type PlanStep, planTables } from '../../../../../core/pipeline/plan/planner.ts';
import { columns } from '../../../../../plugins/transform-columns/plugin.ts';
import { filter } from '../../../../../plugins/transform-filter/plugin.ts';
import { rename } from '../../../../../plugins/transform-rename/plugin.ts';
import { set } from '../../../../../plugins/transform-set/plugin.ts';
import {
  brief,
  deleted,
  inserted,
  kafkaTraits,
  planInput,
  postgresTraits,
  relation,
  step,
  transaction,
  updated,
} from '../../../../support/plan.ts';

before(() => loadParser());

function mapper(table: Relation, steps: readonly PlanStep[], more: Parameters<typeof planInput>[2] = {}) {
  const input = planInput([table], steps, more);
  const { plans, problems } = planTables(input);
  assert.deepEqual(problems, []);
  return createMapper(input, plans);
}

function run(table: Relation, steps: readonly PlanStep[], changes: readonly Change[]): string[] {
  const out = mapper(table, steps).map(changes) as readonly RowChange[];
  return out.map(brief);
}

const paid = [step(filter({ where: "state = 'paid'" }))];

test('without transforms the batch is handed on untouched, the same array', () => {
  const table = relation('public.t', 'id integer key, body text');
  const changes = [inserted(table, ['1', 'a']), updated(table, ['1', UNCHANGED]), deleted(table, { key: ['1', null] })];
  assert.equal(mapper(table, []).map(changes), changes);
});

test('a rename keeps the cells and their array, and every change names the plan output', () => {
  const table = relation('public.t', 'id integer key, body text');
  const map = mapper(table, [step(rename({ to: 'b.u', columns: { body: 'text' } }))]);
  const change = inserted(table, ['1', 'a']);
  const [out] = map.map([change]) as readonly RowChange[];
  assert.ok(out?.kind === 'insert' && change.kind === 'insert');
  assert.equal(out.after, change.after);
  assert.equal(out.relation, map.outputs()[0]?.output);
  assert.deepEqual([out.relation.schema, out.relation.name, out.relation.columns[1]?.name], ['b', 'u', 'text']);
});

test('filter with the old row known (REPLICA IDENTITY FULL): in, out, stay, never there', () => {
  const table = relation('public.t', 'id integer key, state text', 'full');
  assert.deepEqual(
    run(table, paid, [
      inserted(table, ['1', 'paid']),
      inserted(table, ['2', 'new']),
      inserted(table, ['3', null]),
      updated(table, ['1', 'paid'], { full: ['1', 'paid'] }),
      updated(table, ['1', 'new'], { full: ['1', 'paid'] }),
      updated(table, ['2', 'paid'], { full: ['2', 'new'] }),
      updated(table, ['3', 'new'], { full: ['3', null] }),
      deleted(table, { full: ['2', 'paid'] }),
      deleted(table, { full: ['3', 'new'] }),
    ]),
    [
      'insert (1,paid)',
      'update full(1,paid) (1,paid)',
      'delete full(1,paid)',
      'insert (2,paid)',
      'delete full(2,paid)',
    ],
  );
});

test('filter with only the key of the old row: the row may be absent downstream', () => {
  const table = relation('public.t', 'id integer key, state text');
  assert.deepEqual(
    run(table, paid, [
      updated(table, ['1', 'paid']),
      updated(table, ['1', 'new']),
      updated(table, ['2', 'paid'], { key: ['1', null] }),
      updated(table, ['2', 'new'], { key: ['1', null] }),
      deleted(table, { key: ['1', null] }),
    ]),
    [
      'update (1,paid) maybe',
      'delete key(1,null) maybe',
      'update key(1,null) (2,paid) maybe',
      'delete key(1,null) maybe',
      'delete key(1,null) maybe',
    ],
  );
});

test('a filter over the key is known from a key image, and unchanged where the key is', () => {
  const table = relation('public.t', 'id integer key, state text');
  assert.deepEqual(
    run(
      table,
      [step(filter({ where: 'id > 10' }))],
      [
        updated(table, ['11', 'x']),
        updated(table, ['9', 'x']),
        updated(table, ['12', 'x'], { key: ['9', null] }),
        updated(table, ['8', 'x'], { key: ['12', null] }),
        updated(table, ['14', 'x'], { key: ['13', null] }),
        updated(table, ['14', UNCHANGED], { key: ['13', null] }),
        deleted(table, { key: ['9', null] }),
        deleted(table, { key: ['12', null] }),
      ],
    ),
    [
      'update (11,x)',
      'insert (12,x)',
      'delete key(12,null)',
      'update key(13,null) (14,x)',
      'update key(13,null) (14,~)',
      'delete key(12,null)',
    ],
  );
});

const stopped =
  (code: string, ...texts: readonly RegExp[]) =>
  (error: Error & { code?: string; remedy?: string; where?: object }) => {
    const all = `${error.message} ${error.remedy} ${JSON.stringify(error.where)}`;
    assert.equal(error.code, code, all);
    for (const text of texts) assert.match(all, text);
    return true;
  };

test('a row that may enter the filter with a value that was not sent stops the pipeline, with the statement that helps', () => {
  const table = relation('public.t', 'id integer key, state text, body text');
  const map = mapper(table, paid);
  assert.throws(
    () => map.map([updated(table, ['1', 'paid', UNCHANGED])]),
    stopped('PGS4010', /ALTER TABLE "public"\."t" REPLICA IDENTITY FULL/, /"lsn":"0\/20"/, /"table":"public\.t"/),
  );
  assert.throws(() => map.map([updated(table, ['1', UNCHANGED, 'b'])]), stopped('PGS4011', /REPLICA IDENTITY FULL/));
  // Leaving the filter needs no value but the key.
  const [out] = map.map([updated(table, ['1', 'new', UNCHANGED])]) as readonly RowChange[];
  assert.equal(brief(out as RowChange), 'delete key(1,null,null) maybe');
});

test('an unsent value that the output does not have is not needed', () => {
  const table = relation('public.t', 'id integer key, state text, body text');
  const [out] = mapper(table, [...paid, step(columns({ drop: ['body'] }))]).map([
    updated(table, ['1', 'paid', UNCHANGED]),
  ]) as readonly RowChange[];
  assert.equal(brief(out as RowChange), 'update (1,paid) maybe');
});

test('a row that enters by its key with a value that was not sent stops, too', () => {
  const table = relation('public.t', 'id integer key, body text');
  const map = mapper(table, [step(filter({ where: 'id > 10' }))]);
  assert.throws(() => map.map([updated(table, ['12', UNCHANGED], { key: ['9', null] })]), stopped('PGS4010'));
});

test('with REPLICA IDENTITY FULL the old row fills what was not sent, and an update that stays keeps it unsent', () => {
  const table = relation('public.t', 'id integer key, state text, body text', 'full');
  assert.deepEqual(
    run(table, paid, [
      updated(table, ['1', 'paid', UNCHANGED], { full: ['1', 'new', 'big'] }),
      updated(table, ['1', 'paid', UNCHANGED], { full: ['1', 'paid', 'big'] }),
      updated(table, ['1', UNCHANGED, 'x'], { full: ['1', 'paid', 'big'] }),
    ]),
    ['insert (1,paid,big)', 'update full(1,paid,big) (1,paid,~)', 'update full(1,paid,big) (1,~,x)'],
  );
});

test('a computed column over unsent values: unsent itself, filled from the old row, or refused', () => {
  const steps = [step(set({ columns: { size: 'length(body)', both: 'body || state' } }))];
  const full = relation('public.t', 'id integer key, state text, body text', 'full');
  assert.deepEqual(run(full, steps, [updated(full, ['1', 'b', UNCHANGED], { full: ['1', 'a', 'xyz'] })]), [
    'update full(1,a,xyz,3,xyza) (1,b,~,~,xyzb)',
  ]);
  const keyed = relation('public.t', 'id integer key, state text, body text');
  const map = mapper(keyed, steps);
  assert.throws(() => map.map([updated(keyed, ['1', 'b', UNCHANGED])]), stopped('PGS4011', /both/));
  const alone = mapper(keyed, [step(set({ columns: { size: 'length(body)' } }))]);
  const [out] = alone.map([updated(keyed, ['1', 'b', UNCHANGED])]) as readonly RowChange[];
  assert.equal(brief(out as RowChange), 'update (1,b,~,~)');
});

test('dropped and reordered columns: tuples and key images follow the output', () => {
  const table = relation('public.t', 'a text, id integer key, b text');
  assert.deepEqual(
    run(
      table,
      [step(columns({ drop: ['a'] })), step(set({ columns: { c: 'upper(b)' } }))],
      [
        inserted(table, ['x', '1', 'y']),
        updated(table, [UNCHANGED, '2', 'z'], { key: [null, '1', null] }),
        deleted(table, { key: [null, '2', null] }),
      ],
    ),
    ['insert (1,y,Y)', 'update key(1,null,null) (2,z,Z)', 'delete key(2,null,null)'],
  );
});

test('a renamed key stays the key of the output', () => {
  const table = relation('public.t', 'id integer key, b text');
  const map = mapper(table, [step(rename({ columns: { id: 'number' } })), step(columns({ keep: ['number'] }))]);
  const [out] = map.map([deleted(table, { key: ['1', null] })]) as readonly RowChange[];
  assert.ok(out?.kind === 'delete');
  assert.deepEqual(out.relation.identity, { kind: 'key', positions: [0] });
  assert.deepEqual(out.relation.primaryKey, [0]);
  assert.deepEqual(out.before, { image: 'key', tuple: ['1'] });
});

test('a sink without keys gets a key that is computed from key columns alone', () => {
  const table = relation('public.t', 'mail text key, b text');
  const map = mapper(table, [step(set({ columns: { mail: 'md5(mail)' } }))], { traits: kafkaTraits });
  const [out] = map.map([deleted(table, { key: ['a', null] })]) as readonly RowChange[];
  assert.ok(out !== undefined);
  assert.equal(brief(out), 'delete key(0cc175b9c0f1b6a831c399e269772661,null)');
});

test('TRUNCATE is mapped per relation, and tables that the sink does not get leave the list', () => {
  const a = relation('public.a', 'id integer key, state text');
  const b = relation('public.b', 'id integer key');
  const input = planInput([a, b], [step(rename({ to: 'x' }))], { only: ['public.a'] });
  const { plans } = planTables(input);
  const map = createMapper(input, plans);
  const truncate = (relations: readonly Relation[]): Change => ({
    kind: 'truncate',
    tx: transaction,
    lsn: 1n,
    relations,
    cascade: true,
    restartIdentity: true,
  });
  const [out] = map.map([truncate([a, b])]) as readonly Change[];
  assert.ok(out?.kind === 'truncate');
  assert.deepEqual(out.relations, [plans[0]?.output]);
  assert.deepEqual([out.cascade, out.restartIdentity], [true, true]);
  assert.deepEqual(map.map([truncate([b])]), []);
});

test('changes of tables that the sink or a transform leaves out are dropped; of unknown tables never', () => {
  const a = relation('public.a', 'id integer key');
  const b = relation('public.b', 'id integer key');
  const input = planInput([a, b], [step({ name: 'none', plan: () => ({ kind: 'drop' }) }, ['public.b'])]);
  const { plans } = planTables(input);
  const map = createMapper(input, plans);
  assert.deepEqual(map.map([inserted(b, ['1'])]), []);
  const stranger = relation('public.c', 'id integer key');
  assert.throws(() => map.map([inserted(stranger, ['1'])]), stopped('PGS4014', /public\.c/, /was not there/));
  const again = { ...a, oid: a.oid + 1000 };
  assert.throws(() => map.map([inserted(again, ['1'])]), stopped('PGS4014', /created again/));
});

test('messages pass only to sinks that want them', () => {
  const table = relation('public.t', 'id integer key');
  const message: Change = {
    kind: 'message',
    tx: transaction,
    lsn: 1n,
    transactional: true,
    prefix: 'app',
    content: new Uint8Array(),
  };
  assert.deepEqual(mapper(table, [], { traits: kafkaTraits }).map([message]), [message]);
  assert.deepEqual(mapper(table, [], { traits: postgresTraits }).map([message]), []);
});

test('an expression that fails names table and position and keeps its code', () => {
  const table = relation('public.t', 'id integer key, n integer');
  const map = mapper(table, [step(set({ columns: { r: '10 / n' } }))]);
  assert.throws(
    () => map.map([inserted(table, ['1', '0'])]),
    stopped('PGS4201', /public\.t/, /"lsn":"0\/20"/, /"sqlstate":"22012"/),
  );
});
