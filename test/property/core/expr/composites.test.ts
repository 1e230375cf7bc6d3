import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import pg from 'pg';
import { compileValue } from '../../../../core/expr/compile.ts';
import { loadParser, parseExpression } from '../../../../core/expr/parse.ts';
import { readColumns } from '../../../../core/postgres/columns.ts';
import { database, server } from '../../../support/servers.ts';

before(() => loadParser());

/** Types whose values are not decoded, composites and domains over them above all: a composite of NULLs IS NULL. */
test('IS NULL and IS NOT NULL of composite values are what the server says', async () => {
  for (const major of [14, 18]) {
    const on = await database(await server(major), 'composites');
    await on.query(`
      CREATE TYPE one AS (a text);
      CREATE TYPE pair AS (a text, b int);
      CREATE TYPE nest AS (p pair, t text, arr text[]);
      ALTER TYPE nest DROP ATTRIBUTE t;
      CREATE DOMAIN dpair AS pair;
      CREATE TABLE t (o one, p pair, n nest, d dpair, pairs pair[], r int4range, x xml);
      INSERT INTO t (o) VALUES (NULL), ('()'), ('("")'), ('(",")'), ('("(,)")'), ('(a)');
      INSERT INTO t (p, d) SELECT v::pair, v::pair FROM unnest(ARRAY['(,)', '("",)', '(,1)', '(a,1)', '(",,",1)', '(")",)', '("\\"",2)',
        '("a""b",)', '("(,)",3)', '("\\\\",)', '(" ",)', E'("\\n",1)']) v;
      INSERT INTO t (n) VALUES ('(,)'), ('("(,)",)'), ('("(,)","{}")'), ('("(""a,"",1)","{NULL,""a,b""}")'), ('(,"{NULL}")');
      INSERT INTO t (pairs, r, x) VALUES ('{NULL}', 'empty', ''), ('{"(,)"}', '(,)', '<a/>')`);
    const client = new pg.Client({ connectionString: on.url });
    await client.connect();
    try {
      const oid = Number((await client.query<{ oid: string }>("SELECT 't'::regclass::oid AS oid")).rows[0]!.oid);
      const { columns } = (await readColumns(client, [oid])).get(oid)!;
      const expressions = columns.flatMap(({ name }) => [
        `${name} IS NULL`,
        `${name} IS NOT NULL`,
        `NOT (${name} IS NULL)`,
        `coalesce(${name}, ${name}) IS NULL`,
        `CASE WHEN ${name} IS NOT NULL THEN 'all' WHEN ${name} IS NULL THEN 'none' ELSE 'some' END`,
      ]);
      const { rows: theirs } = await client.query<string[]>({
        text: `SELECT ${expressions.map((sql) => `(${sql})::text`).join(', ')} FROM t ORDER BY ctid`,
        rowMode: 'array',
      });
      const { rows: values } = await client.query<(string | null)[]>({
        text: `SELECT ${columns.map(({ name }) => `${name}::text`).join(', ')} FROM t ORDER BY ctid`,
        rowMode: 'array',
      });
      const position = (name: string): number => columns.findIndex((column) => column.name === name);
      const mine = expressions.map((sql) => compileValue(parseExpression(sql, columns), position));
      const word: Readonly<Record<string, string>> = { t: 'true', f: 'false' };
      for (const [i, row] of values.entries()) {
        const got = mine.map((evaluate) => evaluate(row));
        const same = got.map((value) => (value === null ? null : (word[value] ?? value)));
        assert.deepEqual(same, theirs[i], `${major}: ${JSON.stringify(row)}`);
      }
      assert.ok(values.length > 20);
    } finally {
      await client.end();
    }
  }
});
