import { dataError, unsupportedForm } from '../errors.ts';
import { type Entry, strict, strictWith, strictBuild, utf8Sql } from '../table.ts';
import { charLength, charsOf, lowerAscii, sliceChars, trimBlanks, upperAscii } from '../values/text.ts';

const intMax = 2_147_483_647;
const tooLong = () => dataError('54000', 'requested length too large');

/** substring with bounds as the standard has them: positions before 1 count, too. */
export function substring<T>(from: number, count: number | null, cut: (from: number, to: number) => T): T {
  if (count !== null && count < 0) throw dataError('22011', 'negative substring length not allowed');
  const end = count === null || from + count > intMax ? intMax : from + count;
  return end < 1 ? cut(0, 0) : cut(Math.max(from, 1) - 1, end - 1);
}
const textPart = (text: string, from: number, count: number | null): string =>
  substring(from, count, (a, b) => sliceChars(text, a, b));

/** The result of repeat, lpad and rpad must fit the server's limit of 1 GB, and a JavaScript string. */
function limit(bytes: number): void {
  if (bytes + 4 > 0x3fff_ffff) throw tooLong();
  if (bytes > 1 << 28) throw unsupportedForm('a text of more than 256 MB');
}
function repeat(text: string, times: number): string {
  if (times <= 0 || text === '') return '';
  limit(Buffer.byteLength(text) * times);
  return text.repeat(times);
}
function pad(text: string, width: number, fill: string): { text: string; fill: string } {
  const wanted = Math.max(width, 0);
  if (wanted * 4 + 4 > 0x3fff_ffff) throw tooLong();
  const length = charLength(text);
  if (length >= wanted || fill === '') return { text: sliceChars(text, 0, wanted), fill: '' };
  limit(wanted);
  const missing = wanted - length;
  const whole = fill.repeat(Math.ceil(missing / charLength(fill)));
  return { text, fill: sliceChars(whole, 0, missing) };
}
const lpad = (text: string, width: number, fill: string): string => {
  const padded = pad(text, width, fill);
  return padded.fill + padded.text;
};
const rpad = (text: string, width: number, fill: string): string => {
  const padded = pad(text, width, fill);
  return padded.text + padded.fill;
};

function splitPart(text: string, separator: string, n: number): string {
  if (n === 0) throw dataError('22023', 'field position must not be zero');
  const parts = separator === '' ? [text] : text.split(separator);
  return (n > 0 ? parts[n - 1] : parts[parts.length + n]) ?? '';
}
function position(text: string, part: string): number {
  const at = text.indexOf(part);
  return at < 0 ? 0 : charLength(text.slice(0, at)) + 1;
}
const astral = /[\ud800-\udfff]/;

function translate(text: string, from: string, to: string): string {
  if (from.length <= 64 && !astral.test(text) && !astral.test(from) && !astral.test(to))
    return translateBmp(text, from, to);
  const target = charsOf(to);
  const map = new Map<string, string>();
  charsOf(from).forEach((c, i) => {
    if (!map.has(c)) map.set(c, target[i] ?? '');
  });
  return charsOf(text)
    .map((c) => map.get(c) ?? c)
    .join('');
}
/** Without surrogates a character is one UTF-16 unit, and searching a short list is faster than building a map. */
function translateBmp(text: string, from: string, to: string): string {
  let out = '';
  let kept = 0;
  for (let i = 0; i < text.length; i++) {
    const at = from.indexOf(text[i] as string);
    if (at < 0) continue;
    out += text.slice(kept, i) + (to[at] ?? '');
    kept = i + 1;
  }
  return kept === 0 ? text : out + text.slice(kept);
}
function overlay(text: string, by: string, from: number, count: number): string {
  if (from <= 0) throw dataError('22011', 'negative substring length not allowed');
  if (from + count > intMax || from + count < -intMax - 1) throw dataError('22003', 'integer out of range');
  return textPart(text, 1, from - 1) + by + textPart(text, from + count, null);
}
function trimOf(set: string, left: boolean, right: boolean): (text: string) => string {
  const members = new Set(charsOf(set));
  return (text) => {
    const chars = charsOf(text);
    let from = 0;
    let to = chars.length;
    if (left) while (from < to && members.has(chars[from] as string)) from++;
    if (right) while (to > from && members.has(chars[to - 1] as string)) to--;
    return chars.slice(from, to).join('');
  };
}
const trims = (['btrim', 'ltrim', 'rtrim'] as const).flatMap((name) => {
  const spaces = trimOf(' ', name !== 'rtrim', name !== 'ltrim');
  return [
    strict(name, ['text'], 'text', spaces),
    strict(name, ['text', 'text'], 'text', (text, set) => trimOf(set, name !== 'rtrim', name !== 'ltrim')(text)),
  ];
});

