import type { Random } from '../support/chaos/random.ts';
import { typeSetup, typesOf } from '../support/types-values.ts';
import type { Value } from './script.ts';

/** Values of every type, with a bias to edges. */

export interface TypeChoice {
  readonly type: string;
  readonly values: readonly string[];
}

/** A long value is written as an expression. */
const longest = 3000;

export function typesFor(major: number): readonly TypeChoice[] {
  const found = typesOf(major).map(({ type, values }) => ({
    type,
    values: values.filter(({ length }) => length <= longest),
  }));
  const known = new Set(found.map(({ type }) => type));
  const arrays = found.map(arrayOf).filter(({ type }) => !type.includes('[][]') && !known.has(type));
  return [...found, ...arrays];
}

function arrayOf({ type, values }: TypeChoice): TypeChoice {
  const element = (value: string) => `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  const all = values.map(element).join(type === 'box' ? ';' : ',');
  return { type: `${type}[]`, values: ['{}', '{NULL}', `{${all}}`, `[0:0]={${element(values[0] ?? '')}}`] };
}

const names = new Set(typeSetup.flatMap((setup) => setup.names));

/** The user-defined type that a type is made of, if it is of one. */
export function needOf(type: string): readonly string[] {
  const base = type.replace(/(?:\[\])+$/, '');
  // regtype holds the name of one as a value.
  if (base === 'regtype') return ['pair'];
  return names.has(base) ? [base] : [];
}

/** Types of keys, with values of which some are equal as keys though not as text, or sort otherwise than they look. */
export const keyTypes: readonly TypeChoice[] = [
  { type: 'integer', values: ['0', '1', '2', '3', '-1', '2147483646', '-2147483648', '7'] },
  { type: 'integer', values: ['1', '2', '3', '4', '5', '6', '7', '8'] },
  { type: 'bigint', values: ['1', '2', '3', '-9223372036854775808', '9223372036854775806', '4'] },
  { type: 'smallint', values: ['1', '2', '3', '-32768', '32766'] },
  { type: 'text', values: ['', ' ', 'a', 'A', 'b', 'é', 'e\u0301', '\\N', 'a\tb', "o'k", 'null', '\u{1F600}'] },
  { type: 'varchar(12)', values: ['', 'a', 'a ', 'A', 'ß', 'x,y', '{}'] },
  { type: 'char(4)', values: ['', 'a', 'ab', 'A', 'é'] },
  {
    type: 'uuid',
    values: [
      '00000000-0000-0000-0000-000000000000',
      'ffffffff-ffff-ffff-ffff-ffffffffffff',
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    ],
  },
  { type: 'numeric', values: ['1', '1.0', '1.00', '0', '-0.5', 'NaN', '1e30', '0.000001'] },
  { type: 'numeric(8,2)', values: ['1', '1.01', '0', '-99.99', '100'] },
  { type: 'date', values: ['-infinity', 'infinity', '4713-01-01 BC', '2024-02-29', '0001-12-31 BC'] },
  {
    type: 'timestamptz',
    values: ['-infinity', 'infinity', '2024-06-30 12:00:00.000001+00', '4713-01-02 00:00:00+00 BC'],
  },
  { type: 'timestamp', values: ['2024-06-30 12:00:00', 'infinity', '294276-12-31 23:59:59.999999'] },
  { type: 'bytea', values: ['', '\\x00', '\\x0001', '\\xff', '\\x5c'] },
  { type: 'boolean', values: ['true', 'false'] },
  { type: 'double precision', values: ['0', '-0', 'NaN', 'Infinity', '0.1', '0.30000000000000004'] },
  { type: 'real', values: ['0', '1.5', 'NaN', '-Infinity', '0.1'] },
  { type: 'interval', values: ['1 mon', '30 days', '720:00:00', '0', '-1 day'] },
  { type: 'time', values: ['00:00:00', '24:00:00', '12:00:00.5'] },
  { type: 'inet', values: ['10.0.0.1', '10.0.0.1/8', '::', 'fe80::1/64'] },
  { type: 'bit(5)', values: ['10101', '00000', '11111'] },
  { type: 'oid', values: ['0', '1', '4294967295'] },
  { type: '"char"', values: ['x', '', 'y'] },
  { type: 'name', values: ['a', 'b', 'quo"te'] },
  { type: 'money', values: ['0', '1.50', '-1.50'] },
  { type: 'integer[]', values: ['{}', '{1}', '{1,NULL}', '[0:1]={1,2}', '{{1,2}}'] },
  { type: 'text[]', values: ['{}', '{""}', '{a}', '{NULL}', '{"a,b"}'] },
  { type: 'int4range', values: ['empty', '[1,5)', '(,)', '[1,4]'] },
  { type: 'jsonb', values: ['1', '1.0', '{}', '[]', '"a"', 'null', '{"a":1}'] },
  { type: 'mood', values: ['sad', `quote's "x"`, 'naïve, \\'] },
  { type: 'citext', values: ['a', 'A', 'b', ''] },
  { type: 'pair', values: ['(1,a,sad)', '(1,b,sad)', '(2,"",sad)'] },
  { type: 'shorter', values: ['a', 'b', 'abcd', ''] },
  { type: 'pg_lsn', values: ['0/0', '0/1', 'FFFFFFFF/FFFFFFFF'] },
  { type: 'macaddr', values: ['08:00:2b:01:02:03', 'ff:ff:ff:ff:ff:ff'] },
];

