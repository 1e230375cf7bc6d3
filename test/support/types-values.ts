/** Types with their extremes, for copies and streams between majors. Each type: its name in SQL, then values as text. */

/** What the types below need. */
export const typesSetup = `
  CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree; CREATE EXTENSION cube;
  CREATE TYPE mood AS ENUM ('sad', 'quote''s "x"', 'naïve, \\');
  CREATE TYPE pair AS (a int, b text, c mood); CREATE TYPE nest AS (p pair, l pair[], r int4range);
  CREATE DOMAIN short AS varchar(5) CHECK (value <> 'no'); CREATE DOMAIN shorter AS short CHECK (length(value) < 5);
  CREATE DOMAIN ints AS int[]; CREATE DOMAIN pairs AS pair CHECK ((value).a > 0);
  CREATE TYPE span AS RANGE (subtype = text, multirange_type_name = multispan); CREATE TYPE floats AS RANGE (subtype = float8);
  CREATE SCHEMA "Odd ""s"; CREATE TYPE "Odd ""s"."Ty""pe" AS ENUM ('A b', 'c''d');`;

export interface TypeValues {
  readonly type: string;
  readonly values: readonly string[];
  /** First major that reads all of them. */
  readonly since: number;
}

const everyByte = `\\x${Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0')).join('')}`;
const everyAscii = Array.from({ length: 127 }, (_, i) => String.fromCharCode(i + 1)).join('');
const digits = (n: number): string => Array.from({ length: n }, (_, i) => (i * 7 + 1) % 10).join('');

