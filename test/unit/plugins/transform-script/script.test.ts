import type { PgsluiceError } from '../../../../core/base/error.ts';
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { Change, RowChange } from '../../../../core/api/change.ts';
import { UNCHANGED } from '../../../../core/postgres/tuple.ts';
import type { PluginContext } from '../../../../core/api/context.ts';
import type { Relation } from '../../../../core/postgres/relation.ts';
import type { Script } from '../../../../core/api/script.ts';
import { loadParser } from '../../../../core/expr/parse.ts';
import { createMapper } from '../../../../core/pipeline/plan/mapper.ts';
import { planTables } from '../../../../core/pipeline/plan/planner.ts';
import { filter } from '../../../../plugins/transform-filter/plugin.ts';
import { rename } from '../../../../plugins/transform-rename/plugin.ts';
import { type ScriptOptions, script, transformScript } from '../../../../plugins/transform-script/plugin.ts';
import {
  brief,
  messageOf,
  deleted,
  inserted,
  planInput,
  relation,
  step,
  transaction,
  updated,
} from '../../../support/plan.ts';

before(() => loadParser());

function planned(table: Relation, run: Script, options: Partial<Omit<ScriptOptions, 'module'>> = {}) {
  const input = planInput([table], [step(script(run, options), null, 'transforms[0] script')]);
  const { plans, problems } = planTables(input);
  assert.deepEqual(problems, []);
  const [plan] = plans;
  assert.ok(plan !== undefined && plan.tail !== null);
  return { plan, tail: plan.tail, map: createMapper(input, plans) };
}
async function run(table: Relation, by: Script, changes: readonly Change[]): Promise<string[]> {
  const out = await planned(table, by).map.map(changes);
  return (out as readonly RowChange[]).map(brief);
}
const drops: Script = (rows) => rows.filter((row) => row['state'] !== 'draft');
const upper: Script = (rows) => rows.map((row) => ({ ...row, state: row['state']?.toUpperCase() ?? null }));
const twice: Script = (rows) => rows.flatMap((row) => [row, row]);
const failure = (code: string, pattern: RegExp) => (error: PgsluiceError) => {
  const all = `${messageOf(error)} ${JSON.stringify(error.where)} ${error.remedy}`;
  assert.equal(error.code, code, all);
  assert.match(all, pattern);
  return true;
};
const keyed = () => relation('public.t', 'id integer key, state text');
const whole = () => relation('public.t', 'id integer key, state text', 'full');

test('snapshot rows: changed, dropped, added, with declared columns', async () => {
  const by: Script = (rows, info) =>
    rows.flatMap(({ id, state }) =>
      typeof state !== 'string' ? [] : [{ id: id ?? null, length: String(state.length), phase: info.phase }],
    );
  const { plan, tail } = planned(keyed(), by, { drop: ['state'], add: { length: 'integer', phase: 'text' } });
  assert.deepEqual(
    plan.output.columns.map((each) => `${each.name} ${each.typeName}`),
    ['id integer', 'length integer', 'phase text'],
  );
  assert.deepEqual(
    await tail.rows([
      ['1', 'abc'],
      ['2', null],
    ]),
    [['1', '3', 'snapshot']],
  );
});

test('what a script forgets or misspells is an error, never NULL', async () => {
  const bad: readonly (readonly [unknown, RegExp])[] = [
    [[{ id: '1' }], /column state of a row is undefined/],
    [[{ id: 1, state: 'a' }], /column id of a row is number/],
    [[{ id: '1', state: 'a', extra: 'b' }], /a row has extra/],
    [[null], /null where a row should be/],
    [{}, /object instead of an array/],
  ];
  for (const [rows, pattern] of bad) {
    const { tail } = planned(keyed(), () => rows as never);
    await assert.rejects(tail.rows([['1', 'a']]), failure('PGS4061', pattern));
  }
});

test('an error that a script throws names transform, table and position', async () => {
  const throws: Script = () => {
    throw new Error('no luck');
  };
  const { tail, map } = planned(keyed(), throws);
  await assert.rejects(tail.rows([['1', 'a']]), failure('PGS4015', /transforms\[0\] script: no luck .*public\.t/));
  await assert.rejects(
    async () => map.map([inserted(keyed2(map), ['1', 'a'], 0x77n)]),
    failure('PGS4015', /no luck .*"table":"public\.t".*"lsn":"0\/77"|"lsn":"0\/77".*public\.t/),
  );
});
/** The relation that the mapper was planned for, by the name of its output. */
const keyed2 = (map: { outputs(): readonly { readonly output: Relation }[] }): Relation =>
  map.outputs()[0]?.output as Relation;

