import type { Folding, OtherLetter } from '../postgres/letters.ts';
import type { Expr } from './expr.ts';
import { Words } from './words.ts';

/**
 * Upper and lower case as Unicode defines them for all languages (the root locale), with the source server's
 * differences.
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

  /** The letters that a letter matches where case is ignored: one letter for one. */
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
    // Stands in for the neighbouring piece: a letter that continues a word, or one that does not.
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

/**
 * Greek letters with a iota subscript, whose upper case is two letters, and the one letter that Unicode's simple
 * mapping gives.
 */
const withIota: ReadonlyMap<string, string> = new Map(
  Array.from({ length: 0x80 }, (_, i) => String.fromCodePoint(0x1f80 + i))
    .filter((letter) => letter.toLowerCase() !== letter && [...letter.toUpperCase()].length > 1)
    .map((letter) => [letter.toLowerCase(), letter]),
);

/** Unicode's simple mapping: if the full mapping has several letters, usually the letter itself. */
function one(letter: string, folded: string): string {
  if ([...folded].length === 1) return folded;
  return letter === 'İ' && folded.startsWith('i') ? 'i' : (withIota.get(letter) ?? letter);
}

/** Without a server: case as this Node.js knows it. */
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

/** Whether the call ignores or changes the case of letters. */
function folds({ fn, args }: Call): boolean {
  if (fn !== 'regexp_replace(text,text,text,text)') return folding.has(fn) || fn === 'initcap(text)';
  const flags = args[3];
  return flags?.op === 'const' && flags.text?.includes('i') === true;
}

/** No two versions of ICU agree on word boundaries. */
function knows(letters: Letters, { fn }: Call): boolean {
  return fn !== 'initcap(text)' || letters.words !== null;
}

/** The expression, with the case mapping given to its functions. */
export function withLetters(expr: Expr, letters: Letters): Expr {
  if (expr.op !== 'call') return expr;
  const args = expr.args.map((arg) => withLetters(arg, letters));
  const learns = expr.letters === undefined && folds(expr) && knows(letters, expr);
  if (!learns && args.every((arg, i) => arg === expr.args[i])) return expr;
  return { ...expr, args, ...(learns ? { letters } : {}) };
}

/** SQL names of functions in the expression that fold ASCII letters only. */
export function foldsAscii(expr: Expr): ReadonlySet<string> {
  if (expr.op !== 'call') return new Set();
  const found = new Set(expr.args.flatMap((arg) => [...foldsAscii(arg)]));
  if (expr.letters === undefined && folds(expr)) {
    const name = expr.fn.replace(/\(.*$/s, '');
    found.add({ '~~*': 'ILIKE', '!~~*': 'NOT ILIKE' }[name] ?? name);
  }
  return found;
}
