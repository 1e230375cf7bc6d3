import assert from 'node:assert/strict';
import { constants } from 'node:buffer';
import { test } from 'node:test';
import type { InsertChange } from '../../../../../core/api/change.ts';
import { UNCHANGED } from '../../../../../core/postgres/tuple.ts';
import { PgsluiceError } from '../../../../../core/base/error.ts';
import { regionOf } from '../../../../../plugins/source-postgres/stream/replication-socket.ts';
import { sameWire } from '../../../../../plugins/source-postgres/stream/wire.ts';
import * as f from '../../../../support/stream-frames.ts';

const open = () => new f.Recorder().all(f.begin(500n));
const withTable = () =>
  open().decode(f.relation(16512, 't', [{ name: 'id', key: true, type: 23 }, { name: 'a' }, { name: 'b' }]));
const code = (expected: string) => (error: unknown) => error instanceof PgsluiceError && error.code === expected;

test('begin and commit carry xid, times on the Unix clock, and the end of the commit record as it is', () => {
  const first = [f.begin(500n, 4_000_000_000), f.commit(500n, 548n)];
  const { out } = new f.Recorder().all(...first, f.begin(600n, 7), f.commit(600n, 648n));
  const tx = { commitTime: f.TIME_UNIX, origin: null };
  assert.deepEqual(out, [
    { kind: 'begin', tx: { ...tx, xid: 4_000_000_000, finalLsn: 500n, end: 548n } },
    { kind: 'commit', end: 548n },
    { kind: 'begin', tx: { ...tx, xid: 7, finalLsn: 600n, end: 648n, previousEnd: 548n } },
    { kind: 'commit', end: 648n },
  ]);
});

test('an origin names the transaction it stands in', () => {
  const recorder = open().all(f.message('O', f.u64(9n), f.str('other')), f.commit(500n, 501n));
  const [first] = recorder.out;
  assert.equal(first?.kind === 'begin' && first.tx.origin, 'other');
});

test('insert: text, NULL, empty text, and the position of the row', () => {
  const recorder = withTable();
  recorder.decode(f.insert(16512, f.tuple('1', null, '')), 0xabcdn);
  const [change] = recorder.changes;
  assert.ok(change?.kind === 'insert');
  assert.deepEqual(change.after, ['1', null, '']);
  assert.equal(change.lsn, 0xabcdn);
  assert.equal(change.relation.name, 't');
});

test('update: without old row, with key, with full old row, with a value that was not sent', () => {
  const recorder = withTable().all(
    f.update(16512, f.tuple('1', 'x', undefined)),
    f.update(16512, f.tuple('2', 'x', 'y'), ['K', f.tuple('1', null, null)]),
    f.update(16512, f.tuple('2', 'x', 'z'), ['O', f.tuple('2', 'x', 'y')]),
  );
  const shown = recorder.changes.map((change) => change.kind === 'update' && [change.before, change.after]);
  assert.deepEqual(shown, [
    [null, ['1', 'x', UNCHANGED]],
    [{ image: 'key', tuple: ['1', null, null] }, ['2', 'x', 'y']],
    [{ image: 'full', tuple: ['2', 'x', 'y'] }, ['2', 'x', 'z']],
  ]);
});

test('delete: by key and by full row', () => {
  const recorder = withTable().all(
    f.remove(16512, 'K', f.tuple('1', null, null)),
    f.remove(16512, 'O', f.tuple('1', 'a', 'b')),
  );
  assert.deepEqual(
    recorder.changes.map((change) => change.kind === 'delete' && change.before),
    [
      { image: 'key', tuple: ['1', null, null] },
      { image: 'full', tuple: ['1', 'a', 'b'] },
    ],
  );
});

test('truncate names all tables and its options', () => {
  const recorder = withTable().all(
    f.relation(16600, 'u', [{ name: 'id', key: true }]),
    f.message('T', f.u32(2), f.u8(3), f.u32(16512), f.u32(16600)),
  );
  const [change] = recorder.changes;
  assert.ok(change?.kind === 'truncate');
  assert.deepEqual(
    [change.relations.map(({ name }) => name), change.cascade, change.restartIdentity],
    [['t', 'u'], true, true],
  );
});

