import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { before, test } from 'node:test';
import type { Cell } from '../../../../core/postgres/tuple.ts';
import { loadParser } from '../../../../core/expr/parse.ts';
import { planTables } from '../../../../core/pipeline/plan/planner.ts';
import { printPlan } from '../../../../core/pipeline/plan/print.ts';
import { compileRowMap } from '../../../../core/pipeline/plan/row-map.ts';
import type { Method } from '../../../../plugins/transform-mask/method-schema.ts';
import { mask } from '../../../../plugins/transform-mask/plugin.ts';
import { planInput, relation, step } from '../../../support/plan.ts';

before(() => loadParser());

const secret = 'a-secret-key';

function masked(type: string, method: Method) {
  const table = relation('public.t', `id integer key, v ${type}`);
  const { plans, problems } = planTables(planInput([table], [step(mask({ columns: { v: method } }))]));
  const [plan] = plans;
  return { table, plan, problems };
}
function apply(type: string, method: Method, ...values: readonly Cell[]): readonly (Cell | undefined)[] {
  const { table, plan, problems } = masked(type, method);
  assert.deepEqual(problems, []);
  assert.ok(plan !== undefined);
  const map = compileRowMap(table.columns, plan.projection);
  return values.map((value) => map.row(['1', value])[1]);
}
const typeOf = (type: string, method: Method) => masked(type, method).plan?.output.columns[1]?.typeName;

test('hash is HMAC-SHA256 of the text, also for keys longer than a block', () => {
  for (const key of [secret, 'ü'.repeat(40), 'x'.repeat(64)]) {
    const wanted = createHmac('sha256', key).update('Zoë').digest('hex');
    assert.deepEqual(apply('text', { hash: { secret: key } }, 'Zoë', null), [wanted, null]);
    assert.deepEqual(apply('text', { hash: { secret: key, length: 12 } }, 'Zoë'), [wanted.slice(0, 12)]);
  }
});

test('hash of a uuid is a uuid; of a short varchar text, as cutting would lose it', () => {
  const wanted = createHmac('sha256', secret).update('6ba7b810-9dad-11d1-80b4-00c04fd430c8').digest('hex');
  const [uuid] = apply('uuid', { hash: { secret } }, '6ba7b810-9dad-11d1-80b4-00c04fd430c8');
  assert.equal(uuid?.replaceAll('-', ''), wanted.slice(0, 32));
  assert.equal(typeOf('uuid', { hash: { secret } }), 'uuid');
  assert.equal(typeOf('varchar(50)', { hash: { secret } }), 'text');
  assert.equal(typeOf('varchar(50)', { hash: { secret, length: 50 } }), 'character varying(50)');
  assert.equal(typeOf('integer', { hash: { secret } }), 'text');
});

test('the same value has the same hash in columns of other types, so that joins survive', () => {
  const [a] = apply('varchar(20)', { hash: { secret } }, '17');
  assert.deepEqual(apply('integer', { hash: { secret } }, '17'), [a]);
  assert.deepEqual(apply('char(5)', { hash: { secret } }, '17   '), [a]);
});

test('redact and null', () => {
  assert.deepEqual(apply('text', 'redact', 'a', '', null), ['***', '***', null]);
  assert.deepEqual(apply('text', 'null', 'a', null), [null, null]);
  assert.deepEqual(apply('mood', 'null', 'sad'), [null]);
  assert.equal(typeOf('mood', 'null'), 'public.mood');
  assert.equal(typeOf('varchar(2)', 'redact'), 'text');
});

test('partial keeps both ends, and nothing of a value that would be shown whole', () => {
  const method: Method = { partial: { prefix: 2, suffix: 3, with: '…' } };
  assert.deepEqual(apply('text', method, 'abcdefgh', 'abcdef', 'abcde', 'ab', '', null, '😀😀😀😀😀😀'), [
    'ab…fgh',
    'ab…def',
    '…',
    '…',
    '…',
    null,
    '😀😀…😀😀😀',
  ]);
  assert.deepEqual(apply('text', { partial: {} }, 'abc'), ['***']);
});

test('digits: the format stays, equal values stay equal, and the key decides', () => {
  const method: Method = { digits: { secret } };
  const values = ['+49 (171) 4477-0081', '4111 1111 1111 1111', 'no digits', '', null, '1'.repeat(40)];
  const out = apply('text', method, ...values);
  out.forEach((cell, i) => {
    const value = values[i] as Cell;
    assert.equal(cell?.replace(/[0-9]/g, '0') ?? null, value?.replace(/[0-9]/g, '0') ?? null);
  });
  assert.notEqual(out[0], values[0]);
  assert.notEqual(out[1], values[1]);
  assert.deepEqual(apply('text', method, ...values), out);
  assert.notDeepEqual(apply('text', { digits: { secret: 'another-key' } }, values[0] as Cell), [out[0]]);
  assert.deepEqual(apply('varchar(30)', method, values[0] as Cell), [out[0]]);
  assert.equal(typeOf('varchar(30)', method), 'character varying(30)');
});

test('digits depend on the whole value: numbers that share a prefix share no digits for long', () => {
  const numbers = Array.from({ length: 200 }, (_, i) => `1234567${String(i).padStart(3, '0')}`);
  const out = apply('text', { digits: { secret } }, ...numbers);
  assert.ok(new Set(out).size > 195);
  assert.ok(new Set(out.map((cell) => cell?.slice(0, 3))).size > 50);
});

test('what cannot be masked as asked is refused, with the column', () => {
  const said = (type: string, method: Method) => masked(type, method).problems.map((error) => error.message);
  assert.match(said('integer', 'redact')[0] ?? '', /column v is integer; redact is for text/);
  assert.match(said('timestamptz', { hash: { secret } })[0] ?? '', /column v is timestamp with time zone/);
  const strict = relation('public.t', 'id integer key, v text');
  const columns = strict.columns.map((column) => ({ ...column, notNull: true }));
  const { problems } = planTables(planInput([{ ...strict, columns }], [step(mask({ columns: { v: 'null' } }))]));
  assert.match(problems[0]?.message ?? '', /NOT NULL/);
});

test('the key is in the SELECT that runs and not in the plan that is shown', () => {
  const { plan } = masked('text', { hash: { secret } });
  assert.ok(plan !== undefined);
  const shown = printPlan([plan]);
  const pads = plan.query.select[1]?.match(/\\x[0-9a-f]{128}/g) ?? [];
  assert.equal(pads.length, 2);
  for (const pad of pads) assert.ok(!shown.includes(pad.slice(2)));
  assert.match(shown, /\(secret\)/);
});