function chr(code: number): string {
  if (code < 0) throw dataError('22023', 'character number must be positive');
  if (code === 0 || code > 0x10_ffff || (code >= 0xd800 && code <= 0xdfff)) {
    throw dataError('54000', 'requested character not valid');
  }
  return String.fromCodePoint(code);
}
/** The result is under collation "C" again, so that two explicit collations never meet. */
function folds(name: 'lower' | 'upper', ascii: (text: string) => string): Entry {
  const plain = strict(name, ['text'], 'text', ascii);
  return {
    ...plain,
    sql: (args, call) =>
      call.letters === undefined
        ? plain.sql(args, call)
        : `(pg_catalog.${name}((${args[0]} COLLATE ${call.letters.collation})) COLLATE pg_catalog."C")`,
    build: (parts, call) => {
      const { letters } = call;
      return letters === undefined
        ? plain.build(parts, call)
        : strictBuild((text) => letters[name](text as string), parts);
    },
  };
}

/** Words are runs of ASCII letters and digits, as under collation "C". */
function initcapAscii(text: string): string {
  return text.replace(/[A-Za-z0-9]+/g, (word) => upperAscii(word[0] as string) + lowerAscii(word.slice(1)));
}

/** Letters and words of other languages as well, if the server has a builtin collation. */
function initcap(): Entry {
  const plain = strict('initcap', ['text'], 'text', initcapAscii);
  return {
    ...plain,
    sql: (args, call) => {
      const words = call.letters?.words ?? null;
      if (words === null) return plain.sql(args, call);
      return `(pg_catalog.initcap((${args[0]} COLLATE ${words.collation})) COLLATE pg_catalog."C")`;
    },
    build: (parts, call) => {
      const words = call.letters?.words ?? null;
      return words === null ? plain.build(parts, call) : strictBuild((text) => words.initcap(text as string), parts);
    },
  };
}

const lengths = (['length', 'char_length', 'character_length'] as const).flatMap((name) => [
  strict(name, ['text'], 'int4', charLength),
  strict(name, ['bpchar'], 'int4', (text) => charLength(trimBlanks(text))),
]);
const positions = [
  strict('strpos', ['text', 'text'], 'int4', position),
  strictWith({ doc: "also position('x' in t)" }, 'position', [['text', 'text'], 'int4'], position),
];
const positionSql = positions.map(
  (entry): Entry => ({
    ...entry,
    // POSITION is a keyword: as a function it is written quoted.
    sql: (args) => `pg_catalog.strpos((${args[0]} COLLATE pg_catalog."C"), ${args[1]})`,
  }),
);
const substrings = (['substring', 'substr'] as const).flatMap((name) => {
  const quoted = `pg_catalog.${name}`;
  const sql = (args: readonly string[]) => `${quoted}(${args.join(', ')})`;
  return [
    strictWith({ sql }, name, [['text', 'int4'], 'text'], (text, from) => textPart(text, from, null)),
    strictWith({ sql }, name, [['text', 'int4', 'int4'], 'text'], textPart),
  ];
});

const octetsSql = (text: string): string => `pg_catalog.octet_length(${utf8Sql(text)})`;
/** A cast to text strips the trailing blanks of a char(n), each of which is one byte. */
const paddedOctetsSql = (value: string): string =>
  `(pg_catalog.octet_length(${value}) - pg_catalog.octet_length(CAST(${value} AS pg_catalog.text)) + ${octetsSql(`CAST(${value} AS pg_catalog.text)`)})`;
