import type pg from 'pg';
import {
  type Folding,
  type WordFolding,
  firstInWord,
  lastLetter,
  withinWord,
  wordRanges,
} from '../../../core/postgres/letters.ts';
import { quoteIdent } from '../../../core/postgres/quote.ts';

/**
 * Collations that fold as Unicode specifies for all languages; the first one that exists is used. 17 and later have one
 * built in. pg_unicode_fast (18) treats a sigma as final where only a soft hyphen precedes it, which Unicode does not.
 */
const collations = [
  { name: 'und-x-icu', context: true },
  { name: 'pg_c_utf8', context: false },
] as const;

/**
 * How this server folds letters; null: it has no collation beyond ASCII. Each letter that this Node.js knows is
 * queried, and unknown code points where letters may be added: versions of Unicode differ.
 */
export async function readLetters(client: pg.Client, only?: string): Promise<Folding | null> {
  const { rows: found } = await client.query<{ name: string }>(
    `SELECT collname AS name FROM pg_collation WHERE collnamespace = 'pg_catalog'::regnamespace AND collname = ANY ($1::text[])
       AND collencoding IN (-1, pg_char_to_encoding('UTF8')) AND current_setting('server_encoding') = 'UTF8'`,
    [collations.map(({ name }) => name)],
  );
  const there = new Set(found.map(({ name }) => name));
  const chosen = collations.find(({ name }) => there.has(name) && (only === undefined || only === name));
  if (chosen === undefined) return null;
  const collation = `pg_catalog.${quoteIdent(chosen.name)}`;
  const letters = candidates();
  const { rows } = await client.query<Record<'letter' | 'upper' | 'lower' | 'on', string>>(
    `SELECT c AS letter, upper, lower, ("end" = 'α' || 'σ' || lower)::text AS on
     FROM (SELECT c, u, l, e, upper(c COLLATE ${collation}) COLLATE "C" AS upper, lower(c COLLATE ${collation}) COLLATE "C" AS lower,
             lower(('ΑΣ' || c) COLLATE ${collation}) COLLATE "C" AS "end"
           FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS x (c, u, l, e)) y
     WHERE upper <> u COLLATE "C" OR lower <> l COLLATE "C" OR ${chosen.context} AND "end" <> e COLLATE "C"`,
    [
      letters,
      letters.map((letter) => letter.toUpperCase()),
      letters.map((letter) => letter.toLowerCase()),
      letters.map((letter) => `ΑΣ${letter}`.toLowerCase()),
    ],
  );
  const others = rows.map(({ letter, upper, lower, on }) => ({ letter, upper, lower, goesOn: on === 'true' }));
  const words = there.has(builtIn) ? await readWords(client, letters) : null;
  return { collation, context: chosen.context, others, words };
}

/**
 * In this collation a word is a run of letters and digits, whatever the version, and each letter maps to one letter.
 */
const builtIn = 'pg_c_utf8';

async function readWords(client: pg.Client, letters: readonly string[]): Promise<WordFolding> {
  const collation = `pg_catalog.${quoteIdent(builtIn)}`;
  const { rows: others } = await client.query<Record<'letter' | 'first' | 'within', string>>(
    `SELECT * FROM (SELECT c AS letter, f, w, initcap(c COLLATE ${collation}) COLLATE "C" AS first,
         substr(initcap(('a' || c || 'a') COLLATE ${collation}), 2, 1) COLLATE "C" AS within
       FROM unnest($1::text[], $2::text[], $3::text[]) AS x (c, f, w)) y
     WHERE first <> f COLLATE "C" OR within <> w COLLATE "C"`,
    [letters, letters.map(firstInWord), letters.map(withinWord)],
  );
  const { rows: otherwise } = await client.query<{ letter: string }>(
    `SELECT chr(n) AS letter FROM generate_series(1, ${lastLetter}) n
     WHERE n NOT BETWEEN 55296 AND 57343 AND ((chr(n) COLLATE ${collation}) ~ '[[:alnum:]]') <> ($1::int4multirange @> n)`,
    [
      `{${wordRanges()
        .map(([from, to]) => `[${from},${to}]`)
        .join(',')}}`,
    ],
  );
  return {
    collation,
    others: others.map(({ letter, first, within }) => ({ letter, first, within })),
    otherwise: otherwise.map(({ letter }) => letter),
  };
}

/** Planes and blocks to which Unicode still adds letters with case. */
const growing: readonly (readonly [number, number])[] = [
  [0x370, 0x5ff],
  [0x10a0, 0x10ff],
  [0x1c80, 0x1cff],
  [0x2c00, 0x2dff],
  [0xa640, 0xa7ff],
  [0xab30, 0xabff],
  [0x10400, 0x10fff],
  [0x16e00, 0x16eff],
  [0x1e900, 0x1e9ff],
];

function candidates(): string[] {
  const found: string[] = [];
  const unknown = /\p{Cn}/u;
  for (let code = 1; code <= 0x1_ffff; code++) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const letter = String.fromCodePoint(code);
    const cased = letter.toUpperCase() !== letter || letter.toLowerCase() !== letter;
    if (cased || (growing.some(([from, to]) => code >= from && code <= to) && unknown.test(letter))) found.push(letter);
  }
  return found;
}
