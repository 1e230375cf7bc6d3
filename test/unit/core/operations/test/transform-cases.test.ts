import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { cli } from '../../../../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'pgsluice-cases-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'shop.yaml');
const beside = join(folder, 'shop.test.yaml');

const pipeline = `pipeline: shop
source: { plugin: postgres, url: "postgres://nowhere/x" }
transforms:
  - { plugin: filter, tables: public.orders, where: "state <> 'draft'" }
  - { plugin: mask, tables: public.customer, columns: { mail: { hash: { secret: "a long secret", length: 16 } } } }
  - { plugin: rename, tables: public.orders, to: crm.sale, columns: { total: amount } }
  - { plugin: script, tables: public.pair, module: ./pair.mjs }
  - { plugin: set, tables: public.word, columns: { v: "upper(v)" } }
sinks:
  - { plugin: postgres, url: "postgres://nowhere/y" }
  - { plugin: kafka, brokers: ["localhost:1"], transforms: [{ plugin: columns, tables: public.orders, drop: [state] }] }
tests:
  - name: drafts stay out
    table: public.orders
    columns: &orders { id: integer, state: text, total: "numeric(10,2)", at: timestamptz }
    key: id
    row: { id: 1, state: draft }
    expect: nothing
  - name: values are written as the server prints them
    table: orders
    columns: *orders
    key: id
    row: { id: 1, state: open, total: 3, at: 2024-01-02T03:04:05+02:00 }
    target: crm.sale
    expect: { id: "01", state: open, amount: 3.000, at: 2024-01-02 01:04:05+00 }
`;
writeFileSync(
  join(folder, 'pair.mjs'),
  'export default (rows) => rows.flatMap((row) => [row, { ...row, id: row.id + "0" }]);',
);

const run = async (main: string, more: string | null = null) => {
  writeFileSync(file, main);
  if (more === null) rmSync(beside, { force: true });
  else writeFileSync(beside, more);
  return cli(['test', file]);
};

test('the cases of the file pass', async () => {
  const result = await run(pipeline);
  assert.equal(result.stderr, '');
  assert.equal(result.code, 0, result.stdout);
  assert.match(result.stdout, /^ok {3}drafts stay out .*\nok {3}values .*\n2 cases, all pass\n$/);
});

test('updates and deletes, another sink, a script, and a mask, from the file beside', async () => {
  const result = await run(
    pipeline,
    `tests:
  - { name: in, table: orders, columns: &o { id: integer, state: text, total: numeric }, key: id, identity: full,
      update: { from: { id: 1, state: draft }, to: { id: 1, state: open } }, expect: { insert: { id: 1, state: open, amount: null } } }
  - { name: in by key, table: orders, columns: *o, key: id,
      update: { from: { id: 1, state: draft }, to: { id: 1, state: open } }, expect: { update: { id: 1, state: open, amount: null } } }
  - { name: out, table: orders, columns: *o, key: id,
      update: { from: { id: 1, state: open }, to: { id: 1, state: draft } }, expect: { delete: { id: 1 } } }
  - { name: gone, table: orders, columns: *o, key: id, identity: full, delete: { id: 1, state: draft }, expect: nothing }
  - { name: kafka, sink: kafka, table: orders, columns: *o, key: id, row: { id: 1, state: open, total: 1 }, expect: { id: 1, amount: 1 } }
  - { name: letters, table: word, columns: { v: text }, row: { v: né ß }, expect: { v: NÉ SS } }
  - { name: script, table: pair, columns: { id: text }, row: { id: a }, expect: [{ id: a }, { id: a0 }] }
  - { name: mask, table: customer, columns: { id: integer, mail: text }, key: id, row: { id: 1, mail: a@b.c }, expect: { id: 1, mail: c6b48d6b2d3ce3fa } }
`,
  );
  assert.equal(result.stderr, '');
  const lines = result.stdout.split('\n');
  assert.equal(lines.filter((line) => line.startsWith('ok')).length, 9, result.stdout);
  // The hash is not the one written above: what came and what was expected are shown.
  assert.match(
    result.stdout,
    /FAIL mask .*shop\.test\.yaml:12\)\n.*insert public\.customer\n.*id {4}"1"\n.*- mail {2}"c6b4.*"\n.*\+ mail {2}"[0-9a-f]{16}"/,
  );
  assert.equal(result.code, 1);
});

test('an error of an expression fails its case and no other', async () => {
  const result = await run(
    pipeline.replace("state <> 'draft'", '10 / id > 0').replace(/tests:[\s\S]*/, ''),
    `tests:
  - { table: orders, columns: { id: integer, total: text }, row: { id: 0 }, expect: nothing }
  - { table: orders, columns: { id: integer, total: text }, row: { id: 1 }, expect: { id: 1, amount: null } }
`,
  );
  assert.equal(result.code, 1);
  assert.match(result.stdout, /FAIL case 1 .*\n {5}! division by zero.*\nok {3}case 2/);
});

test('wrong files say where, all at once', async () => {
  const result = await run(
    pipeline.replace(/tests:[\s\S]*/, ''),
    `tests:
  - { table: orders, columns: { id: intger }, key: idd, row: { i: 1 }, expect: nothing }
  - { table: orders, columns: { id: integer }, expect: nothing }
  - { table: orders, columns: { id: integer }, delete: { id: 1 }, expect: { id: 1 } }
  - { table: orders, columns: { id: integer }, sink: kafak, delete: { id: 1 }, expect: nothing }
`,
  );
  assert.equal(result.code, 2, result.stdout);
  const places = result.stderr.split('\n').map((line) => /shop\.test\.yaml:(\d+:\d+): .*\(PGS1017\)/.exec(line)?.[1]);
  assert.deepEqual(
    places.filter((place) => place !== undefined),
    ['2:37', '2:52', '2:64', '3:5', '4:75', '5:1'],
  );
  const unknown = await run(`${pipeline.replace(/tests:[\s\S]*/, '')}tests: [{ tabel: x }]\n`);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /unknown key "tabel".*did you mean "table"/);
  const none = await run(pipeline.replace(/tests:[\s\S]*/, ''));
  assert.equal(none.code, 2);
  assert.match(none.stderr, /no cases/);
});
