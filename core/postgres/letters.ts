/** A letter that the server's collation knows otherwise than this runtime: their versions of Unicode differ. */
export interface OtherLetter {
  readonly letter: string;
  readonly upper: string;
  readonly lower: string;
  /** A word goes on with it, so that a sigma before it is not the last letter. */
  readonly goesOn: boolean;
}

/** A letter at the start of a word, and within one. */
export interface OtherInWord {
  readonly letter: string;
  readonly first: string;
  readonly within: string;
}

/** How a server writes words with a capital: runs of letters and digits, letter by letter. */
export interface WordFolding {
  /** As SQL. */
  readonly collation: string;
  readonly others: readonly OtherInWord[];
  /** Of these the server knows otherwise than this runtime whether a word goes on with them. */
  readonly otherwise: readonly string[];
}

/** How a server folds letters. */
export interface Folding {
  /** As SQL: `pg_catalog."und-x-icu"`. */
  readonly collation: string;
  /** A sigma at the end of a word is another one in lower case; a collation of simple mappings knows no such thing. */
  readonly context: boolean;
  readonly others: readonly OtherLetter[];
  /** Null: no collation of the server says what a word is in a way that is the same everywhere. */
  readonly words: WordFolding | null;
}

export const wordLetter = /[\p{Alphabetic}0-9]/u;

/** What is not so on the server is among its others. */
export function firstInWord(letter: string): string {
  return oneOrItself(letter, letter.toUpperCase());
}

export function withinWord(letter: string): string {
  return oneOrItself(letter, letter.toLowerCase());
}

/** Code points of which this runtime says that a word goes on with them, as ranges with their ends. */
export function wordRanges(): readonly (readonly [number, number])[] {
  const ranges: [number, number][] = [];
  for (let code = 1; code <= lastLetter; code++) {
    if ((code >= 0xd800 && code <= 0xdfff) || !wordLetter.test(String.fromCodePoint(code))) continue;
    const last = ranges.at(-1);
    if (last?.[1] === code - 1) last[1] = code;
    else ranges.push([code, code]);
  }
  return ranges;
}

/** The planes behind it have no letters. */
export const lastLetter = 0x3_ffff;

function oneOrItself(letter: string, folded: string): string {
  return [...folded].length === 1 ? folded : letter;
}
