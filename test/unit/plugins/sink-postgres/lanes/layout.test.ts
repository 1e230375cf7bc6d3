import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change } from '../../../../../core/api/change.ts';
import type { Identity, Relation } from '../../../../../core/postgres/relation.ts';
import { assign, everyLane, groupsOf, Lanes } from '../../../../../plugins/sink-postgres/lanes/layout.ts';
import { tellDivision } from '../../../../../plugins/sink-postgres/lanes/tell.ts';
import { Feed } from '../../../../support/apply.ts';

const relation = (name: string, identity: Identity, types: readonly number[] = [23, 25]): Relation => ({
  oid: 1,
  schema: 'public',
  name,
  kind: 'table',
  columns: ['id', 'v'].map((column, i) => ({ name: column, type: types[i] }) as Relation['columns'][number]),
  identity,
  primaryKey: [0],
});
const byKey: Identity = { kind: 'key', positions: [0] };
const layout = { lanes: 4, tables: { 'public.t': 2, 'public.whole': 3 }, keys: { 'public.t': ['id'] } };

test('tables that foreign keys connect are one group, and the busiest groups are spread first', () => {
  const tables = ['a', 'b', 'c', 'd', 'e'].map((name, i) => ({ name, writes: 10 ** i }));
  const groups = {
    tables,
    edges: [
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'a'],
    ] as const,
  };
  assert.deepEqual(
    groupsOf(groups).map(({ names }) => names.toSorted().join()),
    ['e', 'd', 'a,b,c'],
  );
  assert.deepEqual(assign(groups, 2), { e: 0, d: 1, a: 1, b: 1, c: 1 });
});

test('every change of a row has one lane, and rows are spread over all of them', () => {
  for (const identity of [byKey, { kind: 'full' } as const]) {
    const t = relation('t', identity);
    const lanes = new Lanes(layout);
    const feed = new Feed();
    const used = new Map<number, number>();
    for (let id = 0; id < 1000; id++) {
      const key = String(id);
      const old = identity.kind === 'full' ? { image: 'full' as const, tuple: [key, 'x'] } : null;
      const of = [
        feed.insert(t, [key, 'x']),
        feed.update(t, [key, 'y'], old),
        feed.delete(t, [key, 'y'], identity.kind),
      ].map((change) => lanes.of(change as Change));
      assert.equal(new Set(of).size, 1, key);
      used.set(of[0]!, (used.get(of[0]!) ?? 0) + 1);
    }
    assert.deepEqual([...used.keys()].sort(), [0, 1, 2, 3]);
    for (const count of used.values()) assert.ok(count > 200 && count < 300, String(count));
    assert.equal(lanes.misfits.size, 0);
  }
});

test('what no layout can divide concerns every lane, and is named', () => {
  const feed = new Feed();
  const of = (r: Relation) => {
    const lanes = new Lanes(layout);
    return [lanes.of(feed.insert(r, ['1', 'x'])), [...lanes.misfits]];
  };
  assert.deepEqual(of(relation('whole', byKey)), [3, []]);
  assert.deepEqual(of(relation('later', byKey)), [everyLane, ['public.later']]);
  assert.deepEqual(of(relation('t', { kind: 'key', positions: [1] })), [everyLane, ['public.t']], 'another index');
  assert.deepEqual(of(relation('t', byKey, [1700, 25])), [everyLane, ['public.t']], 'numeric: 1.0 equals 1');
  assert.deepEqual(of({ ...relation('t', byKey), opaque: true }), [everyLane, ['public.t']], 'through a script');
});

test('plan prints the groups with their share, and says when one of them decides how fast all is', () => {
  const tables = ['a', 'b', 'c', 'log'].map((name, i) => ({
    name,
    writes: [60, 20, 20, 0][i]!,
    whole: name === 'log' ? 'no primary key' : null,
  }));
  const connected = [['a', 'b']] as const;
  assert.deepEqual(tellDivision({ tables, connected }, 8, 'group'), [
    'lanes: 8 by group',
    '  80% of the writes: a, b',
    '  20% of the writes: c',
    '  note: one group has 80% of the writes: lanes apply at most 1.3 times what one session does; by: key divides the rows of its tables',
  ]);
  const even = tables.map((table) => ({ ...table, writes: 25 }));
  assert.doesNotMatch(tellDivision({ tables: even, connected: [] }, 8, 'table').join('\n'), /note/);
  assert.deepEqual(tellDivision({ tables, connected }, 8, 'key'), [
    'lanes: 8 by key',
    '  whole in one lane: log (no primary key)',
    '  foreign keys: made at the cutover (with schema: create)',
  ]);
});
