import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TablePlan } from '../../../../../core/api/plan.ts';
import { columnsOf, standing } from '../../../../../plugins/sink-postgres/definitions/foreign-keys.ts';
import { copyText } from '../../../../../plugins/sink-postgres/load/copy-text.ts';
import { CopyFrames } from '../../../../../core/postgres/copy-frames.ts';
import { columnChanges } from '../../../../../core/api/column-changes.ts';
import { column } from '../../../../support/plan.ts';

function message(payload: number): Buffer {
  const buffer = Buffer.alloc(payload + 5, 0x64);
  buffer.writeInt32BE(payload + 4, 1);
  return buffer;
}

test('frames cut anywhere give the same payload and the same boundaries', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(300), { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (sizes, cuts) => {
        const all = Buffer.concat(sizes.map(message));
        const ends = new Set([0]);
        for (let i = 0, at = 0; i < sizes.length; i++) ends.add((at += sizes[i]! + 5));
        const walker = new CopyFrames();
        for (let at = 0, i = 0; at < all.length; i++) {
          const end = Math.min(all.length, at + cuts[i % cuts.length]!);
          walker.walk(all.subarray(at, end));
          at = end;
          assert.equal(walker.atBoundary, ends.has(at));
        }
        assert.equal(
          walker.payload,
          sizes.reduce((a, b) => a + b, 0),
        );
      },
    ),
  );
});

test('anything but CopyData is refused', () => {
  assert.equal(new CopyFrames().walk(Buffer.from([0x63, 0, 0, 0, 4])), 0);
  assert.equal(new CopyFrames().walk(Buffer.concat([message(3), Buffer.from([0x63, 0])])), 8);
  assert.throws(() => new CopyFrames().strip(Buffer.from([0x63, 0, 0, 0, 4])), RangeError);
  assert.throws(() => new CopyFrames().walk(Buffer.from([0x64, 0, 0, 0, 3])), RangeError);
});

test('COPY text escapes what has a meaning', () => {
  assert.equal(copyText([['a\tb', null, '\\N', 'x\ny\r', '']]), 'a\\tb\t\\N\t\\\\N\tx\\ny\\r\t\n');
  assert.equal(copyText([[], []]), '\n\n');
});

test('columns of a foreign key are read with quotes, commas and brackets in them', () => {
  assert.deepEqual(columnsOf('FOREIGN KEY (a, "b ""c, (d") REFERENCES "S (x".t("X", y) ON DELETE CASCADE'), {
    columns: ['a', 'b "c, (d'],
    refColumns: ['X', 'y'],
  });
});

function plan(more: { where?: unknown; from?: string | null } = {}): TablePlan {
  const id = column('id', 'integer');
  const from = more.from === undefined ? 'id' : more.from;
  return {
    source: { schema: 'public', name: 't', columns: [id, column('old', 'text'), column('gone', 'text')] },
    output: { schema: 'public', name: 't', columns: [id, column('new', 'text')] },
    projection: {
      columns: [
        { name: 'id', from, expr: { op: 'column', name: 'id', type: { oid: 23, typmod: -1 } } },
        { name: 'new', from: 'old', expr: { op: 'column', name: 'old', type: { oid: 25, typmod: -1 } } },
      ],
      where: more.where ?? null,
    },
    tail: null,
  } as unknown as TablePlan;
}

test('a foreign key is taken without a scan only where the snapshot guarantees it', () => {
  const side = (p: TablePlan | null, exactAt: string | null) => ({ plan: p, exactAt, columns: ['id'] });
  assert.equal(standing([side(plan(), '0/1'), side(plan(), '0/1')]), 'guaranteed');
  assert.equal(standing([side(plan(), '0/1'), side(plan({ where: {} }), '0/1')]), 'possible');
  assert.equal(standing([side(plan({ from: null }), '0/1'), side(plan(), '0/1')]), 'possible');
  assert.equal(standing([side(plan(), '0/1'), side(null, '0/1')]), 'possible');
  assert.equal(standing([side(plan(), '0/1'), side(plan(), '0/2')]), 'later');
  assert.equal(standing([side(plan(), null), side(plan(), null)]), 'possible');
});

test('column changes: kept, renamed, dropped, made', () => {
  assert.deepEqual(columnChanges(plan()), {
    drop: ['gone'],
    rename: [{ from: 'old', to: 'new' }],
    retype: [],
    add: [],
  });
  assert.deepEqual(columnChanges(plan({ from: null })).retype, []);
});
