import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { compileValue } from '../../../../core/expr/compile.ts';
import { Letters, foldsAscii, withLetters } from '../../../../core/expr/letters.ts';
import { loadParser, parseExpression } from '../../../../core/expr/parse.ts';
import { exprToSql } from '../../../../core/expr/to-sql.ts';
import { textColumn } from '../../../../core/postgres/relation.ts';
import { readLetters } from '../../../../plugins/source-postgres/catalog/letters.ts';
import { randomFrom } from '../../../support/live.ts';
import { database, server } from '../../../support/servers.ts';

const columns = [textColumn('v'), textColumn('p')];
const position = (name: string) => columns.findIndex((each) => each.name === name);

const expressions = [
  'upper(v)',
  'lower(v)',
  'upper(lower(v))',
  'lower(upper(v)) || upper(p)',
  'CASE WHEN v ILIKE p THEN 1 ELSE 0 END',
  "CASE WHEN v NOT ILIKE '%' || p || '%' THEN 1 ELSE 0 END",
  "CASE WHEN upper(v) = upper(p) OR lower(v) < lower(p) THEN 'x' END",
  "upper('né ß ŉ ǆ Σς')",
  'initcap(v)',
  "initcap(lower(v) || ' ' || p || '''' || v)",
  ...[
    'é',
    '[à-ö]x?',
    '^[^Σκ]+$',
    'ß|ﬁ|ŉ',
    '(ᾳ|ΐ)',
    'k',
    'İ|ı',
    '[[:upper:]]|Ǆ',
    '\\É.',
    '[Ⓐ-Ⓩ0-9]',
    '[Ꭰ-Ᏼა-ჰ]',
    'ƛ|ɤ|Ԑ|Ծ|և',
    '[a-]',
  ].flatMap((pattern) => [
    `CASE WHEN v ~* '${pattern}' THEN 1 ELSE 0 END`,
    `CASE WHEN p !~* '${pattern}' THEN 1 ELSE 0 END`,
  ]),
  "regexp_replace(v, '[é-ö]', '<>', 'gi')",
  "CASE WHEN 'É' ~* 'é' THEN 1 ELSE 0 END",
];

/** Patterns of which the server's own comparison under the collation says the same. */
const alike = ['é', '[à-ö]x?', '^[^Σκ]+$', 'ß|ﬁ|ŉ', '(ᾳ|ΐ)', 'k', 'İ|ı', '[Ꭰ-Ᏼა-ჰ]', 'ƛ|Ԑ|Ծ|և'];

/** Letters of many alphabets, with those whose case has more than one letter, depends on the place, or is new in Unicode. */
const pool: readonly string[] =
  "aAzZ09 _%é É ß ẞ ı İ i I ſ K Å µ ΰ Σ σ ς Α α Ω ω ﬁ ﬆ ŉ ǰ ǆ ǅ Ǆ ა Ა Ⴀ ⴀ Ꭰ ꭰ Ᏸ ᏸ 𐐀 𐐨 𐓘 𞤀 𐵐 ƛ Ƛ ɤ Ɤ ᾳ ᾼ ᾀ ΐ ﬓ 中 😀 \u0301 \u0307 \u00AD ʼ ' . - Ж ж Ԑ ԑ Ա ա և Ḁ ḁ Ỹ ỹ Ⓐ ⓐ Ａ ａ Ⱡ Ꞌ ꞌ".split(
    ' ',
  );

function texts(count: number): string[] {
  const random = randomFrom(11);
  return Array.from({ length: count }, () =>
    Array.from({ length: random(7) }, () => pool[random(pool.length)]!).join(''),
  );
}

await loadParser();
for (const major of [14, 15, 16, 17, 18]) {
  test(`letters are folded as PostgreSQL ${major} folds them, under each collation that knows them`, async () => {
    const db = await database(await server(major), 'letters');
    const client = new pg.Client({ connectionString: db.url });
    await client.connect();
    try {
      let collations = 0;
      for (const only of ['und-x-icu', 'pg_c_utf8']) {
        const folding = await readLetters(client, only);
        if (folding === null) continue;
        collations++;
        const letters = new Letters(folding);
        const values = texts(1500).map((v, i, all) => [v, all[(i * 7 + 1) % all.length]!] as const);
        for (const text of expressions) {
          const expr = withLetters(parseExpression(text, columns), letters);
          const sql = exprToSql(expr, (name) => `x.${name}`);
          const { rows } = await client.query<{ r: string | null }>({
            text: `SELECT (${sql})::text AS r FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS x (v, p, n) ORDER BY n`,
            values: [values.map(([v]) => v), values.map(([, p]) => p)],
          });
          const evaluate = compileValue(expr, position);
          for (const [i, [v, p]] of values.entries()) {
            assert.equal(evaluate([v, p]), rows[i]!.r, `${text} under ${only}: ${JSON.stringify([v, p])}`);
          }
        }
        for (const pattern of alike) {
          const { rows } = await client.query<{ r: string }>({
            text: `SELECT (CASE WHEN (x.v COLLATE "${only}") ~* $2 THEN 1 ELSE 0 END)::text AS r FROM unnest($1::text[]) WITH ORDINALITY AS x (v, n) ORDER BY n`,
            values: [values.map(([v]) => v), pattern],
          });
          const evaluate = compileValue(
            withLetters(parseExpression(`CASE WHEN v ~* '${pattern}' THEN 1 ELSE 0 END`, columns), letters),
            position,
          );
          for (const [i, [v]] of values.entries())
            assert.equal(evaluate([v, null]), rows[i]!.r, `${pattern} under ${only}: ${JSON.stringify(v)}`);
        }
      }
      assert.ok(collations >= (major >= 17 ? 2 : 1), `${collations}`);
    } finally {
      await client.end();
    }
  });
}

test('a database that is not UTF-8 folds ASCII letters, and it is said', async () => {
  const on = await server(17);
  const name = `latin_${process.pid}`;
  await on.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'`);
  const client = new pg.Client({ connectionString: on.url(name) });
  await client.connect();
  assert.equal(await readLetters(client), null);
  await client.end();
  await on.query(`DROP DATABASE ${name}`);
  assert.deepEqual([...foldsAscii(parseExpression("upper(v) = 'A' AND v ILIKE p", columns))], ['upper', 'ILIKE']);
  const letters = new Letters({ collation: 'x', context: true, others: [], words: null });
  assert.deepEqual([...foldsAscii(withLetters(parseExpression('lower(initcap(v))', columns), letters))], ['initcap']);
});
