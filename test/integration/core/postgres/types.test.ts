import assert from 'node:assert/strict';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { connect, disconnect } from '../../../../core/postgres/connect.ts';
import { readColumns } from '../../../../core/postgres/columns.ts';
import { binarySafeTypes } from '../../../../core/postgres/types.ts';
import { database, server } from '../../../support/servers.ts';

const [oldest, newest] = [await server(14), await server(18)];

/** Values of each type that is called safe, beyond the plain ones: extremes, infinities, empty, non-ASCII. */
const values: Readonly<Record<string, readonly string[]>> = {
  bool: ['t', 'f'],
  bytea: ['\\x', '\\x00ff0a5c'],
  char: ['a', ''],
  name: ['größe', ''],
  int8: ['-9223372036854775808', '9223372036854775807'],
  int2: ['-32768', '32767'],
  int4: ['-2147483648', '2147483647'],
  text: ['', 'a\tb\nc\\', '😀é'],
  oid: ['0', '4294967295'],
  json: ['{"a": 1, "a":  2.50}', 'null'],
  point: ['(1e300,-0)', '(NaN,Infinity)'],
  lseg: ['[(0,0),(1,1)]'],
  path: ['((0,0),(1,1))', '[(0,0),(1,1),(2,0)]'],
  box: ['(2,2),(0,0)'],
  polygon: ['((0,0),(1,1),(1,0))'],
  line: ['{1,-1,0}'],
  cidr: ['10.0.0.0/8', '2001:db8::/32'],
  float4: ['3.4028235e+38', 'NaN', '-Infinity', '1e-45'],
  float8: ['1.7976931348623157e+308', 'NaN', '-0', '5e-324'],
  circle: ['<(1,2),3>'],
  macaddr8: ['08:00:2b:01:02:03:04:05'],
  macaddr: ['08:00:2b:01:02:03'],
  inet: ['192.168.0.1/24', '::1'],
  bpchar: ['x', 'ab  '],
  varchar: ['x', ''],
  date: ['infinity', '-infinity', '0044-03-15 BC', '5874897-12-31'],
  time: ['24:00:00', '23:59:59.999999'],
  timestamp: ['294276-12-31 23:59:59.999999', 'infinity', '4713-11-24 00:00:00 BC'],
  timestamptz: ['2024-02-29 12:00:00.123456+02', '-infinity'],
  interval: ['-178000000 years', '1 mon -1 days +00:00:00.000001'],
  timetz: ['12:00:00+15:59', '00:00:00-15:59'],
  bit: ['1', '0'],
  varbit: ['', '10110111011'],
  numeric: ['NaN', 'Infinity', '-0.000000000000000000000000001', `1${'0'.repeat(1000)}.5000`],
  uuid: ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  pg_lsn: ['0/0', 'FFFFFFFF/FFFFFFFF'],
  tsvector: [`'a':1A,2B 'fat cat':3`],
  jsonb: ['{"a": [1, 2.500, null, "é"]}', '1e1000'],
  jsonpath: ['$."a"[*]?(@ > 1)'],
  xid8: ['0', '18446744073709551615'],
  pg_snapshot: ['10:20:10,14,15'],
  txid_snapshot: ['10:20:10,14,15'],
  int4range: ['[1,10)', 'empty', '(,)'],
  numrange: ['(1.5,2.50]'],
  tsrange: ['["2024-01-01 00:00:00",)'],
  tstzrange: ['[,"2024-01-01 00:00:00+00")'],
  daterange: ['[2024-01-01,2024-02-01)'],
  int8range: ['[-9223372036854775808,5)'],
  int4multirange: ['{[1,3),[5,8)}', '{}'],
  nummultirange: ['{[1.5,2.5]}'],
  tsmultirange: ['{["2024-01-01 00:00:00","2024-01-02 00:00:00")}'],
  tstzmultirange: ['{}'],
  datemultirange: ['{[2024-01-01,2024-01-02)}'],
  int8multirange: ['{(,)}'],
};

