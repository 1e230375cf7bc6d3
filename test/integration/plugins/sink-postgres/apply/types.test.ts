import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cell, Tuple } from '../../../../../core/postgres/tuple.ts';
import { Feed, full, type LogLine, never, relationOf, sinkFor, textRows } from '../../../../support/apply.ts';
import { database, server } from '../../../../support/servers.ts';

const setup = `CREATE EXTENSION IF NOT EXISTS hstore; CREATE EXTENSION IF NOT EXISTS citext; CREATE TYPE mood AS ENUM ('sad', 'quote''s "x"');
  CREATE TYPE pair AS (a int, b text, c mood); CREATE DOMAIN short AS varchar(5) CHECK (value <> 'no'); CREATE DOMAIN ints AS int[];
  CREATE DOMAIN pairs AS pair; CREATE TYPE span AS RANGE (subtype = text);`;

/** Type and values as SQL literals; each type gets a column, the values go down the rows. */
const values: readonly (readonly [string, ...string[]])[] = [
  ['smallint', '-32768', '32767'],
  ['integer', '-2147483648', '2147483647'],
  ['bigint', '-9223372036854775808', '9223372036854775807'],
  ['numeric', 'NaN', 'Infinity', '-Infinity', `1${'0'.repeat(300)}.${'0'.repeat(90)}1`, '1.00', '-0.0'],
  ['numeric(10,2)', '12345678.90', 'NaN'],
  ['real', 'NaN', '-Infinity', '1.17549435e-38', '3.4028235e38', '-0'],
  ['double precision', '0.1', '1.7976931348623157e308', '5e-324', '-0', '123456789.12345678'],
  ['money', '-92233720368547758.08', '92233720368547758.07'],
  ['boolean', 'true', 'false'],
  ['"char"', 'x', '\\', ''],
  ['name', `quo"te'`],
  [
    'text',
    '',
    'NULL',
    '{}',
    'back\\slash "quotes" , {braces}',
    '\t\n\r\b\f\v',
    'é\u{1F600}',
    '\\N',
    '\\.',
    'x'.repeat(1_000_000),
  ],
  ['varchar(10)', '          ', 'abc'],
  ['char(6)', '', 'ab', ' x "y'],
  ['bytea', '', '\\x00ff5c22', `\\x${Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0')).join('')}`],
  ['bit(5)', '10101'],
  ['bit varying', '', '1', '0101010101'],
  ['date', '-infinity', 'infinity', '4713-01-01 BC', '5874897-12-31'],
  ['time', '00:00:00', '24:00:00', '23:59:59.999999'],
  ['timetz', '00:00:00+15:59', '24:00:00-15:59'],
  ['timestamp', '-infinity', 'infinity', '4713-01-01 00:00:00 BC', '294276-12-31 23:59:59.999999'],
  [
    'timestamptz',
    '-infinity',
    '4713-01-02 00:00:00+00 BC',
    '294276-12-31 23:59:59.999999+00',
    '2024-06-30 12:00:00.1+05:30',
  ],
  ['interval', '-178000000 years', '1 mon -1 days +00:00:00.000001', '-1 year +2 mons -3 days 04:05:06.7'],
  ['uuid', '00000000-0000-0000-0000-000000000000'],
  ['json', '{"a": 1,  "a":2, "u": "\\u00e9"}', 'null', '"\\\\"'],
  ['jsonb', '{"b": [1.0, 1.00], "a": "\\"q\\""}', 'null', '1e400'],
  ['xml', '<a b="1">&amp;</a>', 'text <b/>'],
  ['point', '(1,2)', '(NaN,-Infinity)'],
  ['line', '{1,-1,0}'],
  ['lseg', '[(0,0),(1,1)]'],
  ['box', '(1,1),(0,0)'],
  ['path', '[(0,0),(1,1)]', '((0,0),(1,1))'],
  ['polygon', '((0,0),(1,1),(2,0))'],
  ['circle', '<(0,0),1e-300>'],
  ['inet', '10.0.0.1', '10.0.0.1/8', 'fe80::1/64'],
  ['cidr', '10.0.0.0/8', '::/0'],
  ['macaddr', '08:00:2b:01:02:03'],
  ['macaddr8', '08:00:2b:01:02:03:04:05'],
  ['tsvector', `'a b':1A,2 'it''s':3`],
  ['tsquery', `'a' & !'b c' <-> 'd':*A`],
  ['pg_lsn', 'FFFFFFFF/FFFFFFFF'],
  ['txid_snapshot', '10:20:10,14,15'],
  ['xid8', '18446744073709551615'],
  ['oid', '4294967295'],
  ['regclass', 'pg_catalog.pg_class'],
  ['int4range', 'empty', '[1,5)', '(,)'],
  ['numrange', '[1.0,1.00]', '(,NaN]'],
  ['tstzrange', '["2024-01-01 00:00:00+00",infinity]'],
  ['int4multirange', '{}', '{[1,2),[5,6)}'],
  ['mood', 'sad', `quote's "x"`],
  ['pair', '(,,)', '(1,"a ""q"" \\\\ (,)",sad)', '(2,"",)'],
  ['pairs', '(7,x,sad)'],
  ['short', 'abcde', ''],
  ['ints', '{1,NULL,3}', '{{1,2},{3,4}}'],
  ['span', '["a b","c,d""")', '(,x]'],
  ['hstore', '', '"a"=>NULL, "q\\"x"=>"1,\\\\"'],
  ['citext', 'MiXeD'],
  ['integer[]', '{}', '{1,NULL}', '{{1,2},{3,4}}', '[0:1]={1,2}'],
  ['text[]', '{NULL,"NULL","",",","{","\\"","\\\\"}', '{{a,"b c"},{"\t",é}}'],
  ['varchar(5)[]', '{abcde}'],
  ['char(3)[]', '{a,"b  "}'],
  ['bit(3)[]', '{101,010}'],
  ['numeric(5,1)[]', '{1.5,NaN}'],
  ['box[]', '{(1,1),(0,0);(2,2),(1,1)}'],
  ['bytea[]', '{"\\\\x00ff",NULL}'],
  ['json[]', '{"{\\"a\\": 1}"}'],
  ['mood[]', '{sad,NULL,"quote\'s \\"x\\""}'],
  ['pair[]', '{"(1,\\"a \\"\\"b\\",sad)",NULL}'],
  ['timestamptz[]', '{infinity,"2024-01-01 00:00:00.5+00"}'],
];

