import type { Folding, OtherLetter } from '../postgres/letters.ts';
import type { Expr } from './expr.ts';

/**
 * Upper and lower case as Unicode has them, for all languages alike (the root locale), with what the source knows otherwise.
 */
export class Letters {
  readonly collation: string;
  readonly #context: boolean;
  readonly #others: ReadonlyMap<string, OtherLetter>;
  readonly #anyOther: RegExp | null;

  constructor({ collation, context, others }: Folding) {
    this.collation = collation;
    this.#context = context;
    this.#others = new Map(others.map((other) => [other.letter, other]));
    const set = others.map(({ letter }) => `\\u{${letter.codePointAt(0)!.toString(16)}}`).join('');
    this.#anyOther = set === '' ? null : new RegExp(`([${set}])`, 'u');
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

/** Where no server is asked: as this runtime knows them. */
export const ownLetters = new Letters({ collation: 'pg_catalog."und-x-icu"', context: true, others: [] });

const whole = (text: string): string => text.toLowerCase();

function letterByLetter(text: string): string {
  let out = '';
  for (const letter of text) out += letter.toLowerCase();
  return out;
}

const folding: ReadonlySet<string> = new Set([
  'lower(text)',
  'upper(text)',
  ...['~~*', '!~~*'].flatMap((name) => [`${name}(text,text)`, `${name}(bpchar,text)`]),
]);
/** They know ASCII letters only: no two implementations agree on words, or on what a pattern's letter stands for. */
const asciiOnly = /^(?:initcap\(|!?~\*\()/;

/** The expression with its functions told how letters are folded. */
export function withLetters(expr: Expr, letters: Letters): Expr {
  if (expr.op !== 'call') return expr;
  const args = expr.args.map((arg) => withLetters(arg, letters));
  const folds = folding.has(expr.fn) && expr.letters === undefined;
  if (!folds && args.every((arg, i) => arg === expr.args[i])) return expr;
  return { ...expr, args, ...(folds ? { letters } : {}) };
}

/** Functions in it that fold ASCII letters only, by their names in SQL. */
export function foldsAscii(expr: Expr): ReadonlySet<string> {
  if (expr.op !== 'call') return new Set();
  const found = new Set(expr.args.flatMap((arg) => [...foldsAscii(arg)]));
  if (asciiOnly.test(expr.fn) || (folding.has(expr.fn) && expr.letters === undefined)) {
    const name = expr.fn.replace(/\(.*$/s, '');
    found.add({ '~~*': 'ILIKE', '!~~*': 'NOT ILIKE' }[name] ?? name);
  }
  return found;
}
