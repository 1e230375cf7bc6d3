import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alterPublication, createPublication } from '../../../../../core/postgres/manifest/statements/database.ts';
import type { Writing } from '../../../../../core/postgres/manifest/statements/step.ts';
import type { Manifest, ManifestObject } from '../../../../../core/postgres/manifest/types.ts';

const nothing: Manifest = { version: 190_000, objects: new Map(), roles: new Set() };
const writing: Writing = {
  there: nothing,
  wanted: nothing,
  owners: false,
  major: 19,
  defaults: [],
  columnsOf: () => [],
  constraintsOf: () => [],
};

function publication(props: ManifestObject['props']): ManifestObject {
  const all = { 'via root': 'f', publish: 'insert, update, delete, truncate', ...props };
  return { kind: 'publication', name: ['p'], props: all, facts: {}, needs: [] };
}

const except = JSON.stringify([
  ['public', 'a'],
  ['Shop', 'order "1"'],
]);
// Syntax of CREATE PUBLICATION in the manual of PostgreSQL 19.
const cases: readonly (readonly [props: ManifestObject['props'], targets: string])[] = [
  [{ 'all tables': 't' }, 'FOR ALL TABLES'],
  [{ 'all tables': 't', except }, 'FOR ALL TABLES EXCEPT (TABLE public.a, "Shop"."order ""1""")'],
  [{ 'all tables': 't', 'all sequences': 't' }, 'FOR ALL TABLES, ALL SEQUENCES'],
  [{ 'all tables': 'f', 'all sequences': 't' }, 'FOR ALL SEQUENCES'],
  [{ 'all tables': 'f' }, ''],
];

for (const [props, targets] of cases) {
  test(`a publication is made ${targets === '' ? 'with nothing in it' : targets}`, () => {
    const [made] = createPublication(publication(props), writing);
    assert.equal(made!.sql.replace(/ WITH .*/, ''), `CREATE PUBLICATION p${targets === '' ? '' : ` ${targets}`}`);
  });
}

test('one with other exceptions is made again: ALTER cannot take them out of every form', () => {
  const [there, wanted] = [publication({ 'all tables': 't' }), publication({ 'all tables': 't', except })];
  assert.equal(alterPublication(there, wanted, writing), null);
  assert.equal(alterPublication(wanted, wanted, writing)?.length, 0);
});
