import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { SinkTraits } from '../../../../../core/api/sink.ts';
import type { Transform } from '../../../../../core/api/transform.ts';
import { loadParser } from '../../../../../core/expr/parse.ts';
import { planTables } from '../../../../../core/pipeline/plan/planner.ts';
import { columns } from '../../../../../plugins/transform-columns/plugin.ts';
import { filter } from '../../../../../plugins/transform-filter/plugin.ts';
import { rename } from '../../../../../plugins/transform-rename/plugin.ts';
import { set } from '../../../../../plugins/transform-set/plugin.ts';
import { column, kafkaTraits, messageOf, planInput, postgresTraits, relation, step } from '../../../../support/plan.ts';

before(() => loadParser());

const opaque: Transform = {
  name: 'code',
  plan: (input) => ({
    kind: 'opaque',
    because: 'code',
    output: { schema: input.schema, name: input.name, columns: input.columns.filter((c) => c.generated === 'never') },
    rows: async (rows) => rows,
    changes: async (changes, output) => changes.map((change) => ({ ...change, relation: output })),
  }),
};

/** `code: message` of every problem. */
function problems(...args: Parameters<typeof planInput>): string[] {
  return planTables(planInput(...args)).problems.map(
    (error) => `${error.code} ${error.where.table ?? '-'}: ${messageOf(error)}`,
  );
}
function only(...args: Parameters<typeof planInput>) {
  const { plans, problems: found } = planTables(planInput(...args));
  assert.deepEqual(found, []);
  const [plan] = plans;
  assert.ok(plan !== undefined && plans.length === 1);
  return plan;
}
const existing = (name: string, columnsText: string): SinkTraits => ({
  ...postgresTraits,
  existing: new Map([[name, relation(name, columnsText).columns]]),
});

test('untouched tables copy their columns as they are, in binary', () => {
  const plan = only([relation('public.t', 'id integer key, body text')], []);
  assert.deepEqual(plan.route, { kind: 'raw', format: 'binary', because: 'every type has one binary form' });
  assert.deepEqual(plan.query, { select: ['"id"', '"body"'], where: null, plain: ['id', 'body'] });
});

test('routes: what the sink takes, what binary cannot carry, what only code understands', () => {
  const table = relation('public.t', 'id integer key, body text, feeling mood');
  assert.deepEqual(only([table], []).route, {
    kind: 'raw',
    format: 'text',
    because: 'column feeling of type public.mood has no safe binary form',
  });
  assert.deepEqual(only([table], [step(columns({ drop: ['feeling'] }))]).route.kind, 'raw');
  assert.deepEqual(only([table], [], { traits: kafkaTraits }).route, {
    kind: 'rows',
    because: 'sink target takes rows',
  });
  assert.deepEqual(only([table], [step(opaque)]).route, { kind: 'rows', because: 'code: code' });
  const binaryOnly = { ...postgresTraits, rawFormats: ['binary'] as const };
  assert.equal(only([table], [], { traits: binaryOnly }).route.kind, 'rows');
});

test('what the target would read differently as bytes goes as text', () => {
  const table = relation('public.t', 'id integer key, n numeric(10,2)');
  const { baseType } = table.columns[1]!;
  const { route } = only([table], [], { traits: { ...postgresTraits, textOnly: [baseType] } });
  assert.equal(route.kind === 'raw' && route.format, 'text');
  assert.match(route.because, /bytes of numeric\(10,2\) \(column n\)/);
});

test('an existing target decides the format by its types, modifiers aside', () => {
  const table = relation('public.t', 'id integer key, n numeric(10,2)');
  const same = only([table], [], { traits: existing('public.t', 'id integer key, n numeric(12,4)') });
  assert.equal(same.route.kind === 'raw' && same.route.format, 'binary');
  const other = only([table], [], { traits: existing('public.t', 'id bigint key, n numeric') });
  assert.deepEqual(other.route, {
    kind: 'raw',
    format: 'text',
    because: 'column id is integer here and bigint in the target',
  });
});

