import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { MessageChange } from '../../../../../core/api/change.ts';
import type { Relation } from '../../../../../core/postgres/relation.ts';
import type { SchemaStep } from '../../../../../core/api/schema-change.ts';
import { loadParser } from '../../../../../core/expr/parse.ts';
import type { DdlMessage, DdlShape } from '../../../../../core/pipeline/plan/ddl/message.ts';
import { constant } from '../../../../../core/pipeline/plan/ddl/steps.ts';
import { createMapper } from '../../../../../core/pipeline/plan/mapper.ts';
import { type PlanStep, planTables } from '../../../../../core/pipeline/plan/planner.ts';
import { columns } from '../../../../../plugins/transform-columns/plugin.ts';
import { filter } from '../../../../../plugins/transform-filter/plugin.ts';
import { rename } from '../../../../../plugins/transform-rename/plugin.ts';
import { set } from '../../../../../plugins/transform-set/plugin.ts';
import { brief, inserted, planInput, postgresTraits, relation, step, transaction } from '../../../../support/plan.ts';

before(() => loadParser());

const table = relation('public.t', 'id integer key, a text, b integer');
const traits = { ...postgresTraits, schemaChanges: true };

function mapper(steps: readonly PlanStep[], more = traits) {
  const input = { ...planInput([table], steps, { traits: more }), followDdl: 'p' };
  return createMapper(input, planTables(input).plans);
}

/** What the trigger tells; attribute numbers by the order of `attnums`, or of the columns. */
function told(of: Relation, attnums?: readonly number[]): DdlShape {
  return {
    oid: table.oid,
    schema: of.schema,
    name: of.name,
    kind: 'table',
    identity: 'd',
    primaryKey: [1],
    index: null,
    partitionBy: null,
    bound: null,
    parent: null,
    columns: of.columns.map(({ binarySafe: _, ...column }, i) => ({
      ...column,
      attnum: attnums?.[i] ?? i + 1,
      fallback: null,
      missing: null,
    })),
  };
}

const message = (content: DdlMessage): MessageChange => ({
  kind: 'message',
  tx: transaction,
  lsn: 0x30n,
  transactional: true,
  prefix: 'pgsluice',
  content: Buffer.from(JSON.stringify({ pipeline: 'p', kind: 'ddl', ...content })),
});
const shape = (after: DdlShape, more: Partial<Extract<DdlMessage, { op: 'shape' }>> = {}): MessageChange =>
  message({ op: 'shape', tag: 'ALTER TABLE', before: told(table), after, plain: true, rewritten: false, ...more });

async function steps(map: ReturnType<typeof mapper>, change: MessageChange): Promise<readonly SchemaStep[] | null> {
  const [out] = await map.map([change]);
  return out === undefined ? null : ((out as MessageChange).schema?.steps ?? null);
}

test('columns are followed by their number through the plan; rows after the message are of the new shape', async () => {
  const map = mapper([step(rename({ to: 'crm.u', columns: { a: 'title' } }))]);
  const now = relation('public.t', 'id integer key, a text, c integer, d text');
  const made = await steps(map, shape(told(now, [1, 2, 3, 4])));
  const u = { schema: 'crm', name: 'u' };
  assert.deepEqual(
    made?.map((each) =>
      'column' in each && typeof each.column === 'object' ? { ...each, column: each.column.name } : each,
    ),
    [
      { kind: 'rename-column', table: u, from: 'b', to: 'c' },
      { kind: 'add-column', table: u, column: 'd', value: null, fallback: null },
    ],
  );
  const [row] = await map.map([inserted({ ...now, oid: table.oid }, ['1', 'x', '2', 'y'])]);
  assert.equal(brief(row as never), 'insert (1,x,2,y)');
});

test('names that swap go round by names of their own', async () => {
  const made = await steps(mapper([]), shape(told(relation('public.t', 'id integer key, b text, a integer'))));
  const names = made?.map((each) => (each.kind === 'rename-column' ? `${each.from}>${each.to}` : each.kind));
  assert.deepEqual(names, ['a>pgsluice_0_a', 'b>pgsluice_1_b', 'pgsluice_0_a>b', 'pgsluice_1_b>a']);
});

test('what the transforms leave out is nothing', async () => {
  const map = mapper([step(columns({ keep: ['id', 'a'] }))]);
  assert.equal(await steps(map, shape(told(relation('public.t', 'id integer key, a text, b bigint, c text')))), null);
});

test('a sink that takes no DDL gets the new rows and no message', async () => {
  const map = mapper([], { ...traits, schemaChanges: false });
  const now = relation('public.t', 'id integer key, a text');
  assert.equal(await steps(map, shape(told(now))), null);
  const [row] = await map.map([inserted({ ...now, oid: table.oid }, ['1', 'x'])]);
  assert.equal(brief(row as never), 'insert (1,x)');
});

const refusals: readonly (readonly [string, readonly PlanStep[], MessageChange, RegExp])[] = [
  [
    'USING',
    [],
    shape(told(relation('public.t', 'id integer key, a text, b bigint')), { plain: false }),
    /cannot be seen/,
  ],
  [
    'a conversion by settings',
    [],
    shape(told(relation('public.t', 'id integer key, a timestamp, b integer'))),
    /may not convert/,
  ],
  [
    'values of a volatile default',
    [],
    shape(told(relation('public.t', 'id integer key, a text, b integer, c text')), { rewritten: true }),
    /value of their own/,
  ],
  [
    'a filter on what changes its type',
    [step(filter({ where: 'b > 1' }))],
    shape(told(relation('public.t', 'id integer key, a text, b bigint'))),
    /reads b/,
  ],
  [
    'a computed column of what changes its type',
    [step(set({ columns: { c: 'b + 1' } }))],
    shape(told(relation('public.t', 'id integer key, a text, b bigint'))),
    /reads b/,
  ],
  [
    'a column that a transform names',
    [step(filter({ where: 'b > 1' }))],
    shape(told(relation('public.t', 'id integer key, a text, c integer'))),
    /no column "b"/,
  ],
  [
    'a change that was not told before',
    [],
    shape(told(relation('public.t', 'id integer key, a text, b integer, c text')), {
      before: told(relation('public.t', 'id integer key, a text, x text')),
    }),
    /not told/,
  ],
];
for (const [what, chain, change, text] of refusals) {
  test(`not followed: ${what}`, () => {
    assert.throws(
      () => mapper(chain).map([change]),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'PGS4018', error.message);
        assert.match(error.message, text);
        return true;
      },
    );
  });
}

test('messages of other pipelines and later kinds are left', () => {
  const map = mapper([]);
  const other = { ...shape(told(table)), content: Buffer.from('{"pipeline":"q","kind":"ddl","op":"drop"}') };
  const later = { ...shape(told(table)), content: Buffer.from('{"pipeline":"p","kind":"ddl","op":"merge"}') };
  assert.deepEqual(map.map([other, later]), []);
});

test('only defaults that mean the same in the target are kept', () => {
  const kept = (fallback: string | null) => constant({ fallback });
  for (const sql of ["'x'::text", '7', "'f(x)'::text", "'2024-01-01 00:00:00'::timestamp without time zone"]) {
    assert.equal(kept(sql), sql);
  }
  for (const sql of ["nextval('s'::regclass)", 'now()', '"Own".f()', 'my.f (1)', null]) assert.equal(kept(sql), null);
});
