import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Relation } from '../../../../../core/postgres/relation.ts';
import { rowIdentity } from '../../../../../plugins/sink-postgres/apply/identity.ts';
import { NetChange } from '../../../../../plugins/sink-postgres/apply/net-change.ts';
import type { TargetTable, UniqueIndex } from '../../../../../plugins/sink-postgres/apply/target-table.ts';
import { Feed, full, key } from '../../../../support/apply.ts';

const relation = (more: Partial<Relation> = {}): Relation => ({
  oid: 1,
  schema: 'public',
  name: 't',
  kind: 'table',
  columns: ['id', 'v'].map((name) => ({ name }) as Relation['columns'][number]),
  identity: { kind: 'full' },
  primaryKey: [0],
  ...more,
});
const index = (more: Partial<UniqueIndex> = {}): UniqueIndex => ({
  oid: 7,
  columns: ['id'],
  immediate: true,
  usable: true,
  plain: true,
  notNull: true,
  comparesAsColumns: true,
  ...more,
});
const target = (unique: readonly UniqueIndex[]) => ({ columns: [{}, {}], unique }) as unknown as TargetTable;

test('with identity full, a key finds rows only while both sides enforce it', () => {
  const found = (more: Partial<Relation>, unique: readonly UniqueIndex[]) =>
    rowIdentity(relation(more), target(unique)).key;
  assert.deepEqual(found({}, [index()]), [0]);
  assert.deepEqual(found({}, [index({ immediate: false }), index({ oid: 8 })]), [0]);
  assert.equal(found({ deferrableKey: true }, [index()]), null);
  assert.equal(found({ primaryKey: [] }, [index()]), null);
  assert.equal(found({}, []), null);
  assert.equal(found({}, [index({ columns: ['id', 'v'] })]), null);
  for (const fact of ['immediate', 'usable', 'plain', 'notNull', 'comparesAsColumns'] as const) {
    assert.equal(found({}, [index({ [fact]: false })]), null, fact);
  }
});

test('a key that the source enforces finds rows always, and is reduced only where the target enforces it, too', () => {
  const keyed = relation({ identity: { kind: 'key', positions: [0] } });
  assert.deepEqual(rowIdentity(keyed, target([index()])), { key: [0], index: 7, because: null });
  const alone = rowIdentity(keyed, target([index({ immediate: false })]));
  assert.deepEqual([alone.key, alone.index], [[0], null]);
  assert.match(alone.because ?? '', /the target enforces no unique key/);
});

const net = (mixed = false) => new NetChange([0], { moves: true, lenient: false, integer: false, mixed });

test('changes that cannot be of one enforced key are not reduced: the whole old row tells', () => {
  const feed = new Feed();
  const t = relation();
  const shift = net();
  assert.equal(shift.add(feed.update(t, ['2', 'v1'], full('1', 'v1'))), true);
  assert.equal(shift.add(feed.update(t, ['3', 'v2'], full('2', 'v2'))), false);
  const twin = net();
  assert.equal(twin.add(feed.insert(t, ['1', 'twin'])), true);
  assert.equal(twin.add(feed.delete(t, ['1', 'v1'], 'full')), false);
  const chain = net();
  for (const change of [
    feed.insert(t, ['1', 'a']),
    feed.update(t, ['1', 'b'], full('1', 'a')),
    feed.update(t, ['2', 'b'], full('1', 'b')),
    feed.delete(t, ['2', 'b'], 'full'),
  ]) {
    assert.equal(chain.add(change), true);
  }
});

test('a row of one table of the source is not taken for that of another which fills the same target', () => {
  const feed = new Feed();
  const identity = { kind: 'key', positions: [0] } as const;
  const [a, b] = [relation({ oid: 1, identity }), relation({ oid: 2, identity })];
  const apart = net(true);
  assert.equal(apart.add(feed.insert(a, ['1', 'of a'])), true);
  assert.equal(apart.add(feed.delete(b, ['1', null])), false);
  const changed = net(true);
  assert.equal(changed.add(feed.update(a, ['1', 'x'])), true);
  assert.equal(changed.add(feed.update(b, ['1', 'y'])), false);
  const moved = net(true);
  assert.equal(moved.add(feed.delete(a, ['1', null])), true);
  assert.equal(moved.add(feed.insert(b, ['1', 'went to b'])), true);
  assert.equal(moved.add(feed.update(b, ['3', 'on'], key('1', null))), true);
  assert.equal(moved.add(feed.delete(a, ['3', null])), false);
});
