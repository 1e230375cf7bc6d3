import { type OtherInWord, type WordFolding, firstInWord, withinWord, wordLetter } from '../postgres/letters.ts';

/** The first letter of each word as a capital, the others small, as PostgreSQL's builtin collations have it. */
export class Words {
  readonly collation: string;
  readonly #others: ReadonlyMap<string, OtherInWord>;
  readonly #otherwise: ReadonlySet<string>;

  constructor({ collation, others, otherwise }: WordFolding) {
    this.collation = collation;
    this.#others = new Map(others.map((other) => [other.letter, other]));
    this.#otherwise = new Set(otherwise);
  }

  initcap(text: string): string {
    let out = '';
    let before: boolean | null = null;
    for (const letter of text) {
      const goesOn = wordLetter.test(letter) !== this.#otherwise.has(letter);
      const first = goesOn !== before;
      before = goesOn;
      const other = this.#others.get(letter);
      out += first ? (other?.first ?? firstInWord(letter)) : (other?.within ?? withinWord(letter));
    }
    return out;
  }
}
