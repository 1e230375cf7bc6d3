import type { Folding, OtherLetter } from '../postgres/letters.ts';
import type { Expr } from './expr.ts';
import { Words } from './words.ts';

/**
 * Upper and lower case as Unicode has them, for all languages alike (the root locale), with what the source knows otherwise.
 */
export class Letters {
  readonly collation: string;
  readonly words: Words | null;
  readonly #context: boolean;
  readonly #others: ReadonlyMap<string, OtherLetter>;
  readonly #anyOther: RegExp | null;

  constructor({ collation, context, others, words }: Folding) {
    this.collation = collation;
    this.words = words === null ? null : new Words(words);
    this.#context = context;
    this.#others = new Map(others.map((other) => [other.letter, other]));
    const set = others.map(({ letter }) => `\\u{${letter.codePointAt(0)!.toString(16)}}`).join('');
    this.#anyOther = set === '' ? null : new RegExp(`([${set}])`, 'u');
  }

  /** What a letter stands for in a pattern where case does not count: one letter for one. */
  alike(letter: string): readonly string[] {
    return [...new Set([letter, one(letter, this.upper(letter)), one(letter, this.lower(letter))])];
  }

  upper(text: string): string {
    if (this.#anyOther?.test(text) !== true) return text.toUpperCase();
    const pieces = text.split(this.#anyOther);
    return pieces.map((piece) => this.#others.get(piece)?.upper ?? piece.toUpperCase()).join('');
  }

  lower(text: string): string {
    const fold = this.#context ? whole : letterByLetter;
    if (this.#anyOther?.test(text) !== true) return fold(text);
    // In its place each piece has a letter that a word goes on with, or one that it does not.
    const standIn = (letter: string | undefined): string => {
      if (letter === undefined) return '';
      return this.#others.get(letter)?.goesOn === true ? 'a' : '1';
    };
    const pieces = text.split(this.#anyOther);
    return pieces
      .map((piece, i) => {
        if (i % 2 === 1) return this.#others.get(piece)?.lower ?? piece;
        const [before, after] = [standIn(pieces[i - 1]), standIn(pieces[i + 1])];
        const folded = fold(before + piece + after);
        return folded.slice(before.length, folded.length - after.length);
      })
      .join('');
  }
}

/** Greek letters with a small iota beside them, whose upper case is two letters, and the one letter that is theirs by Unicode's simple mapping. */
const withIota: ReadonlyMap<string, string> = new Map(
  Array.from({ length: 0x80 }, (_, i) => String.fromCodePoint(0x1f80 + i))
    .filter((letter) => letter.toLowerCase() !== letter && [...letter.toUpperCase()].length > 1)
    .map((letter) => [letter.toLowerCase(), letter]),
);

/** Unicode's simple mapping: where the full one has several letters, the letter itself mostly. */
function one(letter: string, folded: string): string {
  if ([...folded].length === 1) return folded;
  return letter === 'İ' && folded.startsWith('i') ? 'i' : (withIota.get(letter) ?? letter);
}

/** Where no server is asked: as this runtime knows them. */
export const ownLetters = new Letters({
  collation: 'pg_catalog."und-x-icu"',
  context: true,
  others: [],
  words: { collation: 'pg_catalog.pg_c_utf8', others: [], otherwise: [] },
});

const whole = (text: string): string => text.toLowerCase();

function letterByLetter(text: string): string {
  let out = '';
  for (const letter of text) out += letter.toLowerCase();
  return out;
}

const folding: ReadonlySet<string> = new Set([
  'lower(text)',
  'upper(text)',
  ...['~~*', '!~~*', '~*', '!~*'].flatMap((name) => [`${name}(text,text)`, `${name}(bpchar,text)`]),
]);

type Call = Extract<Expr, { op: 'call' }>;

/** Whether letters of another case are the same to it, or change. */
function folds({ fn, args }: Call): boolean {
  if (fn !== 'regexp_replace(text,text,text,text)') return folding.has(fn) || fn === 'initcap(text)';
  const flags = args[3];
  return flags?.op === 'const' && flags.text?.includes('i') === true;
}

/** No two versions of ICU agree on what a word is. */
function knows(letters: Letters, { fn }: Call): boolean {
  return fn !== 'initcap(text)' || letters.words !== null;
}

/** The expression with its functions told how letters are folded. */
export function withLetters(expr: Expr, letters: Letters): Expr {
  if (expr.op !== 'call') return expr;
  const args = expr.args.map((arg) => withLetters(arg, letters));
  const learns = expr.letters === undefined && folds(expr) && knows(letters, expr);
  if (!learns && args.every((arg, i) => arg === expr.args[i])) return expr;
  return { ...expr, args, ...(learns ? { letters } : {}) };
}

/** Functions in it that fold ASCII letters only, by their names in SQL. */
export function foldsAscii(expr: Expr): ReadonlySet<string> {
  if (expr.op !== 'call') return new Set();
  const found = new Set(expr.args.flatMap((arg) => [...foldsAscii(arg)]));
  if (expr.letters === undefined && folds(expr)) {
    const name = expr.fn.replace(/\(.*$/s, '');
    found.add({ '~~*': 'ILIKE', '!~~*': 'NOT ILIKE' }[name] ?? name);
  }
  return found;
}