test('an existing target must have the table and every column, and generate none of them', () => {
  const table = relation('public.t', 'id integer key, a text, b text');
  assert.deepEqual(problems([table], [], { traits: existing('public.u', 'id integer key') }), [
    'PGS4006 public.t: sink target has no table public.t',
  ]);
  assert.deepEqual(problems([table], [], { traits: existing('public.t', 'id integer key, a text generated') }), [
    'PGS4006 public.t: public.t.a is a generated column in sink target; drop it with `columns`',
    'PGS4006 public.t: public.t of sink target has no column b',
  ]);
});

test('steps compose by substitution: later expressions see earlier names and values', () => {
  const plan = only(
    [relation('public.t', 'id integer key, n integer, mail text')],
    [
      step(set({ columns: { n: 'n + 1' } })),
      step(rename({ to: 'b.u', columns: { mail: 'email', n: 'm' } })),
      step(filter({ where: 'm > 3' })),
      step(filter({ where: "email = 'x'" })),
      step(set({ columns: { k: 'm * 2' } })),
      step(columns({ drop: ['m'] })),
    ],
  );
  assert.deepEqual([plan.output.schema, plan.output.name], ['b', 'u']);
  assert.deepEqual(
    plan.output.columns.map((each) => `${each.name} ${each.typeName}`),
    ['id integer', 'email text', 'k integer'],
  );
  const sum = '("n" OPERATOR(pg_catalog.+) CAST(\'1\' AS pg_catalog.int4))';
  assert.equal(plan.query.select[2], `(${sum} OPERATOR(pg_catalog.*) CAST('2' AS pg_catalog.int4))`);
  assert.match(plan.query.where ?? '', /"n" OPERATOR\(pg_catalog\.\+\).* AND .*"mail"/);
  assert.equal(plan.query.plain, null);
});

test('set sees the columns as they were: two columns can be swapped', () => {
  const plan = only(
    [relation('public.t', 'id integer key, a text, b text')],
    [step(set({ columns: { a: 'b', b: 'a' } }))],
  );
  assert.deepEqual(plan.query.plain, ['id', 'b', 'a']);
  assert.deepEqual(
    plan.projection.columns.map((each) => each.from),
    ['id', 'b', 'a'],
  );
});

test('patterns mean the names on the source, also after a rename', () => {
  const table = relation('public.t', 'id integer key, a text');
  const steps = [step(rename({ to: 'b.u' })), step(columns({ drop: ['a'] }), ['public.t'])];
  assert.equal(only([table], steps).output.columns.length, 1);
});

test('rename: placeholders, names with dots, names too long, placeholders that do not exist', () => {
  const odd = relation('public.t', 'id integer key');
  const dotted = { ...odd, name: 'a.b' };
  assert.equal(only([dotted], [step(rename({ to: 'x.{schema}_{table}' }))]).output.name, 'public_a.b');
  assert.equal(only([odd], [step(rename({ to: '{table}_old' }))]).output.schema, 'public');
  assert.match(
    problems([odd], [step(rename({ to: 'a.b.c' }))])[0] ?? '',
    /^PGS4001 public\.t: rename: .*schema\.table/,
  );
  assert.match(problems([odd], [step(rename({ to: '{tabel}' }))])[0] ?? '', /\{tabel\}/);
  assert.match(problems([odd], [step(rename({ to: 'x'.repeat(64) }))])[0] ?? '', /63 bytes/);
});

test('two tables with one target name are found, with both names', () => {
  const tables = [relation('public.a', 'id integer key'), relation('public.b', 'id integer key')];
  assert.deepEqual(problems(tables, [step(rename({ to: 'x.y' }))]), [
    'PGS4002 public.a: sink target: public.a and public.b would both be x.y',
  ]);
  // Swapping names is no collision.
  const swap = [step(rename({ to: 'b' }), ['public.a']), step(rename({ to: 'a' }), ['public.b'])];
  assert.deepEqual(problems(tables, swap), []);
});

test('two columns of one name are found', () => {
  const table = relation('public.t', 'id integer key, a text, b text');
  assert.deepEqual(problems([table], [step(rename({ columns: { a: 'b' } }))]), [
    'PGS4003 public.t: rename: two columns are called b',
  ]);
});