test('logical messages: inside a transaction, and alone with a boundary of their own', () => {
  const content = Buffer.from('hello');
  const body = (flags: number) => [f.u8(flags), f.u64(777n), f.str('pgsluice'), f.i32(5), content];
  const recorder = open().all(f.message('M', ...body(1)), f.commit(500n, 501n), f.message('M', ...body(0)));
  const inside = recorder.out[1];
  const alone = recorder.out[3];
  assert.ok(inside?.kind === 'change' && inside.change.kind === 'message' && inside.change.transactional);
  assert.ok(alone?.kind === 'lone' && alone.change.kind === 'message');
  assert.equal(alone.end, 777n);
  assert.equal(alone.change.tx.xid, 0);
  assert.equal(alone.change.tx.commitTime, f.TIME_UNIX);
  assert.deepEqual(Buffer.from(alone.change.content), content);
  content.fill(0);
  assert.equal(Buffer.from(inside.change.content).toString(), 'hello', 'the content is a copy');
});

test('a Relation of the same shape keeps its object, another one makes a new one', () => {
  const recorder = withTable();
  const columns = [{ name: 'id', key: true, type: 23 }, { name: 'a' }, { name: 'b' }];
  const before = recorder.relations.byOid.get(16512);
  recorder.decode(f.relation(16512, 't', columns));
  assert.equal(recorder.relations.byOid.get(16512), before);
  for (const other of [
    f.relation(16512, 't2', columns),
    f.relation(16512, 't', columns, 'f'),
    f.relation(16512, 't', [...columns, { name: 'c' }]),
    f.relation(16512, 't', columns.slice(0, 2)),
    f.relation(16512, 't', [{ name: 'id', key: true, type: 20 }, ...columns.slice(1)]),
    f.relation(16512, 't', [{ name: 'id', key: true, type: 23, typmod: 5 }, ...columns.slice(1)]),
    f.relation(16512, 't', [{ name: 'id', type: 23 }, ...columns.slice(1)]),
  ]) {
    const last = recorder.relations.byOid.get(16512);
    recorder.decode(other);
    assert.notEqual(recorder.relations.byOid.get(16512), last);
  }
  assert.equal(recorder.wires.length, 8);
  assert.ok(recorder.wires.every((wire, i) => i === 0 || !sameWire(wire, recorder.wires[i - 1] ?? wire)));
});

test('replica identity: key positions, none without a key, full, nothing', () => {
  const recorder = open();
  const identity = (letter: string, key: boolean) => {
    recorder.decode(f.relation(1, `t${letter}${key}`, [{ name: 'a' }, { name: 'b', key }], letter));
    return recorder.relations.byOid.get(1)?.identity;
  };
  assert.deepEqual(identity('d', true), { kind: 'key', positions: [1] });
  assert.deepEqual(identity('i', true), { kind: 'key', positions: [1] });
  assert.deepEqual(identity('d', false), { kind: 'nothing' });
  assert.deepEqual(identity('f', true), { kind: 'full' });
  assert.deepEqual(identity('n', false), { kind: 'nothing' });
});

test('a type that is not built in is named in the relation that uses it', () => {
  const recorder = open().all(
    f.message('Y', f.u32(50_000), f.str('Shop'), f.str('mood')),
    f.relation(1, 't', [
      { name: 'm', type: 50_000 },
      { name: 'n', type: 23 },
    ]),
  );
  assert.deepEqual(
    recorder.wires[0]?.columns.map(({ typeName }) => typeName),
    ['Shop.mood', null],
  );
});

test('text of every width: ASCII and not, short and long, at every length around the edges of the fast path', () => {
  const recorder = withTable();
  const units = ['a', 'é', '漢', '😀', '\u0000x'.slice(1), '\u007f', '\u0080', 'ÿ'];
  const lengths = [0, 1, 2, 3, 4, 5, 7, 8, 63, 64, 127, 128, 191, 192, 193, 255, 256, 8100, 8192, 9000];
  for (const unit of units) {
    for (const length of lengths) {
      const text = `${'x'.repeat(Math.max(0, length - 1))}${length === 0 ? '' : unit}`;
      recorder.decode(f.insert(16512, f.tuple(text, 'plain', unit.repeat(length))));
      const change = recorder.changes.at(-1);
      assert.ok(change?.kind === 'insert');
      assert.deepEqual(change.after, [text, 'plain', unit.repeat(length)]);
    }
  }
});

test('1,600 columns', () => {
  const columns = Array.from({ length: 1600 }, (_, i) => ({ name: `c${i}`, key: i === 0 }));
  const cells = columns.map((_, i) => String(i));
  const recorder = open().all(f.relation(5, 'wide', columns), f.insert(5, f.tuple(...cells)));
  const [change] = recorder.changes;
  assert.ok(change?.kind === 'insert');
  assert.deepEqual(change.after, cells);
});

