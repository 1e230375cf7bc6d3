/** A letter that the server's collation treats differently than this Node.js: their versions of Unicode differ. */
export interface OtherLetter {
  readonly letter: string;
  readonly upper: string;
  readonly lower: string;
  /** The letter continues a word, so that a sigma before it is not the last letter. */
  readonly goesOn: boolean;
}

/** A letter at the start of a word, and within one. */
export interface OtherInWord {
  readonly letter: string;
  readonly first: string;
  readonly within: string;
}

/** How a server capitalises words: runs of letters and digits, letter by letter. */
export interface WordFolding {
  /** As SQL. */
  readonly collation: string;
  readonly others: readonly OtherInWord[];
  /** Letters for which the server disagrees with this Node.js on whether a word continues with them. */
  readonly otherwise: readonly string[];
}

/** How a server folds letters. */
export interface Folding {
  /** As SQL: `pg_catalog."und-x-icu"`. */
  readonly collation: string;
  /** A sigma at the end of a word has another lower case; a collation of simple mappings does not distinguish this. */
  readonly context: boolean;
  readonly others: readonly OtherLetter[];
  /** Null: no collation of the server defines words in a way that is the same everywhere. */
  readonly words: WordFolding | null;
}

export const wordLetter = /[\p{Alphabetic}0-9]/u;

/** Letters for which the server differs are listed in its `others`. */
export function firstInWord(letter: string): string {
  return oneOrItself(letter, letter.toUpperCase());
}

export function withinWord(letter: string): string {
  return oneOrItself(letter, letter.toLowerCase());
}

/** Code points that continue a word in this Node.js, as ranges with their ends. */
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

/** The planes beyond it have no letters. */
export const lastLetter = 0x3_ffff;

function oneOrItself(letter: string, folded: string): string {
  return [...folded].length === 1 ? folded : letter;
}