async function copyBinary(from: string, to: string, table: string, columns: string): Promise<void> {
  const [source, target] = [new pg.Client({ connectionString: from }), new pg.Client({ connectionString: to })];
  await source.connect();
  await target.connect();
  try {
    await pipeline(
      source.query(copyTo(`COPY ${table} (${columns}) TO STDOUT (FORMAT binary)`)),
      target.query(copyFrom(`COPY ${table} (${columns}) FROM STDIN (FORMAT binary)`)),
    );
  } finally {
    await source.end();
    await target.end();
  }
}

test('every type that is called binary safe goes from 14 to 18 unchanged, as value and in an array', async () => {
  const [source, target] = [await database(oldest, 'bin'), await database(newest, 'bin')];
  const named = await source.query<{ typname: string }>(
    `SELECT typname FROM pg_type WHERE oid IN (${binarySafeTypes.join(',')})`,
  );
  assert.deepEqual(named.map(({ typname }) => typname).sort(), Object.keys(values).sort());
  assert.equal(named.length, binarySafeTypes.length);
  const ddl = Object.keys(values)
    .map((type) => `CREATE TABLE t_${type} (n int, v ${quoted(type)}, a ${quoted(type)}[])`)
    .join(';');
  await source.query(ddl);
  await target.query(ddl);
  for (const [type, texts] of Object.entries(values)) {
    const rows = texts.map(
      (text, i) =>
        `(${i}, '${text.replaceAll("'", "''")}'::${quoted(type)}, ARRAY['${text.replaceAll("'", "''")}', NULL]::${quoted(type)}[])`,
    );
    await source.query(`INSERT INTO t_${type} VALUES ${rows.join(', ')}, (99, NULL, '{}')`);
    await copyBinary(source.url, target.url, `t_${type}`, 'n, v, a');
    const show = `SELECT n, v::text, a::text FROM t_${type} ORDER BY n`;
    assert.deepEqual(await target.query(show), await source.query(show), type);
  }
});

function quoted(type: string): string {
  return `pg_catalog."${type}"`;
}

test('what is made of user types is told apart: enums and domains safe, their arrays, composites and ranges not', async () => {
  const source = await database(newest, 'bin');
  await source.query(`CREATE TYPE mood AS ENUM ('a', 'b'); CREATE DOMAIN small AS int2; CREATE DOMAIN smaller AS small;
    CREATE DOMAIN list AS int4[]; CREATE TYPE pair AS (a int, b int); CREATE TYPE span AS RANGE (subtype = float8);
    CREATE EXTENSION hstore;
    CREATE TABLE t (safe_enum mood, safe_domain smaller, safe_list list, safe_varchar varchar(3)[], safe_numeric numeric(4,2),
      no_enums mood[], no_domains small[], no_pair pair, no_span span, no_hstore hstore, no_class regclass, no_money money,
      no_xml xml)`);
  const client = await connect({ url: source.url }, { name: 'test', applicationName: 'test' });
  const { rows } = await client.query<{ oid: string }>(`SELECT 'public.t'::regclass::oid AS oid`);
  const { columns } = (await readColumns(client, [Number(rows[0]!.oid)])).get(Number(rows[0]!.oid))!;
  await disconnect(client);
  for (const column of columns) assert.equal(column.binarySafe, column.name.startsWith('safe_'), column.name);
  const kinds = Object.fromEntries(columns.map(({ name, typeKind, typeName }) => [name, `${typeKind} ${typeName}`]));
  assert.equal(kinds['safe_domain'], 'domain public.smaller');
  assert.equal(kinds['safe_varchar'], 'array character varying(3)[]');
  assert.equal(kinds['no_pair'], 'composite public.pair');
  assert.equal(kinds['no_span'], 'range public.span');
  // Labels travel as text, so the order and the oids of the target's type do not matter.
  const target = await database(oldest, 'bin');
  await target.query(`CREATE TYPE mood AS ENUM ('b', 'x', 'a'); CREATE TABLE e (m mood)`);
  await source.query(`CREATE TABLE e (m mood); INSERT INTO e VALUES ('a'), ('b')`);
  await copyBinary(source.url, target.url, 'e', 'm');
  assert.deepEqual(await target.query('SELECT m::text FROM e ORDER BY 1'), [{ m: 'a' }, { m: 'b' }]);
});
