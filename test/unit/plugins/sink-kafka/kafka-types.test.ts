import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteWriter, viewOf } from '../../../../core/base/byte-writer.ts';
import { type ColumnType, type TypeModes, columnType } from '../../../../plugins/sink-kafka/records/types.ts';
import { column } from '../../../support/kafka-batches.ts';

const modes: TypeModes = {
  decimal: 'precise',
  time: 'adaptive',
  binary: 'bytes',
  interval: 'numeric',
  hstore: 'json',
  unknown: 'text',
  notFinite: 'error',
  unavailable: '__debezium_unavailable_value',
  javaNames: true,
  version: 307,
  phase: 'stream',
};

type Case = readonly [
  type: number,
  typmod: number,
  typeName: string,
  text: string,
  json: string,
  more?: Partial<TypeModes>,
];
const numeric = (precision: number, scale: number) => (precision << 16) + (scale & 0x7ff) + 4;

/** Server text in, JSON out; derived by hand from Debezium's type mappings. */
const cases: readonly Case[] = [
  [16, -1, 'boolean', 't', 'true'],
  [16, -1, 'boolean', 'f', 'false'],
  [21, -1, 'smallint', '-32768', '-32768'],
  [20, -1, 'bigint', '9223372036854775807', '9223372036854775807'],
  [26, -1, 'oid', '4294967295', '4294967295'],
  [701, -1, 'double precision', '1', '1.0'],
  [701, -1, 'double precision', '-0', '-0.0'],
  [701, -1, 'double precision', '0.001', '0.001'],
  [701, -1, 'double precision', '0.0001', '1.0E-4'],
  [701, -1, 'double precision', '1e+20', '1.0E20'],
  [701, -1, 'double precision', '1.7976931348623157e+308', '1.7976931348623157E308'],
  [701, -1, 'double precision', '12345678', '1.2345678E7'],
  [701, -1, 'double precision', '1234567.5', '1234567.5'],
  [701, -1, 'double precision', '1e-05', '1.0E-5'],
  [701, -1, 'double precision', '5e-324', '4.9E-324'],
  [701, -1, 'double precision', '1.152921504606847e+18', '1.15292150460684698E18'],
  [700, -1, 'real', '8.589935e+09', '8.5899346E9'],
  [700, -1, 'real', '1.1754944e-38', '1.17549435E-38'],
  [701, -1, 'double precision', 'NaN', '"NaN"'],
  [700, -1, 'real', '-Infinity', '"-Infinity"'],
  [1700, numeric(10, 2), 'numeric(10,2)', '199.99', '"Th8="'],
  [1700, numeric(10, 2), 'numeric(10,2)', '12.50', '"BOI="'],
  [1700, numeric(10, 2), 'numeric(10,2)', '-0.01', '"/w=="'],
  [1700, numeric(10, 2), 'numeric(10,2)', '1.28', '"AIA="'],
  [1700, numeric(10, 2), 'numeric(10,2)', '0.00', '"AA=="'],
  [1700, numeric(30, 0), 'numeric(30,0)', '18446744073709551616', '"AQAAAAAAAAAA"'],
  [1700, numeric(30, 0), 'numeric(30,0)', '-9223372036854775808', '"gAAAAAAAAAA="'],
  [1700, numeric(5, -3), 'numeric(5,-3)', '12000', '"DA=="'],
  [1700, -1, 'numeric', '199.99', '{"scale":2,"value":"Th8="}'],
  [1700, -1, 'numeric', '7', '{"scale":0,"value":"Bw=="}'],
  [1700, numeric(10, 2), 'numeric(10,2)', '199.99', '"199.99"', { decimal: 'string' }],
  [1700, -1, 'numeric', '1.000', '{"scale":0,"value":"AQ=="}'],
  [1700, -1, 'numeric', '100', '{"scale":0,"value":"ZA=="}'],
  [1700, -1, 'numeric', '1234567890.10', '{"scale":1,"value":"At/cHDU="}'],
  [1700, -1, 'numeric', '-0.0', '{"scale":0,"value":"AA=="}'],
  [1700, -1, 'numeric', 'NaN', 'null', { notFinite: 'null' }],
  [1700, -1, 'numeric', 'NaN', '"NAN"', { decimal: 'string' }],
  [1700, -1, 'numeric', '-Infinity', '"NEGATIVE_INFINITY"', { decimal: 'string' }],
  [1700, -1, 'numeric', 'NaN', '"NaN"', { decimal: 'string', javaNames: false }],
  [1700, -1, 'numeric', '2e23', '1.9999999999999998E23', { decimal: 'double' }],
  [1700, numeric(10, 2), 'numeric(10,2)', '199.99', '199.99', { decimal: 'double' }],
  [1700, -1, 'numeric', 'NaN', '"NaN"', { decimal: 'double' }],
  [790, -1, 'money', '$1,234.56', '"AeJA"'],
  [790, -1, 'money', '-$0.05', '"+w=="'],
  [25, -1, 'text', 'a"b\\c\n\u0001\u001fé😀', '"a\\"b\\\\c\\n\\u0001\\u001Fé\\uD83D\\uDE00"'],
  [25, -1, 'text', '😀', '"\\uD83D\\uDE00"'],
  [1042, 9, 'character(5)', 'ab   ', '"ab   "'],
  [2950, -1, 'uuid', '6f6f8e0a-6c5b-4a0e-8f5c-000000000001', '"6f6f8e0a-6c5b-4a0e-8f5c-000000000001"'],
  [3802, -1, 'jsonb', '{"a": 1}', '"{\\"a\\": 1}"'],
  [869, -1, 'inet', '10.0.0.1/8', '"10.0.0.1/8"'],
  [17, -1, 'bytea', '\\x00ff10', '"AP8Q"'],
  [17, -1, 'bytea', '\\xfbff', '"-_8="', { binary: 'base64-url-safe' }],
  [17, -1, 'bytea', '\\x00ff10', '"00ff10"', { binary: 'hex' }],
  [1082, -1, 'date', '2026-01-02', '20455'],
  [1082, -1, 'date', '1969-12-31', '-1'],
  [1082, -1, 'date', '0001-01-01', '-719162'],
  [1082, -1, 'date', '0001-12-31 BC', '-719163'],
  [1082, -1, 'date', '10000-01-01', '2932897'],
  [1082, -1, 'date', 'infinity', '2146033979'],
  [1082, -1, 'date', '-infinity', '-625821272', { phase: 'snapshot' }],
  [1182, -1, 'date[]', '{infinity}', '[-622191234]'],
  [1083, -1, 'time without time zone', '03:04:05.123456', '11045123456'],
  [1083, 3, 'time(3) without time zone', '03:04:05.123', '11045123'],
  [1083, -1, 'time without time zone', '00:00:00.5', '500000'],
  [1083, 3, 'time(3) without time zone', '03:04:05.123', '11045123000', { time: 'adaptive_time_microseconds' }],
  [1114, -1, 'timestamp without time zone', '2026-01-02 03:04:05.123456', '1767323045123456'],
  [1114, 3, 'timestamp(3) without time zone', '2026-01-02 03:04:05.123', '1767323045123'],
  [1114, 0, 'timestamp(0) without time zone', '2026-01-02 03:04:05', '1767323045000'],
  [1114, -1, 'timestamp without time zone', '1969-12-31 23:59:59.5', '-500000'],
  [1114, -1, 'timestamp without time zone', '9999-12-31 23:59:59.999999', '253402300799999999'],
  [1114, -1, 'timestamp without time zone', 'infinity', '9223372036854775807'],
  [1114, -1, 'timestamp without time zone', '-infinity', '-9223372036854775808'],
  [1114, -1, 'timestamp without time zone', 'infinity', '9223372036825200000', { version: 306 }],
  [1082, -1, 'date', 'infinity', '-2147472692', { version: 300 }],
  [1114, 3, 'timestamp(3) without time zone', '-infinity', '-9223372036832400', { version: 306 }],
  [1231, -1, 'numeric[]', '{1,NaN}', 'null', { notFinite: 'null' }],
  [1231, -1, 'numeric[]', '{1,NULL}', '[{"scale":0,"value":"AQ=="},null]', { notFinite: 'null' }],
  [1114, 3, 'timestamp(3) without time zone', 'infinity', '9223372036825200000'],
  [1114, -1, 'timestamp without time zone', '294276-12-31 23:59:59.5', '9223372036854775807'],
  [1114, -1, 'timestamp without time zone', '9999-12-31 23:59:59', 'null', { time: 'nanoseconds' }],
  [1186, -1, 'interval', '178000000 years', '9223372036854775807'],
  [1186, -1, 'interval', '-178000000 years', '-9223372036854775808'],
  [1186, -1, 'interval', '00:00:08.2', '8199999'],
  [1266, -1, 'time with time zone', '24:00:00+00', '"24:00:00Z"'],
  [1266, -1, 'time with time zone', '24:00:00+00', '"00:00:00Z"', { version: 306 }],
  [1083, -1, 'time without time zone', '24:00:00', '"00:00:00Z"', { time: 'isostring' }],
  [1562, 5, 'bit varying(1)', '1', '"AQ=="'],
  [1562, 1, 'bit varying(1)', '', 'null'],
  [22, -1, 'int2vector', '1 2', '"1 2"'],
  [30, -1, 'oidvector', '', '""'],
  [1114, -1, 'timestamp without time zone', '2026-01-02 03:04:05.123456', '1767323045123', { time: 'connect' }],
  [
    1114,
    -1,
    'timestamp without time zone',
    '2026-01-02 03:04:05.123456',
    '1767323045123456000',
    { time: 'nanoseconds' },
  ],
  [1114, -1, 'timestamp without time zone', '2026-01-02 03:04:05.5', '"2026-01-02T03:04:05.5Z"', { time: 'isostring' }],
  [1184, -1, 'timestamp with time zone', '2026-01-02 03:04:05.12+00', '"2026-01-02T03:04:05.120000Z"'],
  [1184, 3, 'timestamp(3) with time zone', '2026-01-02 03:04:05.12+00', '"2026-01-02T03:04:05.120Z"'],
  [1184, 0, 'timestamp(0) with time zone', '2026-01-02 03:04:05+00', '"2026-01-02T03:04:05Z"'],
  [1184, -1, 'timestamp with time zone', 'infinity', '"infinity"'],
  [1184, 0, 'timestamp(0) with time zone', '0044-03-15 12:00:00+00 BC', '"-0043-03-15T12:00:00Z"'],
  [1266, -1, 'time with time zone', '10:11:12.5+02', '"08:11:12.5Z"'],
  [1266, -1, 'time with time zone', '01:00:00-05:30', '"06:30:00Z"'],
  [1266, -1, 'time with time zone', '01:00:00+02', '"23:00:00Z"'],
  [1186, -1, 'interval', '1 mon', '2629800000000'],
  [1186, -1, 'interval', '1 year 2 mons 3 days 04:05:06.789', '37091106789000'],
  [1186, -1, 'interval', '-1 days +00:00:01', '-86399000000'],
  [1186, -1, 'interval', '00:00:00', '0'],
  [1186, -1, 'interval', '1 year 2 mons 3 days 04:05:06.789', '"P1Y2M3DT4H5M6.789S"', { interval: 'string' }],
  [1186, -1, 'interval', '-00:00:00.5', '"P0Y0M0DT0H0M-0.5S"', { interval: 'string' }],
  [1560, 1, 'bit(1)', '1', 'true'],
  [1560, 10, 'bit(10)', '1000000011', '"AwI="'],
  [1562, -1, 'bit varying', '00000101', '"BQ=="'],
  [1562, -1, 'bit varying', '0000', '""'],
  [600, -1, 'point', '(1,2.5)', '{"x":1.0,"y":2.5,"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAARA","srid":null}'],
  [16500, -1, 'public.hstore', '"a"=>"1", "b\\"c"=>NULL', '"{\\"a\\":\\"1\\",\\"b\\\\\\"c\\":null}"'],
  [16500, -1, 'public.hstore', '"z"=>"😀", "aaa"=>"1"', '"{\\"aaa\\":\\"1\\",\\"z\\":\\"\\uD83D\\uDE00\\"}"'],
  [16500, -1, 'public.hstore', '"a"=>"1", "b"=>NULL', '{"a":"1","b":null}', { hstore: 'map' }],
  [16501, -1, 'public.vector(3)', '[1,2.5,-3]', '[1.0,2.5,-3.0]'],
  [16502, -1, 'public.sparsevec(5)', '{1:1.5,3:2}/5', '{"dimensions":5,"vector":[[1,1.5],[3,2.0]]}'],
  [
    16503,
    -1,
    'public.geometry(Point,4326)',
    '0101000020E6100000000000000000F03F0000000000000040',
    '{"wkb":"AQEAACDmEAAAAAAAAAAA8D8AAAAAAAAAQA==","srid":4326,"extensions":null}',
  ],
  [16504, -1, 'public.citext', 'MiX', '"MiX"'],
  [1007, -1, 'integer[]', '{1,NULL,-3}', '[1,null,-3]'],
  [1009, -1, 'text[]', '{a,"b \\"q\\" \\\\",NULL,"NULL",""}', '["a","b \\"q\\" \\\\",null,"NULL",""]'],
  [1007, -1, 'integer[]', '[0:1][1:2]={{1,2},{3,4}}', '[[1,2],[3,4]]'],
  [1231, numeric(10, 2), 'numeric(10,2)[]', '{199.99}', '["Th8="]'],
  [1182, -1, 'date[]', '{2026-01-02}', '[20455]'],
  [1009, -1, 'text[]', '{}', '[]'],
  [16505, -1, 'public.thing', '(1,a)', '"(1,a)"'],
];