const literal = (text: string) => ` E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
const ddl = (name: string, key: string) =>
  `CREATE TABLE ${name} (id int ${key}${values.map(([type], i) => `, c${i} ${type}`).join('')})`;

for (const major of [14, 15, 17, 18]) {
  const on = await server(major);
  test(`every type with its extremes arrives as the same text by each way of writing (PostgreSQL ${major})`, async () => {
    const db = await database(on);
    const depth = Math.max(...values.map((of) => of.length - 1));
    const rows = Array.from({ length: depth + 1 }, (_, r) => {
      const cells = values.map((of) => (r < depth ? literal(of[1 + (r % (of.length - 1))] as string) : 'NULL'));
      return `(${r}, ${cells.join(', ')})`;
    });
    await db.query(`${setup} ${ddl('source', 'PRIMARY KEY')}; ${ddl('keyed', 'PRIMARY KEY')}; ${ddl('keyless', '')};
      INSERT INTO source VALUES ${rows.join(', ')}`);
    const source = await textRows(db.url, 'SELECT * FROM source ORDER BY id');
    const keyed = await relationOf(db.url, 'public', 'keyed');
    const keyless = await relationOf(db.url, 'public', 'keyless');
    const feed = new Feed();
    const lines: LogLine[] = [];
    await using sink = sinkFor(db.url, { lines });
    await sink.resume(never);
    const copies = (n: number): Tuple[] =>
      Array.from({ length: n }, (_, k) =>
        source.map((row): Tuple => [String(k * 100 + Number(row[0])), ...row.slice(1)]),
      ).flat();
    const same = async (table: string, expected: readonly Tuple[], what: string) => {
      const found = await textRows(db.url, `SELECT * FROM ${table} ORDER BY id`);
      assert.equal(found.length, expected.length, what);
      for (const [r, row] of found.entries())
        for (const [i, cell] of row.entries()) assert.equal(cell, expected[r]?.[i], `${what}: ${values[i - 1]?.[0]}`);
    };
    for (const [n, what] of [
      [1, 'one by one'],
      [3, 'set-wise'],
    ] as const) {
      const wanted = copies(n);
      const empty = wanted.map((row): Cell[] => row.map((cell, i) => (i === 0 ? cell : null)));
      await sink.write(feed.batch(wanted.map((row) => feed.insert(keyed, row))), never);
      await same('keyed', wanted, `insert ${what}`);
      await sink.write(feed.batch(empty.map((row) => feed.update(keyed, row))), never);
      await same('keyed', empty, `update to null ${what}`);
      await sink.write(feed.batch(wanted.map((row) => feed.update(keyed, row))), never);
      await same('keyed', wanted, `update ${what}`);
      await sink.write(feed.batch(wanted.map((row) => feed.delete(keyed, row))), never);
      await same('keyed', [], `delete ${what}`);
    }
    await sink.write(feed.batch(source.map((row) => feed.insert(keyless, row))), never);
    const moved = source.map((row): Tuple => [String(500 + Number(row[0])), ...row.slice(1)]);
    await sink.write(feed.batch(source.map((row, i) => feed.update(keyless, moved[i] as Tuple, full(...row)))), never);
    await same('keyless', moved, 'found by all columns');
    await sink.write(feed.batch(moved.map((row) => feed.delete(keyless, row, 'full'))), never);
    await same('keyless', [], 'deleted by all columns');
    assert.deepEqual(lines, [], 'nothing was replayed in order');
  });
}

test('a text too long for the target column is an error in each way of writing, never cut', async () => {
  const db = await database(await server(17));
  await db.query(
    `CREATE DOMAIN v4 AS varchar(4); CREATE TABLE t (id int PRIMARY KEY, a varchar(4), b v4, c bit(2), d varchar(4)[])`,
  );
  const t = await relationOf(db.url, 'public', 't');
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  const good: Tuple = ['abcd', 'abcd', '10', '{abcd}'];
  const bad: Tuple = ['abcde', 'abcde', '101', '{abcde}'];
  for (const n of [1, 20]) {
    for (let i = 0; i < 4; i++) {
      const position = await sink.resume(never);
      const row = (k: number) => [
        String(k),
        ...good.map((cell, c) => (c === i && k === n ? (bad[c] as string) : cell)),
      ];
      const rows = Array.from({ length: n }, (_, k) => row(k + 1));
      const stateOf = (error: unknown) => (error as { where: { sqlstate: string } }).where.sqlstate.startsWith('22');
      await assert.rejects(sink.write(feed.batch(rows.map((r) => feed.insert(t, r))), never), stateOf);
      assert.equal(await sink.resume(never), position);
      await sink.write(feed.batch(rows.map((r) => feed.insert(t, [r[0] as string, null, null, null, null]))), never);
      const before = feed.last;
      await assert.rejects(sink.write(feed.batch(rows.map((r) => feed.update(t, r))), never), stateOf);
      assert.equal(await sink.resume(never), before);
      await sink.write(feed.batch(rows.map((r) => feed.delete(t, r))), never);
    }
  }
});
