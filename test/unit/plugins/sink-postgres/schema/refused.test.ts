import assert from 'node:assert/strict';
import { test } from 'node:test';
import { causes, isThere, type Refused } from '../../../../../plugins/sink-postgres/schema/refused.ts';

type Row = readonly [ordinal: number, type: string, name: string, sqlstate: string, message: string];
const refused = (...[ordinal, type, name, sqlstate, message]: Row): Refused => ({
  object: { ordinal, type, name, sql: '' },
  sqlstate,
  message,
});

test('each refused object stands with the one that it lacks in the end; others stand by themselves', () => {
  const all = [
    refused(1, 'VIEW', 's.arrays', '42601', 'syntax error'),
    refused(2, 'VIEW', 's.On top', '42P01', 'relation "s.arrays" does not exist'),
    refused(3, 'COMMENT', 's.VIEW "On top"', '42P01', 'relation "s.On top" does not exist'),
    refused(4, 'FUNCTION', 's.f(integer)', '42704', 'type "s.nowhere" does not exist'),
    refused(5, 'ACL', 's.FUNCTION f(integer)', '42883', 'function s.f(integer) does not exist'),
    refused(6, 'CONSTRAINT', 's.t one', '42601', 'syntax error'),
  ];
  const found = causes(all).map(({ root, behind }) => [
    root.object.ordinal,
    behind.map(({ object }) => object.ordinal),
  ]);
  assert.deepEqual(found, [
    [1, [2, 3]],
    [4, [5]],
    [6, []],
  ]);
});

test('what is there counts only where it was told before, but for a schema', () => {
  const cast = refused(1, 'CAST', 'CAST (a AS b)', '42710', 'cast already exists');
  assert.equal(isThere(cast, false), false);
  assert.equal(isThere(cast, true), true);
  assert.equal(isThere(refused(1, 'SCHEMA', 'public', '42P06', 'schema exists'), false), true);
  assert.equal(isThere(refused(1, 'VIEW', 'v', '42601', 'syntax error'), true), false);
});