/** What goes from bytes to bytes, with other bytes before and behind it. */
function written(type: ColumnType, text: string): string {
  const bytes = Buffer.from(`"${text}\\`);
  const to = new ByteWriter();
  to.text('before');
  type.write(to, { bytes, view: viewOf(bytes) }, 1, bytes.length - 1);
  return to.bytes.toString('utf8', 'before'.length, to.at);
}

for (const [type, typmod, typeName, text, json, more] of cases) {
  test(`${typeName} ${text} ${more === undefined ? '' : JSON.stringify(more)}`, () => {
    const mapped = columnType(column('c', type, { typmod, typeName }), { ...modes, ...more });
    assert.ok(mapped !== null);
    assert.equal(mapped.encode(text), json);
    assert.equal(written(mapped, text), json);
    JSON.parse(json);
  });
}

test('NaN under decimal: precise is an error, not null', () => {
  const mapped = columnType(column('c', 1700, { typeName: 'numeric' }), modes);
  assert.throws(() => mapped?.encode('NaN'), { code: 'PGS5007' });
  const scaled = columnType(column('c', 1700, { typmod: numeric(10, 2), typeName: 'numeric(10,2)' }), modes);
  assert.throws(() => written(scaled as ColumnType, 'NaN'), { code: 'PGS5007' });
});