const all: readonly (readonly [string, ...string[]])[] = [
  ['smallint', '-32768', '32767', '0'],
  ['integer', '-2147483648', '2147483647'],
  ['bigint', '-9223372036854775808', '9223372036854775807'],
  ['numeric', 'NaN', 'Infinity', '-Infinity', `${digits(400)}.${digits(300)}`, '1.00', '-0.0', '0.000', `1e-200`],
  ['numeric(10,2)', '12345678.90', 'NaN', '-0.01'],
  ['numeric(1000,500)', `-${digits(499)}.${digits(500)}`],
  ['real', 'NaN', '-Infinity', 'Infinity', '1.17549435e-38', '3.4028235e38', '-0', '1e-45', '0.1'],
  [
    'double precision',
    '0.1',
    '1.7976931348623157e308',
    '5e-324',
    '-0',
    '0.30000000000000004',
    'NaN',
    'Infinity',
    '-Infinity',
    '123456789.12345678',
  ],
  ['money', '-92233720368547758.08', '92233720368547758.07', '0'],
  ['boolean', 'true', 'false'],
  ['"char"', 'x', '\\', '', ' '],
  ['name', `quo"te'`, 'ü'.repeat(31)],
  [
    'text',
    '',
    ' ',
    'NULL',
    '{}',
    'back\\slash "quotes" , {braces} (paren)',
    everyAscii,
    'é\u{1F600}\u{10FFFF}',
    '\\N',
    '\\.',
    '\\x41',
    'ab\ncd\r\n',
    'x'.repeat(1_000_000),
  ],
  ['varchar(10)', '          ', 'abc', '\u{1F600}'.repeat(10)],
  ['char(6)', '', 'ab', ' x "y', '\u{1F600}'],
  ['char', 'x'],
  ['bytea', '', '\\x00ff5c22', everyByte],
  ['bit(5)', '10101'],
  ['bit(64)', '1'.repeat(64)],
  ['bit varying', '', '1', '0101010101', '1'.repeat(5000)],
  ['bit varying(3)', '', '101'],
  ['date', '-infinity', 'infinity', '4713-01-01 BC', '5874897-12-31', '0001-12-31 BC'],
  ['time', '00:00:00', '24:00:00', '23:59:59.999999'],
  ['time(2)', '12:34:56.78'],
  ['timetz', '00:00:00+15:59', '24:00:00-15:59', '12:00:00.000001+05:30'],
  ['timestamp', '-infinity', 'infinity', '4713-01-01 00:00:00 BC', '294276-12-31 23:59:59.999999'],
  ['timestamp(0)', '1999-12-31 23:59:59'],
  [
    'timestamptz',
    '-infinity',
    'infinity',
    '4713-01-02 00:00:00+00 BC',
    '294276-12-31 23:59:59.999999+00',
    '2024-06-30 12:00:00.1+05:30',
  ],
  [
    'interval',
    '-178000000 years',
    '178000000 years',
    '1 mon -1 days +00:00:00.000001',
    '-1 year +2 mons -3 days 04:05:06.7',
    '0',
  ],
  ['interval year to month', '3 years 2 mons'],
  ['uuid', '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
  ['json', '{"a": 1,  "a":2, "u": "\\u00e9 \\ud83d\\ude00"}', 'null', '"\\\\"', ' [1 , 1e400,-0] ', '{}'],
  ['jsonb', '{"b": [1.0, 1.00], "a": "\\"q\\""}', 'null', '1e400', '[]', '"\\\\ \\u0001"'],
  ['jsonpath', '$."a b"[*]?(@ > 1)', 'strict $.x'],
  ['xml', '<a b="1">&amp;</a>', 'text <b/>', '<x>é\u{1F600}</x>', ''],
  ['point', '(1,2)', '(NaN,-Infinity)', '(-0,5e-324)'],
  ['line', '{1,-1,0}', '{0.1,-1,1e300}'],
  ['lseg', '[(0,0),(1,1)]'],
  ['box', '(1,1),(0,0)', '(Infinity,0.1),(-Infinity,-0)'],
  ['path', '[(0,0),(1,1)]', '((0,0),(1,1))'],
  ['polygon', '((0,0),(1,1),(2,0))', '((0.1,0.2))'],
  ['circle', '<(0,0),1e-300>', '<(NaN,1),0>'],
  ['inet', '10.0.0.1', '10.0.0.1/8', 'fe80::1/64', '::', '::ffff:1.2.3.4'],
  ['cidr', '10.0.0.0/8', '::/0', '2001:db8::/32'],
  ['macaddr', '08:00:2b:01:02:03', 'ff:ff:ff:ff:ff:ff'],
  ['macaddr8', '08:00:2b:01:02:03:04:05'],
  ['tsvector', `'a b':1A,2 'it''s':3`, '', `'\\\\':16383`],
  ['tsquery', `'a' & !'b c' <-> 'd':*A`, `'it''s' | ( 'x' & 'y' )`],
  ['pg_lsn', 'FFFFFFFF/FFFFFFFF', '0/0'],
  ['txid_snapshot', '10:20:10,14,15'],
  ['pg_snapshot', '10:20:'],
  ['xid8', '18446744073709551615', '0'],
  ['xid', '4294967295'],
  ['cid', '4294967295'],
  ['tid', '(4294967295,65535)'],
  ['oid', '4294967295', '0'],
  ['oidvector', '1 2 4294967295', ''],
  ['int2vector', '1 -2 3'],
  ['regclass', 'pg_catalog.pg_class', '-'],
  ['regtype', 'integer', 'pair'],
  ['regproc', 'now'],
  ['regprocedure', 'sum(integer)'],
  ['regrole', 'postgres'],
  ['regnamespace', 'pg_catalog'],
  ['int4range', 'empty', '[1,5)', '(,)', '[-2147483648,)'],
  ['int8range', '(,9223372036854775807)'],
  ['numrange', '[1.0,1.00]', '(,NaN]', '[-Infinity,)'],
  ['tsrange', '["2024-01-01 00:00:00",infinity]'],
  ['tstzrange', '["2024-01-01 00:00:00+00",infinity]', '(,"0044-03-15 00:00:00+00 BC")'],
  ['daterange', '[2024-01-01,infinity)', 'empty'],
  ['int4multirange', '{}', '{[1,2),[5,6)}', '{(,)}'],
  ['nummultirange', '{[1.0,1.50],(2,)}'],
  ['tstzmultirange', '{["2024-01-01 00:00:00+00","2024-01-02 00:00:00+00")}'],
  ['mood', 'sad', `quote's "x"`, 'naïve, \\'],
  ['"Odd ""s"."Ty""pe"', 'A b', `c'd`],
  ['pair', '(,,)', '(1,"a ""q"" \\\\ (,)",sad)', '(2,"",)', `(3,"{""x"",NULL}","quote's ""x""")`],
  ['nest', '(,,)', '("(1,a,sad)","{""(2,\\\\""b c\\\\"",)"",NULL}","[1,3)")'],
  ['pairs', '(7,x,sad)'],
  ['short', 'abcde', ''],
  ['shorter', 'abcd'],
  ['ints', '{1,NULL,3}', '{{1,2},{3,4}}', '[-1:0]={5,6}'],
  ['span', '["a b","c,d""")', '(,x]', 'empty'],
  ['floats', '[0.1,0.30000000000000004)', '(-Infinity,NaN]'],
  ['multispan', '{[a,b),["c d",e]}', '{}'],
  ['hstore', '', '"a"=>NULL, "q\\"x"=>"1,\\\\"', '"é"=>"NULL"'],
  ['citext', 'MiXeD', ''],
  ['ltree', 'Top.Science.Astronomy', ''],
  ['cube', '(1, 2),(3, 4)', '(0.1)'],
  ['integer[]', '{}', '{1,NULL}', '{{1,2},{3,4}}', '[0:1]={1,2}', '[-5:-4][2:3]={{1,NULL},{3,4}}', '{{{{{{1}}}}}}'],
  ['text[]', '{NULL,"NULL","",",","{","\\"","\\\\"}', '{{a,"b c"},{"\t",é}}', '{"\\\\N","\\\\.","(a,b)"," x "}'],
  ['varchar(5)[]', '{abcde}'],
  ['char(3)[]', '{a,"b  "}'],
  ['bit(3)[]', '{101,010}'],
  ['numeric(5,1)[]', '{1.5,NaN}'],
  ['float8[]', '{0.1,NaN,-Infinity,5e-324,-0}'],
  ['box[]', '{(1,1),(0,0);(2,2),(1,1)}'],
  ['bytea[]', '{"\\\\x00ff",NULL,"\\\\x"}'],
  ['json[]', '{"{\\"a\\": 1}"}'],
  ['jsonb[]', '{"{\\"a\\": [\\"\\\\\\\\\\"]}",NULL}'],
  ['uuid[]', '{00000000-0000-0000-0000-000000000000}'],
  ['mood[]', '{sad,NULL,"quote\'s \\"x\\"","naïve, \\\\"}'],
  ['pair[]', '{"(1,\\"a \\"\\"b\\",sad)",NULL}', '{{"(1,a,)"},{"(2,b,)"}}'],
  ['short[]', '{abc,NULL,""}'],
  ['int4range[]', '{"[1,3)",empty,NULL}'],
  ['hstore[]', '{"\\"a\\"=>\\"1\\"",NULL}'],
  ['timestamptz[]', '{infinity,"2024-01-01 00:00:00.5+00"}'],
  ['interval[]', '{"1 day","-00:00:01"}'],
  ['money[]', '{$1.00,-$2.50}'],
  ['xml[]', '{<a/>,NULL}'],
  ['regclass[]', '{pg_catalog.pg_class,-}'],
];

const later: readonly TypeValues[] = [
  { type: 'numeric(3,-2)', values: ['12300', '-99900'], since: 15 },
  { type: 'numeric(3,5)', values: ['0.00123'], since: 15 },
  { type: 'interval', values: ['infinity', '-infinity'], since: 17 },
];

export function typesOf(major: number): readonly TypeValues[] {
  const always = all.map(([type, ...values]) => ({ type, values, since: 14 }));
  return [...always, ...later.filter(({ since }) => major >= since)];
}

/** A literal of any text, in a statement of its own or not. */
export function literal(text: string): string {
  return ` E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
