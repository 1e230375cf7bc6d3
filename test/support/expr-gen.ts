import { entries } from '../../core/expr/registry.ts';
import type { Entry } from '../../core/expr/table.ts';
import { columnName, type Kind, kinds, pools, quote, Random } from './expr-values.ts';

/** Random expressions as a user would write them, of a wanted type, from the function table itself. */
export class ExpressionGenerator {
  readonly #random: Random;
  constructor(random: Random) {
    this.#random = random;
  }

  expression(kind: Kind, depth: number): string {
    const random = this.#random;
    if (depth <= 0 || random.chance(12)) return this.#leaf(kind);
    if (random.chance(18)) return this.#special(kind, depth);
    if (random.chance(12)) return this.#cast(kind, depth);
    const usable = byResult.get(kind) ?? [];
    if (usable.length === 0) return random.chance(50) ? this.#special(kind, depth) : this.#leaf(kind);
    // By name first, so that comparison of eighteen types does not crowd out the rest.
    const name = random.pick([...new Set(usable.map((entry) => entry.name))]);
    return this.#call(random.pick(usable.filter((entry) => entry.name === name)), depth);
  }

  #leaf(kind: Kind): string {
    const random = this.#random;
    if (random.chance(70)) return columnName(kind);
    if (random.chance(6)) return `NULL::${kind}`;
    return `${quote(random.pick(pools[kind]))}::${kind}`;
  }

  #call(entry: Entry, depth: number): string {
    const special = constants[entry.id] ?? constants[entry.name];
    const args = entry.args.map((type, i) => {
      const fixed = special?.[i];
      if (fixed !== undefined) return quote(this.#random.pick(fixed));
      return this.expression(type as Kind, depth - 1);
    });
    if (entry.name === 'timezone') return `(${args[1]} AT TIME ZONE ${args[0]})`;
    if (entry.name === 'extract') return `extract(${args[0]} from ${args[1]})`;
    if (entry.name === 'position') return `position(${args[1]} in ${args[0]})`;
    if (entry.form === 'function') return `${entry.name}(${args.join(', ')})`;
    const infix = spelled[entry.name] ?? entry.name;
    return args.length === 1 ? `(${infix} ${args[0]})` : `(${args[0]} ${infix} ${args[1]})`;
  }

  #cast(kind: Kind, depth: number): string {
    const random = this.#random;
    const inner = this.expression(random.pick(kinds), depth - 1);
    const length = {
      numeric: ['', '(10,2)', '(5,0)', '(3,3)', '(4,4)'],
      varchar: ['', '(3)'],
      bpchar: ['', '(3)'],
      timestamp: ['', '(0)', '(3)'],
    } as Partial<Record<Kind, string[]>>;
    return `(${inner})::${kind}${random.pick(length[kind] ?? [''])}`;
  }

  #special(kind: Kind, depth: number): string {
    const random = this.#random;
    const of = (wanted: Kind): string => this.expression(wanted, depth - 1);
    const same = (): string => of(kind);
    switch (random.int(kind === 'bool' ? 12 : 6)) {
      case 0:
        return `CASE WHEN ${of('bool')} THEN ${same()} WHEN ${of('bool')} THEN ${same()} ELSE ${same()} END`;
      case 1:
        return `coalesce(${same()}, ${same()})`;
      case 2:
        return `nullif(${same()}, ${same()})`;
      case 3:
        return `${random.pick(['greatest', 'least'])}(${same()}, ${same()}, ${same()})`;
      case 4: {
        const subject = random.pick(kinds);
        return `CASE ${of(subject)} WHEN ${of(subject)} THEN ${same()} END`;
      }
      case 5:
        return kind === 'text'
          ? `concat(${of(random.pick(kinds))}, ${of(random.pick(kinds))})`
          : kind === 'text[]'
            ? `ARRAY[${of('text')}, ${of('text')}]`
            : kind === 'int4'
              ? `(${of('int4[]')})[${of('int4')}]`
              : same();
      case 6:
        return `(${of('bool')} AND ${of('bool')})`;
      case 7:
        return `(${of('bool')} OR ${of('bool')})`;
      case 8:
        return `(NOT ${of('bool')})`;
      default:
        return this.#test(depth);
    }
  }

  #test(depth: number): string {
    const random = this.#random;
    const subject = random.pick(kinds);
    const of = (): string => this.expression(subject, depth - 1);
    const literal = (): string => quote(random.pick(pools[subject]));
    switch (random.int(8)) {
      case 0:
        return `(${of()} IS ${random.pick(['', 'NOT '])}NULL)`;
      case 1:
        return `(${this.expression('bool', depth - 1)} IS ${random.pick(['', 'NOT '])}${random.pick(['TRUE', 'FALSE', 'UNKNOWN'])})`;
      case 2:
        return `(${of()} IS ${random.pick(['', 'NOT '])}DISTINCT FROM ${of()})`;
      case 3:
        return `(${of()} ${random.pick(['', 'NOT '])}IN (${literal()}, ${random.pick([literal(), 'NULL'])}, ${literal()}))`;
      case 4:
        return `(${of()} ${random.pick(['', 'NOT '])}IN (${of()}, ${literal()}))`;
      case 5:
        return `(${of()} ${random.pick(['', 'NOT '])}BETWEEN ${random.pick(['', 'SYMMETRIC '])}${of()} AND ${literal()})`;
      case 6: {
        const element = random.pick(['int4', 'text', 'numeric'] as const);
        return `(${this.expression(element, depth - 1)} ${random.pick(['=', '<>', '<', '>='])} ${random.pick(['ANY', 'ALL'])} (${this.expression(`${element}[]`, depth - 1)}))`;
      }
      default:
        return `(${of()} ${random.pick(['=', '<>', '<', '<=', '>', '>='])} ${random.pick([of(), literal()])})`;
    }
  }
}

