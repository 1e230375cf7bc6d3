import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InsertChange, TransactionInfo } from '../../../../../core/api/change.ts';
import { WireInsert } from '../../../../../core/api/wire-change.ts';
import { LargeRow } from '../../../../../core/pipeline/plan/large-row.ts';
import type { Relation } from '../../../../../core/postgres/relation.ts';

const relation = {
  schema: 'public',
  name: 't',
  columns: [{ name: 'a' }, { name: 'b' }, { name: 'c' }],
} as unknown as Relation;
const tx = { xid: 1 } as unknown as TransactionInfo;

function wire(...values: readonly (string | Buffer | null)[]): WireInsert {
  const parts = values.map((value) => {
    if (value === null) return Buffer.from('n');
    const bytes = Buffer.from(value);
    const head = Buffer.alloc(5);
    head[0] = 0x74;
    head.writeInt32BE(bytes.length, 1);
    return Buffer.concat([head, bytes]);
  });
  const buffer = Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 0, 0, 9]), ...parts]);
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  return new WireInsert(
    { buffer, view, columns: values.length, start: 8, end: buffer.length, whole: true, lsnAt: 0 },
    relation,
    tx,
  );
}

test('a large value is a mark while its row is mapped, and its bytes afterwards', () => {
  assert.equal(LargeRow.of(wire('1', 'small', null)), null);
  const large = Buffer.alloc(65 << 20, 0x78);
  const row = LargeRow.of(wire('é', large, null))!;
  const change = row.change as InsertChange;
  assert.deepEqual([change.after[0], change.after[2], change.lsn], ['é', null, 9n]);
  assert.ok(change.after[1]!.length < 10);
  row.refuseReads([0, 2]);
  assert.throws(() => row.refuseReads([1]), /PGS4030|a transform reads b, whose text takes 65/);
  // Another order, a computed value, the value twice.
  const [a, mark, none] = change.after as [string, string, null];
  const mapped = row.written({ ...change, after: [mark, 'new', none, a, mark] }) as WireInsert;
  assert.equal(mapped.lsn, 9n);
  assert.deepEqual(
    [mapped.columns, mapped.whole, mapped.cell(1), mapped.cell(2), mapped.cell(3)],
    [5, true, 'new', null, 'é'],
  );
  for (const at of [0, 4]) assert.ok(mapped.raw(at)!.equals(large));
});