type Make = (random: Random) => Value;

const unicode = [
  'é',
  'e\u0301',
  '\u{1F600}',
  'ß',
  'İ',
  '中',
  '\u200d',
  '\ufeff',
  '\u{10FFFF}',
  '\u0001',
  '\t',
  '\n',
  '\r',
  '\\',
  "'",
  '"',
  ',',
  '{',
  '}',
  ' ',
  'a',
  'Z',
  '%',
  '$',
  '\u2028',
];
const someText: Make = (random) => Array.from({ length: random.int(0, 8) }, () => random.pick(unicode)).join('');
const digits = (random: Random, most: number): string =>
  Array.from({ length: random.int(1, most) }, () => random.int(0, 9)).join('');
const someNumeric: Make = (random) =>
  `${random.pick(['', '-'])}${digits(random, 30)}${random.pick(['', '.0', '.00', `.${digits(random, 20)}`])}`;
const someJson = (random: Random, depth: number): string => {
  if (depth === 0 || random.chance(0.3))
    return random.pick([
      'null',
      'true',
      '1',
      '-0',
      '1.0',
      '1.50',
      '1e5',
      '123456789012345678901234567890.123',
      '""',
      '"\\u00e9"',
      '"a\\\\b\\"c"',
      '"\\n"',
      '0.00',
    ]);
  const parts = Array.from({ length: random.int(0, 3) }, () => someJson(random, depth - 1));
  if (random.chance(0.5)) return `[${parts.join(',')}]`;
  return `{${parts.map((part, i) => `"${random.pick(['a', 'b', '', 'é', 'a b'])}${i}":${part}`).join(', ')}}`;
};
const someTimestamp = (random: Random): string =>
  `${String(random.int(1, 4700)).padStart(4, '0')}-${String(random.int(1, 12)).padStart(2, '0')}-${String(random.int(1, 28)).padStart(2, '0')} ${String(random.int(0, 23)).padStart(2, '0')}:59:59.${digits(random, 6)}`;
const someBytes: Make = (random) =>
  `\\x${Array.from({ length: random.int(0, 12) }, () => random.int(0, 255).toString(16).padStart(2, '0')).join('')}`;

const generators: Readonly<Record<string, Make>> = {
  integer: (random) => String(random.int(-2147483648, 2147483647)),
  smallint: (random) => String(random.int(-32768, 32767)),
  bigint: (random) => `${random.pick(['', '-'])}${BigInt(digits(random, 18))}`,
  numeric: someNumeric,
  text: (random) => (random.chance(0.1) ? { sql: longText(random) } : someText(random)),
  'double precision': (random) => String((random.next() - 0.5) * 10 ** random.int(-300, 300)),
  real: (random) => String(Math.fround((random.next() - 0.5) * 10 ** random.int(-30, 30))),
  jsonb: (random) =>
    random.chance(0.08) ? { sql: `jsonb_build_object('k', ${longText(random)})` } : someJson(random, 3),
  json: (random) => someJson(random, 3),
  bytea: (random) => (random.chance(0.1) ? { sql: `convert_to(${longText(random)}, 'UTF8')` } : someBytes(random)),
  date: (random) => someTimestamp(random).slice(0, 10) + random.pick(['', ' BC']),
  timestamp: (random) => someTimestamp(random) + random.pick(['', ' BC']),
  timestamptz: (random) => `${someTimestamp(random)}${random.pick(['+00', '-12:30', '+14'])}`,
  uuid: (random) => Array.from({ length: 32 }, () => random.int(0, 15).toString(16)).join(''),
  'integer[]': (random) =>
    `{${Array.from({ length: random.int(0, 5) }, () => random.pick(['NULL', '1', '-7', '2147483647'])).join(',')}}`,
};

/** Text that goes out of line: it compresses badly, and is the same wherever it is computed. */
export function longText(random: Random): string {
  const kind = random.int(0, 2);
  const salt = random.int(0, 999);
  if (kind === 0) return `repeat('x${salt}', ${random.int(1000, 4000)})`;
  const times = random.pick([80, 300, 3000]);
  return `(SELECT string_agg(md5((g + ${salt})::text), '${kind === 1 ? '' : 'é'}' ORDER BY g) FROM generate_series(1, ${times}) g)`;
}

/** A value of the type that is not NULL. */
export function valueOf(choice: TypeChoice, random: Random): Value {
  const make = generators[choice.type];
  if (make !== undefined && (choice.values.length === 0 || random.chance(0.5))) return make(random);
  return random.pick(choice.values);
}