const byteLengths = [
  strictWith({ sql: ([text = '']) => octetsSql(text), immutable: false }, 'octet_length', [['text'], 'int4'], (text) =>
    Buffer.byteLength(text),
  ),
  strictWith(
    { sql: ([value = '']) => paddedOctetsSql(value), immutable: false },
    'octet_length',
    [['bpchar'], 'int4'],
    (text) => Buffer.byteLength(text),
  ),
  strictWith(
    { sql: ([text = '']) => `(${octetsSql(text)} * 8)`, immutable: false },
    'bit_length',
    [['text'], 'int4'],
    (text) => Buffer.byteLength(text) * 8,
  ),
];

/** The server's ascii() of other encodings is the first byte; in UTF-8 it is the code point. */
function codePointSql(text: string): string {
  const bytes = utf8Sql(`pg_catalog.left(${text}, 1)`);
  const byte = (at: number, mask: number, shift: number): string =>
    `((pg_catalog.get_byte(${bytes}, ${at}) & ${mask}) << ${shift})`;
  const of = (...parts: readonly string[]): string => parts.join(' + ');
  return `(CASE pg_catalog.octet_length(${bytes}) WHEN 0 THEN 0 WHEN 1 THEN ${byte(0, 127, 0)}
    WHEN 2 THEN ${of(byte(0, 31, 6), byte(1, 63, 0))} WHEN 3 THEN ${of(byte(0, 15, 12), byte(1, 63, 6), byte(2, 63, 0))}
    WHEN 4 THEN ${of(byte(0, 7, 18), byte(1, 63, 12), byte(2, 63, 6), byte(3, 63, 0))} END)`;
}

export const textFunctions: readonly Entry[] = [
  strict('||', ['text', 'text'], 'text', (a, b) => a + b),
  folds('lower', lowerAscii),
  folds('upper', upperAscii),
  initcap(),
  ...lengths,
  ...byteLengths,
  strict('left', ['text', 'int4'], 'text', (text, n) =>
    sliceChars(text, 0, n >= 0 ? n : Math.max(charLength(text) + n, 0)),
  ),
  strict('right', ['text', 'int4'], 'text', (text, n) => {
    const length = charLength(text);
    // The server's negation of the smallest integer overflows to itself, so nothing is cut.
    if (n === -intMax - 1) return text;
    return sliceChars(text, n >= 0 ? Math.max(length - n, 0) : Math.min(-n, length), length);
  }),
  ...substrings,
  ...trims,
  strict('replace', ['text', 'text', 'text'], 'text', (text, from, to) =>
    from === '' ? text : text.split(from).join(to),
  ),
  strict('split_part', ['text', 'text', 'int4'], 'text', splitPart),
  ...positionSql,
  strict('starts_with', ['text', 'text'], 'bool', (text, part) => text.startsWith(part)),
  strict('^@', ['text', 'text'], 'bool', (text, part) => text.startsWith(part)),
  strict('repeat', ['text', 'int4'], 'text', repeat),
  strict('lpad', ['text', 'int4'], 'text', (text, width) => lpad(text, width, ' ')),
  strict('lpad', ['text', 'int4', 'text'], 'text', lpad),
  strict('rpad', ['text', 'int4'], 'text', (text, width) => rpad(text, width, ' ')),
  strict('rpad', ['text', 'int4', 'text'], 'text', rpad),
  strict('reverse', ['text'], 'text', (text) => charsOf(text).reverse().join('')),
  strict('translate', ['text', 'text', 'text'], 'text', translate),
  strict('overlay', ['text', 'text', 'int4'], 'text', (text, by, from) => overlay(text, by, from, charLength(by))),
  strict('overlay', ['text', 'text', 'int4', 'int4'], 'text', overlay),
  strict('chr', ['int4'], 'text', chr),
  strictWith({ sql: ([text = '']) => codePointSql(text), immutable: false }, 'ascii', [['text'], 'int4'], (text) => {
    return text.codePointAt(0) ?? 0;
  }),
  strict('to_hex', ['int4'], 'text', (n) => (n >>> 0).toString(16)),
  strict('to_hex', ['int8'], 'text', (n) => BigInt.asUintN(64, n).toString(16)),
];
