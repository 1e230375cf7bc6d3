import type { Expr } from '../expr.ts';
import { quoteLiteral } from '../../postgres/quote.ts';
import type { Letters } from '../letters.ts';
import { type Call, type Entry, type Evaluate, type Refusal, operatorSql, strictWith } from '../table.ts';
import { type Alike, type Translated, asciiAlike, translate } from './regex-translate.ts';

const isRefusal = (result: Translated | Refusal): result is Refusal => 'code' in result;
const needsConstant: Refusal = {
  code: 'PGS4108',
  message: 'the pattern must be a constant, so that it can be checked that both dialects agree on it',
};
/** Text of a constant; null for NULL; undefined for anything that is no constant. */
const constantText = (expr: Expr | undefined): string | null | undefined =>
  expr?.op === 'const' ? expr.text : undefined;

function checkPattern(ignoreCase: boolean) {
  return ([, pattern]: readonly Expr[]): Refusal | null => {
    const text = constantText(pattern);
    if (text === undefined) return needsConstant;
    if (text === null) return null;
    const result = translate(text, ignoreCase ? asciiAlike : null);
    return isRefusal(result) ? result : null;
  };
}

function alikeOf(letters: Letters | undefined): Alike {
  return letters === undefined ? asciiAlike : (letter) => letters.alike(letter);
}

function translated(text: string, alike: Alike | null): Translated {
  const result = translate(text, alike);
  if (isRefusal(result)) throw new Error(result.message);
  return result;
}

function compilePattern(text: string, alike: Alike | null, flags: string): RegExp {
  return new RegExp(translated(text, alike).source, flags);
}

/**
 * The pattern with each letter as a set of its case variants: the server compares the pattern under collation "C", so
 * the result depends on no version of Unicode and no collation. Null: not for this call.
 */
function spelledOut(call: Call, ignoreCase: boolean): string | null {
  const pattern = constantText(call.args[1]);
  if (!ignoreCase || call.letters === undefined || typeof pattern !== 'string') return null;
  return `CAST(${quoteLiteral(translated(pattern, alikeOf(call.letters)).server)} AS pg_catalog.text)`;
}

function matcher(name: string, type: 'text' | 'bpchar'): Entry {
  const ignoreCase = name.endsWith('*');
  const wanted = !name.startsWith('!');
  const entry = strictWith({ check: checkPattern(ignoreCase) }, name, [[type, 'text'], 'bool'], () => wanted);
  return {
    ...entry,
    sql: (args, call) => {
      const pattern = spelledOut(call, ignoreCase);
      return pattern === null
        ? entry.sql(args, call)
        : operatorSql(wanted ? '~' : '!~', entry.args)([args[0] as string, pattern]);
    },
    build: ([a], call) => {
      const pattern = constantText(call.args[1]);
      if (typeof pattern !== 'string') return () => null;
      const regex = compilePattern(pattern, ignoreCase ? alikeOf(call.letters) : null, 'su');
      return (row) => {
        const value = (a as Evaluate)(row) as string | null;
        return value === null ? null : regex.test(value) === wanted;
      };
    },
  };
}

/** Which part is replaced depends on the length of the match, so only patterns with one way to match are accepted. */
function checkReplace([, pattern, replacement, flags]: readonly Expr[]): Refusal | null {
  const [text, by, options] = [
    constantText(pattern),
    constantText(replacement),
    flags === undefined ? '' : constantText(flags),
  ];
  if (text === undefined || by === undefined || options === undefined) {
    return { code: 'PGS4108', message: 'pattern, replacement and flags of regexp_replace must be constants' };
  }
  if (text === null || by === null || options === null) return null;
  if (!/^(?:g|i|gi|ig)?$/.test(options)) return { code: 'PGS4108', message: 'flags of regexp_replace may be g and i' };
  if (!/^(?:[^\\]|\\[\\&1-9])*$/s.test(by))
    return { code: 'PGS4108', message: 'a backslash in the replacement must be \\1 to \\9, \\& or \\\\' };
  const result = translate(text, options.includes('i') ? asciiAlike : null);
  if (isRefusal(result)) return result;
  if (result.alternation || result.variable > 1 || result.canBeEmpty) {
    return {
      code: 'PGS4108',
      message:
        'the dialects may match different lengths here: regexp_replace takes a pattern without |, with one *, + or ? at most, that cannot match the empty text',
    };
  }
  return Number(/\\([1-9])/.exec(by)?.[1] ?? 0) > 0 && result.variable > 0
    ? { code: 'PGS4108', message: 'a replacement with \\1 needs a pattern without *, + and ?' }
    : null;
}

function replaceEntry(withFlags: boolean): Entry {
  const args = withFlags ? (['text', 'text', 'text', 'text'] as const) : (['text', 'text', 'text'] as const);
  const entry = strictWith(
    { check: checkReplace },
    'regexp_replace',
    [args, 'text'],
    (...values: readonly string[]) => values[0] ?? null,
  );
  return {
    ...entry,
    sql: (args, call) => {
      const flags = constantText(call.args[3]) ?? '';
      const pattern = spelledOut(call, flags.includes('i'));
      if (pattern === null) return entry.sql(args, call);
      const [text = '', , by = ''] = args;
      return entry.sql([text, pattern, by, `CAST(${quoteLiteral(flags.replace('i', ''))} AS pg_catalog.text)`], call);
    },
    build: ([a], call) => {
      const [, pattern, by, flags] = call.args.map(constantText);
      const options = withFlags ? flags : '';
      if (typeof pattern !== 'string' || typeof by !== 'string' || typeof options !== 'string') return () => null;
      const alike = options.includes('i') ? alikeOf(call.letters) : null;
      const regex = compilePattern(pattern, alike, options.includes('g') ? 'gsu' : 'su');
      const replacement = by
        .replace(/\$/g, '$$$$')
        .replace(/\\([\\&1-9])/g, (_, c: string) => (c === '\\' ? '\\' : `$${c}`));
      return (row) => {
        const value = (a as Evaluate)(row) as string | null;
        return value === null ? null : value.replace(regex, replacement);
      };
    },
  };
}

export const regex: readonly Entry[] = [
  ...['~', '!~', '~*', '!~*'].flatMap((name) => [matcher(name, 'text'), matcher(name, 'bpchar')]),
  replaceEntry(false),
  replaceEntry(true),
];