test('with the whole old row known, both sides are mapped and compared', async () => {
  const table = whole();
  assert.deepEqual(
    await run(table, drops, [
      inserted(table, ['1', 'draft']),
      inserted(table, ['2', 'new']),
      updated(table, ['1', 'new'], { full: ['1', 'draft'] }),
      updated(table, ['2', 'draft'], { full: ['2', 'new'] }),
      updated(table, ['1', UNCHANGED], { full: ['1', 'new'] }),
      deleted(table, { full: ['1', 'new'] }),
      deleted(table, { full: ['2', 'draft'] }),
    ]),
    ['insert (2,new)', 'insert (1,new)', 'delete full(2,new)', 'update full(1,new) (1,new)', 'delete full(1,new)'],
  );
  assert.deepEqual(await run(table, twice, [updated(table, ['1', 'b'], { full: ['1', 'a'] })]), [
    'delete full(1,a)',
    'delete full(1,a)',
    'insert (1,b)',
    'insert (1,b)',
  ]);
});

test('with a key the row may be absent, and the key must stay', async () => {
  const table = keyed();
  assert.deepEqual(
    await run(table, upper, [
      inserted(table, ['1', 'a']),
      inserted(table, ['2', 'b']),
      updated(table, ['1', 'b']),
      updated(table, ['3', 'b'], { key: ['1', null] }),
      deleted(table, { key: ['3', null] }),
    ]),
    [
      'insert (1,A)',
      'insert (2,B)',
      'update (1,B) maybe',
      'update key(1,null) (3,B) maybe',
      'delete key(3,null) maybe',
    ],
  );
  assert.deepEqual(await run(table, drops, [updated(table, ['1', 'draft'])]), ['delete key(1,null) maybe']);
  const other: Script = (rows) => rows.map((row) => ({ ...row, id: '9' }));
  await assert.rejects(
    run(table, other, [updated(table, ['1', 'b'])]),
    failure('PGS4062', /changed a column of the key/),
  );
  await assert.rejects(run(table, twice, [updated(table, ['1', 'b'])]), failure('PGS4062', /2 rows of one/));
  await assert.rejects(run(table, upper, [updated(table, ['1', UNCHANGED])]), failure('PGS4062', /did not send/));
});

test('inserts of one transaction go in one call, of two in two', async () => {
  const table = keyed();
  const sizes: number[] = [];
  const counts: Script = (rows) => {
    sizes.push(rows.length);
    return rows;
  };
  const next = { ...transaction, xid: 8 };
  const later = { ...inserted(table, ['3', 'c']), tx: next } as RowChange;
  await run(table, counts, [inserted(table, ['1', 'a']), inserted(table, ['2', 'b']), later]);
  assert.deepEqual(sizes, [2, 1]);
});

test('order is kept between tables with and without a script, and around TRUNCATE', async () => {
  const a = keyed();
  const b = { ...relation('public.b', 'id integer key'), oid: a.oid + 5000 };
  const steps = [
    step(script(upper), ['public.t']),
    step(filter({ where: "state <> 'X'" }), ['public.t']),
    step(rename({ to: 'x.{table}' })),
  ];
  const input = planInput([a, b], steps);
  const { plans, problems } = planTables(input);
  assert.deepEqual(problems, []);
  const truncate: Change = {
    kind: 'truncate',
    tx: transaction,
    lsn: 1n,
    relations: [a, b],
    cascade: false,
    restartIdentity: false,
  };
  const out = await createMapper(input, plans).map([
    inserted(a, ['1', 'a']),
    inserted(b, ['1']),
    inserted(a, ['2', 'x']),
    truncate,
    inserted(a, ['3', 'c']),
    inserted(b, ['2']),
  ]);
  assert.deepEqual(
    out.map((change) =>
      change.kind === 'truncate' || change.kind === 'message'
        ? change.kind
        : `${change.relation.schema}.${change.relation.name} ${brief(change)}`,
    ),
    ['x.t insert (1,A)', 'x.b insert (1)', 'truncate', 'x.t insert (3,C)', 'x.b insert (2)'],
  );
});

test('a module is loaded from beside the pipeline file; a missing or odd one is refused', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'script-'));
  try {
    await writeFile(join(directory, 'good.ts'), 'export default (rows: Record<string, string | null>[]) => rows;\n');
    await writeFile(join(directory, 'odd.ts'), 'export default 5;\n');
    const context = { directory } as PluginContext;
    const create = (module: string) => transformScript.create({ module } as never, context);
    assert.equal((await create('./good.ts')).name, 'script');
    await assert.rejects(async () => create('./odd.ts'), failure('PGS4060', /no function as its default export/));
    await assert.rejects(async () => create('./missing.ts'), failure('PGS4060', /missing\.ts/));
  } finally {
    await rm(directory, { recursive: true });
  }
});
