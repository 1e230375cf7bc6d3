/** A letter that the server's collation knows otherwise than this runtime: their versions of Unicode differ. */
export interface OtherLetter {
  readonly letter: string;
  readonly upper: string;
  readonly lower: string;
  /** A word goes on with it, so that a sigma before it is not the last letter. */
  readonly goesOn: boolean;
}

/** How a server folds letters. */
export interface Folding {
  /** As SQL: `pg_catalog."und-x-icu"`. */
  readonly collation: string;
  /** A sigma at the end of a word is another one in lower case; a collation of simple mappings knows no such thing. */
  readonly context: boolean;
  readonly others: readonly OtherLetter[];
}