test('all problems come at once, each with the label of its transform and its table', () => {
  const tables = [relation('public.a', 'id integer key, mail text'), relation('public.b', 'id integer key')];
  const steps = [
    step(columns({ drop: ['mial'] }), ['public.a'], 'transforms[0] columns'),
    step(filter({ where: 'amount > 1' }), ['public.b'], 'transforms[1] filter'),
    step(filter({ where: 'true' }), ['public.c', 'public.*'], 'transforms[2] filter'),
  ];
  const found = problems(tables, steps, { only: ['public.*', 'other.*'] });
  assert.equal(found.length, 4);
  assert.match(found[0] ?? '', /^PGS4007 -: sink target: no table of the source matches "other\.\*"$/);
  assert.match(found[1] ?? '', /^PGS4007 -: transforms\[2\] filter: no table of the source matches "public\.c"$/);
  assert.match(
    found[2] ?? '',
    /^PGS4001 public\.a: transforms\[0\] columns: there is no column mial; did you mean "mail"\?$/,
  );
  assert.match(found[3] ?? '', /^PGS4102 public\.b: transforms\[1\] filter: 1:1: /);
});

test('a pattern that matches none of the tables that are planned now, but one of the others, is no mistake', () => {
  const [a, b] = [relation('public.a', 'id integer key'), relation('public.b', 'id integer key')];
  const steps = [step(filter({ where: 'id > 0' }), ['public.b'], 'transforms[0] filter')];
  assert.equal(problems([a], steps).length, 1);
  const input = planInput([a], steps);
  const whole = planInput([a, b], steps).tables;
  assert.deepEqual(planTables({ ...input, whole }).problems, []);
});

test('an expression error tells its option and its place within', () => {
  const { problems: found } = planTables(
    planInput([relation('public.t', 'id integer key')], [step(set({ columns: { 'a/b': { expr: 'id +\n nope' } } }))]),
  );
  assert.deepEqual(found[0]?.at, { option: '/columns/a~1b/expr', line: 2, column: 2 });
});

test('a filter must be a condition', () => {
  const table = relation('public.t', 'id integer key');
  assert.match(
    problems([table], [step(filter({ where: 'id + 1' }))])[0] ?? '',
    /^PGS4104 public\.t: filter: .*boolean/,
  );
});

test('a key column that is computed or dropped is refused where the sink finds rows by it', () => {
  const table = relation('public.t', 'id integer key, a text');
  for (const transform of [columns({ drop: ['id'] }), set({ columns: { id: 'id + 1' } })]) {
    const { problems: found } = planTables(planInput([table], [step(transform)]));
    assert.equal(found[0]?.code, 'PGS4004');
    assert.match(found[0]?.remedy ?? '', /ALTER TABLE "public"\."t" REPLICA IDENTITY FULL;/);
    assert.deepEqual(found[0]?.statements, ['ALTER TABLE "public"."t" REPLICA IDENTITY FULL;']);
    assert.deepEqual(problems([table], [step(transform)], { streaming: false }), []);
    assert.deepEqual(problems([table], [step(transform)], { traits: kafkaTraits }), []);
  }
  const copied = only([table], [step(set({ columns: { id2: 'id' } })), step(columns({ drop: ['id'] }))]);
  assert.deepEqual(copied.output.identity, { kind: 'key', positions: [1] });
});

test('with REPLICA IDENTITY FULL the key may be computed or dropped; the output is matched whole', () => {
  const plan = only([relation('public.t', 'id integer key, a text', 'full')], [step(columns({ drop: ['id'] }))]);
  assert.deepEqual([plan.output.identity, plan.output.primaryKey], [{ kind: 'full' }, []]);
});

test('an opaque step that loses the key is refused, and names the key', () => {
  const table = relation('public.t', 'id integer key, a text');
  const loses: Transform = {
    name: 'code',
    plan: (input, tools) => {
      const plan = opaque.plan(input, tools);
      assert.ok(plan.kind === 'opaque');
      return { ...plan, output: { ...plan.output, columns: [column('a', 'text')] } };
    },
  };
  assert.match(problems([table], [step(loses)])[0] ?? '', /^PGS4004 public\.t: key column id /);
});

