/** Values for generated rows and literals: the ordinary, the extreme, and what breaks naive implementations. */
export type Kind =
  | 'bool'
  | 'int2'
  | 'int4'
  | 'int8'
  | 'numeric'
  | 'float4'
  | 'float8'
  | 'text'
  | 'varchar'
  | 'bpchar'
  | 'date'
  | 'timestamp'
  | 'timestamptz'
  | 'interval'
  | 'uuid'
  | 'jsonb'
  | 'bytea'
  | 'int4[]'
  | 'text[]'
  | 'numeric[]';

export const pools: Readonly<Record<Kind, readonly string[]>> = {
  bool: ['t', 'f'],
  int2: ['0', '1', '-1', '2', '7', '32767', '-32768', '100'],
  int4: ['0', '1', '-1', '2', '3', '5', '7', '10', '64', '1000', '65536', '2147483647', '-2147483648', '-12'],
  int8: [
    '0',
    '1',
    '-1',
    '3',
    '12',
    '2147483648',
    '9007199254740993',
    '9223372036854775807',
    '-9223372036854775808',
    '-77',
  ],
  numeric: [
    '0',
    '0.00',
    '1',
    '-1',
    '1.5',
    '2.50',
    '-2.5',
    '0.1',
    '3.14159265358979',
    '1000000',
    '99999999999999999999.99',
    '0.00000001',
    '-0.5',
    '10000',
    '9999.9999',
    '123456789012345678901234567890',
    'NaN',
    'Infinity',
    '-Infinity',
    '0.5',
    '7',
    '12345678',
    '1e-20',
    '4.45',
  ],
  float4: [
    '0',
    '1',
    '-1.5',
    '0.1',
    '3.4028235e38',
    '1e-45',
    '1e10',
    'NaN',
    'Infinity',
    '-Infinity',
    '-0',
    '16777216',
    '1234567',
    '0.0001',
    '0.00001',
  ],
  float8: [
    '0',
    '1',
    '-1.5',
    '0.1',
    '0.5',
    '1.5',
    '2.5',
    '-0.5',
    '1.7976931348623157e308',
    '5e-324',
    '1e15',
    '1e14',
    '123456789.125',
    'NaN',
    'Infinity',
    '-Infinity',
    '-0',
    '1e-5',
    '0.0001',
    '1e22',
    '2147483647.5',
    '9223372036854775807',
  ],
  text: [
    '',
    'a',
    'A',
    'abc',
    'ABC',
    'héllo',
    'HÉLLO',
    '日本語',
    '😀x',
    '\uffee',
    ' x ',
    'a%b',
    'a_b',
    '\\',
    'a\\b',
    '12',
    '-5',
    ' 42 ',
    '1.5',
    '1e3',
    'true',
    'f',
    'on',
    '2024-02-29',
    '2024-02-30',
    '2023-12-31 23:59:59.5',
    'NaN',
    'infinity',
    '{a,b}',
    '{1,2}',
    '{"a":1}',
    '[1,"x"]',
    'null',
    'İ',
    'ß',
    'tab\tx',
    'line\nbreak',
    'aaab',
    'abab',
    'foo,bar,,baz',
    '550e8400-e29b-41d4-a716-446655440000',
    "it's",
    '"q"',
    'x1y22',
    'ZZ',
    '9223372036854775808',
    'deadbeef',
    'YWJj',
  ],
  varchar: ['', 'a', 'abc', 'héllo', 'x ', '12', 'B', 'true'],
  bpchar: ['', 'a', 'ab', 'abcd', 'é', '12', 'B'],
  date: [
    '2024-02-29',
    '2000-01-01',
    '1970-01-01',
    '1969-12-31',
    '0001-01-01',
    '0044-03-15 BC',
    '4713-11-24 BC',
    '5874897-12-31',
    '9999-12-31',
    '12024-07-04',
    'infinity',
    '-infinity',
    '1900-02-28',
    '2023-12-31',
    '2021-01-03',
    '294276-12-31',
    '0001-12-31 BC',
  ],
  timestamp: [
    '2024-02-29 12:34:56.789',
    '2000-01-01 00:00:00',
    '1970-01-01 00:00:00',
    '1969-12-31 23:59:59.999999',
    '0001-01-01 00:00:00',
    '0044-03-15 01:02:03 BC',
    '4713-11-24 00:00:00 BC',
    '294276-12-31 23:59:59.999999',
    'infinity',
    '-infinity',
    '2021-01-03 05:00:00.000001',
    '2016-12-31 23:59:59.5',
    '1999-12-31 12:00:00',
    '0101-07-01 00:00:00 BC',
    '10000-01-01 13:00:00',
  ],
  timestamptz: [
    '2024-02-29 12:34:56.789+00',
    '2000-01-01 00:00:00+00',
    '1970-01-01 00:00:00+00',
    '0044-03-15 01:02:03+00 BC',
    '4713-11-24 00:00:00+00 BC',
    '294276-12-31 23:59:59.999999+00',
    'infinity',
    '-infinity',
    '2021-01-03 05:00:00.000001+05:30',
  ],
  interval: [
    '0',
    '1 day',
    '-1 days',
    '1 mon',
    '-1 mons',
    '1 year 2 mons -3 days +04:05:06.7',
    '30 days',
    '24:00:00',
    '-00:00:00.000001',
    '100 years',
    '-13 mons 40 days -25:00:00',
    '2147483647 days',
    '-178000000 years',
    '720:00:00',
    '00:00:01.5',
    '1000000:00:00',
    '11 mons',
    '-2 days 12:00:00',
  ],
  uuid: [
    '550e8400-e29b-41d4-a716-446655440000',
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
  ],
  jsonb: [
    '{"a": 1, "b": {"c": [1, 2.50, "x"]}, "k": null}',
    '[1, "a", null, {"a": "z"}]',
    '"a"',
    '12.50',
    'true',
    'null',
    '{}',
    '[]',
    '{"a": "A", "é": "ü", "bb": [true, false]}',
    '[[1, 2], [3]]',
    '1e3',
    '{"a": "12"}',
    '"\\u00e9\\n"',
    '-0.0',
  ],
  bytea: ['\\x', '\\x00', '\\xdeadbeef', '\\x616263', '\\xff', '\\x5c27'],
  'int4[]': ['{}', '{1}', '{1,2,3}', '{NULL,5}', '[2:3]={7,8}', '{{1,2},{3,4}}', '{7,7}', '{2147483647}'],
  'text[]': ['{}', '{a}', '{a,b}', '{NULL,c}', '{"x y","",NULL,"NULL"}', '{"é","a\\"b","{"}', '{b,c}', '{0}', '{a,1}'],
  'numeric[]': ['{}', '{1.50}', '{1.5,NULL,NaN}', '{0.1,2}'],
};
export const kinds = Object.keys(pools) as readonly Kind[];

/** Column name of each kind in the generated table. */
export const columnName = (kind: Kind): string => `c_${kind.replace('[]', 's')}`;
/** Columns have lengths where the type may. */
export const columnType: Partial<Record<Kind, string>> = { varchar: 'varchar(12)', bpchar: 'char(5)' };

/** A small generator of pseudo-random numbers (xorshift, 32 bits): the same seed gives the same run. */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = (seed * 2_654_435_761 + 0x9e37_79b9) >>> 0 || 1;
  }
  /** An integer of [0, below). */
  int(below: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % below;
  }
  chance(percent: number): boolean {
    return this.int(100) < percent;
  }
  pick<T>(of: readonly T[]): T {
    return of[this.int(of.length)] as T;
  }
}

export const quote = (text: string): string =>
  text.includes('\\') ? `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'` : `'${text.replaceAll("'", "''")}'`;