const fields = [
  'year',
  'month',
  'day',
  'hour',
  'minute',
  'second',
  'dow',
  'isodow',
  'doy',
  'week',
  'isoyear',
  'quarter',
  'decade',
  'century',
  'millennium',
  'epoch',
  'milliseconds',
  'microseconds',
];
const truncs = [
  'second',
  'minute',
  'hour',
  'day',
  'week',
  'month',
  'quarter',
  'year',
  'decade',
  'century',
  'millennium',
  'milliseconds',
];
const likes = [
  'a%',
  '%b',
  '%',
  '_',
  'a_b',
  '%l%',
  'A%C',
  '\\%',
  'a\\%b',
  '%\\\\%',
  '',
  '%é%o',
  '_%_',
  'abc',
  '😀_',
  '%a%b%',
];
const regexes = [
  '^a',
  'b$',
  '[a-c]+',
  'a.b',
  '\\d+',
  '^\\s*$',
  '(a|b)c',
  '[^a-z]',
  'x?y*',
  '[[:alpha:]]{2,3}',
  'é',
  '.',
  '^(ab)+$',
  '\\w\\W',
  '[A-Z]',
  'a|',
  '[]a]',
  '\\.',
  '[a\\-z]',
  '^$',
  'l{2}',
  '😀',
  '[^\\s]',
  'b{0,1}c',
];

/** Formats of to_char for numbers, from all that they may hold. */
function numberFormats(): readonly string[] {
  const random = new Random(5);
  const digits = (most: number): string =>
    Array.from({ length: random.int(most) }, () => random.pick(['9', '9', '9', '0', ','])).join('');
  const made = Array.from({ length: 120 }, () => {
    const point = random.chance(60) ? `.${random.pick(['9', '0', '99', '00', '90', '09', '9990'])}` : '';
    const text = `${random.pick(['9', '0', '999', '000', '990', '9,999', '9'])}${digits(7)}${point}`;
    return `${random.pick(['', 'FM', 'fm', 'FM'])}${random.pick([text, text, `${text}MI`, `MI${text}`, `$${text}`, `${text} "x"`])}`;
  });
  return ['FM999999999990.00', '9', 'FM0', '0000', '999,999,999.99', 'FM999,999,990.0099', '.99', 'FM.00', ...made];
}
const numberFormat = { 1: numberFormats() };

/** Arguments that must be constants, by function (an overload of its own before its name) and position. */
const constants: Readonly<Record<string, Readonly<Record<number, readonly string[]>>>> = {
  extract: { 0: fields },
  'extract(text,interval)': {
    0: ['epoch', 'year', 'month', 'day', 'hour', 'minute', 'second', 'milliseconds', 'microseconds'],
  },
  'to_char(int4,text)': numberFormat,
  'to_char(int8,text)': numberFormat,
  'to_char(numeric,text)': numberFormat,
  date_part: { 0: fields },
  date_trunc: { 0: truncs, 2: ['UTC'] },
  timezone: { 0: ['UTC'] },
  to_char: {
    1: [
      'YYYY-MM-DD',
      'HH24:MI:SS.US',
      'YYYYMMDD"T"HH12:MI:SS AM',
      'IYYY-IW-ID',
      'Q DDD D',
      'Month|MON|dy|Day',
      'MS',
      '日YYYY',
    ],
  },
  convert_to: { 1: ['UTF8'] },
  convert_from: { 1: ['UTF8'] },
  encode: { 1: ['hex', 'base64', 'escape', 'HEX'] },
  decode: { 1: ['hex', 'base64', 'escape'] },
  regexp_replace: {
    1: ['a', '[a-z]', 'b+', '\\d', '(a)(b)', 'x*y'],
    2: ['', 'X', '<\\&>', '$1', '\\\\'],
    3: ['', 'g', 'gi', 'i'],
  },
  // What a negative number is called differs between 14 and later.
  chr: { 0: ['97', '233', '128512', '55296', '0', '1114112'] },
  repeat: { 1: ['0', '1', '2', '-1', '3'] },
  '~~': { 1: likes },
  '!~~': { 1: likes },
  '~~*': { 1: likes },
  '!~~*': { 1: likes },
  '~': { 1: regexes },
  '!~': { 1: regexes },
  '~*': { 1: regexes },
  '!~*': { 1: regexes },
};
const spelled: Readonly<Record<string, string>> = {
  '~~': 'LIKE',
  '!~~': 'NOT LIKE',
  '~~*': 'ILIKE',
  '!~~*': 'NOT ILIKE',
};

/** Entries over the kinds that rows have, by result. lpad and rpad of huge widths are left to hand-written cases. */
const byResult = new Map<string, Entry[]>();
for (const entry of entries) {
  const simple =
    entry.form !== 'special' &&
    entry.args.every(
      (type, i) => kinds.includes(type as Kind) || (constants[entry.id] ?? constants[entry.name])?.[i] !== undefined,
    );
  if (!simple || entry.result === null || ['lpad', 'rpad', 'like_escape'].includes(entry.name)) continue;
  const list = byResult.get(entry.result);
  if (list === undefined) byResult.set(entry.result, [entry]);
  else list.push(entry);
}
