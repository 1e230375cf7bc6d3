import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InsertChange, TransactionInfo, UpdateChange } from '../../../../../core/api/change.ts';
import { WireInsert } from '../../../../../core/api/wire-change.ts';
import { LargeRow } from '../../../../../core/pipeline/plan/large-row.ts';
import type { Relation } from '../../../../../core/postgres/relation.ts';
import { UNCHANGED } from '../../../../../core/postgres/tuple.ts';

const relation = {
  schema: 'public',
  name: 't',
  columns: [{ name: 'a' }, { name: 'b' }, { name: 'c' }],
} as unknown as Relation;
const tx = { xid: 1 } as unknown as TransactionInfo;

const none: ReadonlySet<number> = new Set();

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
  assert.equal(LargeRow.of(wire('1', 'small', null), none), null);
  const large = Buffer.alloc(65 << 20, 0x78);
  const row = LargeRow.of(wire('é', large, null), none)!;
  const change = row.change as InsertChange;
  assert.deepEqual([change.after[0], change.after[2], change.lsn], ['é', null, 9n]);
  assert.ok(change.after[1]!.length < 10);
  row.refuseReads();
  // Another order, a computed value, the value twice.
  const [a, mark, nothing] = change.after as [string, string, null];
  const mapped = row.written({ ...change, after: [mark, 'new', nothing, a, mark] }) as WireInsert;
  assert.equal(mapped.lsn, 9n);
  assert.deepEqual(
    [mapped.columns, mapped.whole, mapped.cell(1), mapped.cell(2), mapped.cell(3)],
    [5, true, 'new', null, 'é'],
  );
  for (const at of [0, 4]) assert.ok(mapped.raw(at)!.equals(large));
});

test('what has to be read is a string as long as that is possible', () => {
  const large = Buffer.alloc(65 << 20, 0x78);
  assert.equal(LargeRow.of(wire('1', large, null), new Set([1])), null);
});

test('bytes that were fetched are written where an UPDATE sent nothing', () => {
  const relation2 = { ...relation, columns: relation.columns.slice(0, 2) } as Relation;
  const change = { kind: 'update', tx, lsn: 3n, relation: relation2, before: null, after: ['1', UNCHANGED] } as const;
  const row = LargeRow.of(change as never, none, { columns: [1], row: [Buffer.from('bytes')] })!;
  assert.equal((row.change as UpdateChange).after[1], UNCHANGED);
  assert.equal(row.filled![0], '1');
  const mapped = row.written({ ...change, after: row.filled!, maybe: true } as never) as UpdateChange;
  assert.deepEqual([mapped.maybe, mapped.after], [true, ['1', 'bytes']]);
  assert.equal(row.written({ ...change, after: ['1', UNCHANGED] } as never)!.kind, 'update');
  const read = LargeRow.of(change as never, new Set([1]), { columns: [1], row: [Buffer.from('bytes')] })!;
  assert.throws(() => read.refuseReads(), /a transform reads b/);
});