test('generated columns: left out of COPY, renamed and dropped with the rest, never read', () => {
  const table = relation('public.t', 'id integer key, a text, twice text generated');
  const plan = only([table], [step(rename({ columns: { twice: 'double' } }))]);
  assert.deepEqual(plan.query.plain, ['id', 'a']);
  assert.deepEqual(plan.generated, [{ from: 'twice', name: 'double' }]);
  assert.deepEqual(only([table], [step(columns({ drop: ['twice'] }))]).generated, []);
  assert.deepEqual(only([table], [step(opaque)]).generated, [{ from: 'twice', name: 'twice' }]);
  assert.match(
    problems([table], [step(filter({ where: "twice = 'x'" }))])[0] ?? '',
    /^PGS4005 public\.t: filter: .*twice/,
  );
  assert.match(problems([table], [step(set({ columns: { b: "twice || 'x'" } }))])[0] ?? '', /^PGS4005/);
  // In place of a generated column a computed one may stand.
  assert.deepEqual(only([table], [step(set({ columns: { twice: 'a' } }))]).generated, []);
});

test('the last column cannot be dropped; a table without columns can be planned', () => {
  const table = relation('public.t', 'id integer key, twice text generated', 'full');
  assert.match(problems([table], [step(columns({ drop: ['id'] }))])[0] ?? '', /^PGS4008/);
  const empty = { ...table, columns: [], primaryKey: [] };
  assert.deepEqual(only([empty], []).query, { select: [], where: null, plain: [] });
});

test('what follows an opaque step runs in the tail; what is before it is pushed down', async () => {
  const table = relation('public.t', 'id integer key, a text');
  const plan = only(
    [table],
    [
      step(filter({ where: 'id > 1' })),
      step(opaque),
      step(set({ columns: { b: "a || '!'" } })),
      step(filter({ where: 'id < 5' })),
      step(rename({ to: 'x.y', columns: { a: 'c' } })),
    ],
  );
  assert.match(plan.query.where ?? '', /"id"/);
  assert.doesNotMatch(plan.query.where ?? '', /5/);
  assert.deepEqual(
    plan.output.columns.map((each) => each.name),
    ['id', 'c', 'b'],
  );
  assert.deepEqual([plan.output.schema, plan.output.name, plan.output.identity.kind], ['x', 'y', 'key']);
  assert.deepEqual(
    await plan.tail?.rows([
      ['3', 'q'],
      ['7', 'q'],
    ]),
    [['3', 'q', 'q!']],
  );
});

test('domains pass as they are and are computed with as what is under them', () => {
  const table = relation('public.t', 'id integer key, d loose');
  const plan = only([table], [step(set({ columns: { e: "d || '!'" } }))]);
  assert.deepEqual(
    plan.output.columns.map((each) => each.typeName),
    ['integer', 'public.loose', 'text'],
  );
});

test('a column set to an enum keeps what the catalog said of the type', () => {
  const table = relation('public.t', 'id integer key, m mood');
  const plan = only([table], [step(set({ columns: { n: 'coalesce(m, m)' } }))]);
  const made = plan.output.columns[2];
  assert.deepEqual([made?.typeName, made?.typeKind, made?.binarySafe], ['public.mood', 'enum', false]);
});

test('types of computed columns are written as the server writes them', () => {
  const table = relation('public.t', 'id integer key, a text');
  const types = [
    'numeric(10,2)',
    'numeric',
    'varchar(20)',
    'char(3)',
    'timestamp(3)',
    'timestamptz',
    'integer[]',
    'boolean',
  ];
  const plan = only(
    [table],
    [step(set({ columns: Object.fromEntries(types.map((type, i) => [`c${i}`, { expr: 'NULL', type }])) }))],
  );
  assert.deepEqual(
    plan.output.columns.slice(2).map((each) => each.typeName),
    [
      'numeric(10,2)',
      'numeric',
      'character varying(20)',
      'character(3)',
      'timestamp(3) without time zone',
      'timestamp with time zone',
      'integer[]',
      'boolean',
    ],
  );
});

test('a transform that throws something else is named, too', () => {
  const broken: Transform = {
    name: 'broken',
    plan: () => {
      throw new TypeError('x is not a function');
    },
  };
  assert.deepEqual(problems([relation('public.t', 'id integer key')], [step(broken)]), [
    'PGS4001 public.t: broken: x is not a function',
  ]);
});

test('planning is pure: the same input gives equal plans', () => {
  const input = planInput([relation('public.t', 'id integer key, a text')], [step(filter({ where: "a = 'x'" }))]);
  assert.deepEqual(planTables(input), planTables(input));
});
