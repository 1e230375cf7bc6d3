import type { Expr } from '../expr.ts';
import { dataError } from '../errors.ts';
import type { Letters } from '../letters.ts';
import { type Call, type Entry, type Evaluate, type Refusal, strict, strictWith } from '../table.ts';
import { charsOf, lowerAscii } from '../values/text.ts';

const incomplete = () => dataError('22025', 'LIKE pattern must not end with escape character');

type Matcher = (text: string) => boolean;

/**
 * One pattern as a function. Most patterns are plain prefixes, suffixes or infixes, which need no regular expression.
 */
function likeMatcher(pattern: string): Matcher {
  const tokens = charsOf(pattern);
  let source = '';
  let literal = '';
  const shape: string[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const c = tokens[i] as string;
    if (c === '%' || c === '_') {
      shape.push(literal, c);
      literal = '';
      source += c === '%' ? '[^]*?' : '[^]';
      continue;
    }
    if (c === '\\' && i + 1 === tokens.length) return slow(tokens);
    const plain = c === '\\' ? (tokens[++i] as string) : c;
    literal += plain;
    source += plain.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  }
  shape.push(literal);
  if (shape.length === 1) return (text) => text === literal;
  const [head = '', wild, tail = ''] = shape;
  if (shape.length === 3 && wild === '%') {
    if (tail === '') return (text) => text.startsWith(head);
    if (head === '') return (text) => text.endsWith(tail);
    return (text) => text.length >= head.length + tail.length && text.startsWith(head) && text.endsWith(tail);
  }
  if (shape.length === 5 && head === '' && wild === '%' && shape[3] === '%' && shape[4] === '') {
    return (text) => text.includes(tail);
  }
  const regex = new RegExp(`^${source}$`, 'u');
  return (text) => regex.test(text);
}

/**
 * A pattern that ends within an escape is an error only if matching reaches its end, so the pattern is walked as the
 * server walks it.
 */
function slow(pattern: readonly string[]): Matcher {
  return (text) => walk(charsOf(text), pattern, 0, 0) === true;
}
/** `null`: no longer text can match either. */
function walk(text: readonly string[], pattern: readonly string[], t: number, p: number): boolean | null {
  while (t < text.length && p < pattern.length) {
    const c = pattern[p] as string;
    if (c === '%') return afterPercent(text, pattern, t, p + 1);
    if (c === '\\') {
      if (p + 1 === pattern.length) throw incomplete();
      if (pattern[++p] !== text[t]) return false;
    } else if (c !== '_' && c !== text[t]) return false;
    t++;
    p++;
  }
  if (t < text.length) return false;
  while (pattern[p] === '%') p++;
  return p === pattern.length ? true : null;
}
function afterPercent(text: readonly string[], pattern: readonly string[], from: number, at: number): boolean | null {
  let t = from;
  let p = at;
  for (; pattern[p] === '%' || pattern[p] === '_'; p++) {
    if (pattern[p] === '_' && t++ >= text.length) return null;
  }
  if (p === pattern.length) return true;
  if (pattern[p] === '\\' && p + 1 === pattern.length) throw incomplete();
  const first = pattern[p] === '\\' ? pattern[p + 1] : pattern[p];
  for (; t < text.length; t++) {
    if (text[t] !== first) continue;
    const result = walk(text, pattern, t, p);
    if (result !== false) return result;
  }
  return null;
}

/** The last pattern's matcher is kept: a pattern is a constant or repeats. */
function cached(): (text: string, pattern: string) => boolean {
  let last: string | null = null;
  let matcher: Matcher = () => false;
  return (text, pattern) => {
    if (pattern !== last) {
      matcher = likeMatcher(pattern);
      last = pattern;
    }
    return matcher(text);
  };
}

function check([, pattern]: readonly Expr[]): Refusal | null {
  if (pattern?.op !== 'const' || pattern.text === null) return null;
  return /^(?:[^\\]|\\.)*$/s.test(pattern.text)
    ? null
    : { code: 'PGS4109', message: 'the LIKE pattern ends within an escape' };
}

function foldOf(folds: boolean, letters: Letters | undefined): (text: string) => string {
  if (!folds) return (text) => text;
  return letters === undefined ? lowerAscii : (text) => letters.lower(text);
}

function pair(type: 'text' | 'bpchar', name: string, folds: boolean): Entry[] {
  const make = (operator: string, wanted: boolean): Entry => {
    const entry = strictWith({ check }, operator, [[type, 'text'], 'bool'], () => wanted);
    const sql = (args: readonly string[], call: Call): string =>
      call.letters === undefined
        ? entry.sql(args, call)
        : `((${args[0]} COLLATE ${call.letters.collation}) OPERATOR(pg_catalog.${operator}) ${args[1]})`;
    const build = ([a, b]: readonly Evaluate[], { letters }: Call): Evaluate => {
      const match = cached();
      const fold = foldOf(folds, letters);
      return (row) => {
        const text = (a as Evaluate)(row) as string | null;
        const pattern = (b as Evaluate)(row) as string | null;
        return text === null || pattern === null ? null : match(fold(text), fold(pattern)) === wanted;
      };
    };
    return { ...entry, sql, build };
  };
  return [make(name, true), make(`!${name}`, false)];
}

/** LIKE … ESCAPE: the pattern with its own escape rewritten to backslashes. */
function likeEscape(pattern: string, escape: string): string {
  if (escape === '') return pattern.replaceAll('\\', '\\\\');
  if (charsOf(escape).length > 1) throw dataError('22025', 'invalid escape string');
  if (escape === '\\') return pattern;
  let out = '';
  let afterEscape = false;
  for (const c of charsOf(pattern)) {
    if (c === escape && !afterEscape) {
      out += '\\';
      afterEscape = true;
      continue;
    }
    out += c === '\\' && !afterEscape ? '\\\\' : c;
    afterEscape = false;
  }
  return out;
}

export const like: readonly Entry[] = [
  ...pair('text', '~~', false),
  ...pair('bpchar', '~~', false),
  ...pair('text', '~~*', true),
  ...pair('bpchar', '~~*', true),
  strict('like_escape', ['text', 'text'], 'text', likeEscape),
];
