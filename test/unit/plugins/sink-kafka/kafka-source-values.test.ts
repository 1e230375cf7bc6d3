import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineTable } from '../../../../core/api/define-table.ts';
import type { RecordLsn } from '../../../../core/postgres/lsn.ts';
import { UNCHANGED } from '../../../../core/postgres/tuple.ts';
import { DebeziumEvents } from '../../../../plugins/sink-kafka/source/debezium.ts';

const columns = { id: 'bigint', n: 'numeric(10,2)', ts: 'timestamp', d: 'date', by: 'bytea', t: 'text' };
const table = defineTable({ schema: 'public', name: 't', columns, key: ['id'] }, 1);
const modes = { decimal: 'string', time: 'nanoseconds', binary: 'bytes' } as const;
const events = new DebeziumEvents({ tables: [table], excluded: [] }, modes, 'not sent');
const tx = { xid: 1, finalLsn: 0n as RecordLsn, commitTime: 0n, origin: null };
const source = '"source":{"schema":"public","table":"t"}';

function read(value: string, key = '{"id":1}') {
  const record = { topic: 't', partition: 0, count: 1, offset: 0n, headers: new Map() };
  return events.read({ ...record, key: Buffer.from(key), value: Buffer.from(value) }, tx, 0n)?.change;
}

test('with schemas the record says what its values are, whatever the options say', () => {
  const field = (name: string, type: string, semantic?: string, scale?: number) => ({
    field: name,
    type,
    ...(semantic === undefined ? {} : { name: semantic }),
    ...(scale === undefined ? {} : { parameters: { scale: String(scale) } }),
  });
  const fields = [
    field('id', 'int64'),
    field('n', 'bytes', 'org.apache.kafka.connect.data.Decimal', 4),
    field('ts', 'int64', 'io.debezium.time.MicroTimestamp'),
    field('d', 'int32', 'io.debezium.time.Date'),
    field('by', 'bytes'),
    field('t', 'string'),
  ];
  const schema = JSON.stringify({ type: 'struct', fields: [{ field: 'after', type: 'struct', fields }] });
  const row = '{"id":9007199254740993,"n":"AeJA","ts":-1,"d":-719529,"by":"AP8=","t":"not sent"}';
  const change = read(`{"schema":${schema},"payload":{"before":null,"after":${row},${source},"op":"u"}}`);
  assert.ok(change?.kind === 'update' && change.maybe === undefined);
  const shown = ['9007199254740993', '12.3456', '1969-12-31 23:59:59.999999', '0002-12-31 BC', '\\x00ff'];
  assert.deepEqual(change.after, [...shown, UNCHANGED]);
});

test('without schemas the options do', () => {
  const row = '{"id":1,"n":"-1.50","ts":253402300800000000000,"d":null,"by":"","t":"x"}';
  const change = read(`{"before":null,"after":${row},${source},"op":"c"}`);
  assert.ok(change?.kind === 'update' && change.maybe === true);
  assert.deepEqual(change.after, ['1', '-1.50', '10000-01-01 00:00:00', null, '\\x', 'x']);
});

test('what a record does not tell is an error with the column and without the value', () => {
  const row = (n: string) => `{"id":1,"n":${n},"ts":0,"d":0,"by":"","t":"secret"}`;
  const refused = (value: string, expected: RegExp, key?: string) =>
    assert.throws(
      () => read(value, key),
      (error: { code: string; message: string }) => {
        assert.match(`${error.code} ${error.message}`, expected);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      },
    );
  refused(`{"after":${row('1.5')},${source},"op":"c"}`, /^PGS5048 .*column n of public\.t/);
  refused(`{"after":{"id":1,"secret":1},${source},"op":"c"}`.replaceAll('secret', 'more'), /^PGS5046 .*no column more/);
  refused(`{"after":${row('"1"').replace('"secret"', '"not sent"')},${source},"op":"c"}`, /^PGS5049 /);
  refused(`{"before":{"id":0,"t":"secret"},${source},"op":"d"}`, /^PGS5049 /, '{"id":0}');
  refused('{"secret', /^PGS5047 .*no JSON/);
  refused('{"after":{"id":1},"op":"c"}', /^PGS5047 /);
  assert.equal(read('{"ts_ms":1}'), undefined);
});