test('SQL_ASCII: bytes that are not UTF-8 are an error, never replaced', () => {
  const bytes = Buffer.concat([f.u16(1), Buffer.from('t'), f.i32(2), Buffer.from([0xe9, 0x20])]);
  const recorder = new f.Recorder(true).all(f.begin(500n), f.relation(5, 't', [{ name: 'a' }]));
  assert.throws(() => recorder.decode(f.insert(5, bytes)), code('PGS2166'));
});

test('a value larger than a string can be passes, and whoever reads it gets a clean error', () => {
  const recorder = new f.Recorder().all(f.begin(500n), f.relation(5, 't', [{ name: 'a' }]));
  const size = constants.MAX_STRING_LENGTH + 1;
  const head = Buffer.concat([f.u16(1), Buffer.from('t'), f.i32(size)]);
  const start = f.xlog(f.insert(5, head));
  const frame = Buffer.alloc(start.length + size);
  start.copy(frame);
  recorder.decoder.decode(regionOf(frame, 0, frame.length), 0, frame.length);
  const change = recorder.changes.at(-1) as InsertChange;
  assert.equal(change.wire!.raw(0)!.length, size);
  assert.throws(() => change.after, code('PGS2165'));
});

const refused: [what: string, code: string, payloads: () => Buffer[]][] = [
  ['a row outside a transaction', 'PGS2160', () => [f.insert(1, f.tuple('1'))]],
  ['a commit outside a transaction', 'PGS2160', () => [f.commit(1n, 2n)]],
  ['a begin inside a transaction', 'PGS2160', () => [f.begin(1n), f.begin(2n)]],
  ['a commit of another transaction', 'PGS2160', () => [f.begin(1n), f.commit(2n, 3n)]],
  ['a commit that ends where it starts', 'PGS2160', () => [f.begin(1n), f.commit(1n, 1n)]],
  ['a relation that was not announced', 'PGS2160', () => [f.begin(1n), f.insert(99, f.tuple('1'))]],
  ['an empty message', 'PGS2160', () => [Buffer.alloc(0)]],
  ['an unknown type', 'PGS2161', () => [Buffer.from('?')]],
  ['bytes left over', 'PGS2160', () => [Buffer.concat([f.begin(1n), Buffer.from('x')])]],
  ['a transactional message outside', 'PGS2160', () => [f.message('M', f.u8(1), f.u64(1n), f.str('p'), f.i32(0))]],
  ['a stream stop without start', 'PGS2160', () => [Buffer.from('E')]],
  ...['b', 'P', 'K', 'r', 'p'].map(
    (type) =>
      [`two-phase ${type}`, 'PGS2162', () => [f.message(type, Buffer.alloc(30))]] as [string, string, () => Buffer[]],
  ),
];
for (const [what, expected, payloads] of refused) {
  test(`refused: ${what}`, () => {
    assert.throws(() => new f.Recorder().all(...payloads()), code(expected));
  });
}

const refusedRows: [what: string, code: string, payload: Buffer][] = [
  ['too few columns', 'PGS2160', f.insert(16512, f.tuple('1', '2'))],
  ['too many columns', 'PGS2160', f.insert(16512, f.tuple('1', '2', '3', '4'))],
  ['a new row with a value that was not sent', 'PGS2164', f.insert(16512, f.tuple('1', '2', undefined))],
  ['an old row with a value that was not sent', 'PGS2164', f.remove(16512, 'O', f.tuple('1', '2', undefined))],
  ['a binary value', 'PGS2160', f.insert(16512, Buffer.concat([f.u16(3), Buffer.from('b'), f.i32(0)]))],
  [
    'a value longer than the message',
    'PGS2160',
    f.insert(16512, Buffer.concat([f.u16(3), Buffer.from('t'), f.i32(99)])),
  ],
  ['a negative length', 'PGS2160', f.insert(16512, Buffer.concat([f.u16(3), Buffer.from('t'), f.i32(-2)]))],
  ['a delete without old row', 'PGS2160', f.message('D', f.u32(16512), Buffer.from('N'), f.tuple('1', '2', '3'))],
  ['an update without new row', 'PGS2160', f.message('U', f.u32(16512), Buffer.from('K'), f.tuple('1', null, null))],
];
for (const [what, expected, payload] of refusedRows) {
  test(`refused: ${what}, with the table and the position in the error and no value`, () => {
    assert.throws(
      () => withTable().decode(payload, 0x1_0000_0002n),
      (error) =>
        code(expected)(error) &&
        error instanceof PgsluiceError &&
        error.where.table === 'public.t' &&
        error.where.lsn === '1/2',
    );
  });
}
