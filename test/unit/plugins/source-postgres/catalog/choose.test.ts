import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseTables } from '../../../../../plugins/source-postgres/catalog/choose.ts';
import type { PageRange } from '../../../../../core/api/snapshot.ts';
import type { CatalogTable } from '../../../../../plugins/source-postgres/catalog/tables.ts';
import { defaultName } from '../../../../../plugins/source-postgres/names.ts';
import { cutChunks } from '../../../../../plugins/source-postgres/snapshot/chunks.ts';
import { parseDump, withoutOurs } from '../../../../../plugins/source-postgres/schema/parse.ts';

let oid = 1;
function table(name: string, more: Partial<CatalogTable> = {}): CatalogTable {
  const [schema, own] = name.split('.') as [string, string];
  const base = {
    isPartition: false,
    unlogged: false,
    replicaIdentity: 'd',
    bytes: 0,
    rows: 0,
    parent: null,
    inherits: [],
  };
  return { oid: oid++, schema, name: own, relkind: 'r', ...base, ...more };
}
const root = table('public.event', { relkind: 'p' });
const middle = table('public.event_2024', { relkind: 'p', isPartition: true, parent: root.oid });
const leaf = table('archive.leaf_a', { isPartition: true, parent: middle.oid });
const other = table('public.event_2023', { isPartition: true, parent: root.oid });
const tables = [
  table('public.orders'),
  root,
  middle,
  leaf,
  other,
  table('crm.account'),
  table('crm.remote', { relkind: 'f' }),
];
const names = (list: readonly CatalogTable[]) => list.map(({ schema, name }) => `${schema}.${name}`);

test('all user tables by default, a foreign table is not copied and not left out', () => {
  const { chosen, excluded } = chooseTables(tables, {});
  assert.deepEqual(names(chosen), ['public.orders', 'archive.leaf_a', 'public.event_2023', 'crm.account']);
  assert.deepEqual(names(excluded), []);
});

test('a pattern on a partitioned table takes its leaves at any depth', () => {
  const { chosen, excluded } = chooseTables(tables, { include: ['event'] });
  assert.deepEqual(names(chosen), ['archive.leaf_a', 'public.event_2023']);
  assert.deepEqual(names(excluded), ['public.orders', 'crm.account', 'crm.remote']);
});

test('exclude wins, also through a parent; a parent without a chosen leaf is left out', () => {
  const { chosen, excluded } = chooseTables(tables, { exclude: ['public.event_2024', 'crm.*'] });
  assert.deepEqual(names(chosen), ['public.orders', 'public.event_2023']);
  assert.deepEqual(names(excluded), ['public.event_2024', 'archive.leaf_a', 'crm.account', 'crm.remote']);
});

test('patterns that match nothing are named together, with what may be meant', () => {
  assert.throws(() => chooseTables(tables, { include: ['public.ordres', 'crm.*'], exclude: ['zzz.*'] }), {
    code: 'PGS2101',
    message: 'no table of the source matches "public.ordres" (did you mean "public.orders"?), "zzz.*"',
  });
});

test('slot names are legal, and two pipelines never share one', () => {
  assert.equal(defaultName('shop'), 'pgsluice_shop');
  const mapped = ['shop-eu', 'shop.eu', 'Shop_eu', 'ü'.repeat(80), `${'a'.repeat(80)}b`, 'a'.repeat(80)].map(
    defaultName,
  );
  assert.equal(new Set(mapped).size, mapped.length);
  for (const name of mapped) assert.match(name, /^[a-z0-9_]{1,63}$/);
});

const relation = {
  oid: 1,
  schema: 's',
  name: 't',
  kind: 'table',
  columns: [],
  identity: { kind: 'full' },
  primaryKey: [],
} as const;

test('chunks cover every page once, and the last is open', () => {
  for (const [pages, bytes, chunk] of [
    [1000, 8_192_000, 1_000_000],
    [7, 57_344, 1],
    [1, 1e9, 1e6],
    [1001, 9e6, 2.9e6],
  ] as const) {
    const chunks = cutChunks(relation, { pages, bytes }, chunk);
    let next = 0;
    for (const [i, { range: of, id }] of chunks.entries()) {
      const range = of as PageRange | null;
      assert.equal(id, `s.t#${i}`);
      if (chunks.length === 1) assert.equal(range, null);
      else assert.equal(range?.fromPage, next);
      next = range?.toPage ?? Number.POSITIVE_INFINITY;
    }
    assert.equal(next, Number.POSITIVE_INFINITY);
    assert.ok(Math.abs(chunks.reduce((sum, c) => sum + c.bytes, 0) - bytes) <= chunks.length);
  }
  assert.equal(cutChunks(relation, { pages: 0, bytes: 0 }, 1).length, 1);
});

test('what other servers refuse and what is ours is taken out of a dump', () => {
  const entry = (name: string, type: string, sql: string) =>
    `--\n-- Name: ${name}; Type: ${type}; Schema: s; Owner: o\n--\n\n${sql}\n\n\n`;
  const text = [
    '-- preamble\n\\restrict abc\n\nSET transaction_timeout = 0;\n',
    entry(
      'a',
      'TABLE',
      'CREATE TABLE s.a (x int);\nALTER TABLE ONLY s.a ALTER COLUMN x SET (pg_attver=3);\n\nSET default_table_access_method = zheap;',
    ),
    entry(
      'b',
      'TABLE',
      "CREATE TABLE s.b (x int);\nALTER TABLE ONLY s.b ALTER COLUMN x SET (n_distinct=5, pg_attver='1');",
    ),
    entry('a_x', 'INDEX', 'CREATE INDEX a_x ON s.a (x);'),
    entry('own', 'PUBLICATION', 'CREATE PUBLICATION own;'),
    entry('own a', 'PUBLICATION TABLE', 'ALTER PUBLICATION own ADD TABLE ONLY s.a;'),
    entry('ownother a', 'PUBLICATION TABLE', 'ALTER PUBLICATION ownother ADD TABLE ONLY s.a;'),
    entry('sub', 'SUBSCRIPTION', 'CREATE SUBSCRIPTION sub;'),
    '--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n',
  ].join('');
  const objects = withoutOurs(parseDump(text), 'own');
  assert.deepEqual(
    objects.map(({ name, section, sql }) => [name, section, sql]),
    [
      ['a', 'pre-data', 'CREATE TABLE s.a (x int);'],
      [
        'b',
        'pre-data',
        'SET default_table_access_method = zheap;\nCREATE TABLE s.b (x int);\nALTER TABLE ONLY s.b ALTER COLUMN x SET (n_distinct=5);\nSET default_table_access_method = heap;',
      ],
      ['a_x', 'post-data', 'CREATE INDEX a_x ON s.a (x);'],
      ['ownother a', 'post-data', 'ALTER PUBLICATION ownother ADD TABLE ONLY s.a;'],
    ],
  );
});