test('a type without a mapping is text, left out, or an error, as the file says', () => {
  const composite = column('c', 16600, { typeName: 'public.pair', typeKind: 'composite' });
  assert.equal(columnType(composite, modes)?.encode('(1,2)'), '"(1,2)"');
  assert.equal(columnType(composite, { ...modes, unknown: 'omit' }), null);
  assert.throws(() => columnType(composite, { ...modes, unknown: 'error' }), { code: 'PGS5009' });
});

test('enum, range and domain', () => {
  const mood = column('c', 16601, { typeName: 'public.mood', typeKind: 'enum' });
  assert.equal(columnType(mood, { ...modes, unknown: 'error' })?.encode('sad'), '"sad"');
  const range = column('c', 16602, { typeName: 'public.span', typeKind: 'range' });
  assert.equal(columnType(range, { ...modes, unknown: 'error' })?.encode('[1,2)'), '"[1,2)"');
  const domain = { ...column('c', 16603, { typeName: 'public.positive', typeKind: 'domain' }), baseType: 23 };
  assert.equal(columnType(domain, modes)?.encode('5'), '5');
});

const placeholder = '__debezium_unavailable_value';
const bytes = [...Buffer.from(placeholder)].join(',');
const unavailable: readonly (readonly [number, string, string])[] = [
  [25, 'text', `"${placeholder}"`],
  [3802, 'jsonb', `"${placeholder}"`],
  [17, 'bytea', '"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="'],
  [1009, 'text[]', `["${placeholder}"]`],
  [1001, 'bytea[]', '["X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="]'],
  [1007, 'integer[]', `[${bytes}]`],
  [1016, 'bigint[]', `[${bytes}]`],
  [1182, 'date[]', `[${bytes}]`],
  [16500, 'public.hstore', `"{\\"${placeholder}\\":\\"${placeholder}\\"}"`],
];
for (const [type, typeName, json] of unavailable) {
  test(`unchanged ${typeName} is the placeholder`, () => {
    assert.equal(columnType(column('c', type, { typeName }), modes)?.unavailable, json);
  });
}

test('unchanged uuid[] is a name-based UUID of the placeholder', () => {
  const json = columnType(column('c', 2951, { typeName: 'uuid[]' }), modes)?.unavailable ?? '';
  assert.match(json, /^\["[0-9a-f]{8}-[0-9a-f]{4}-3[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"\]$/);
});
