import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Live, live } from '../support/live.ts';
import { server } from '../support/servers.ts';

await Promise.all([14, 17].map((major) => server(major)));

/** Runs on the target what `verify --schema` prints, which the errors send to. */
async function mend({ verb, target }: Pick<Live, 'target'> & { verb: Live['verb'] }): Promise<string> {
  const compared = await verb('verify', '--schema');
  const statements = compared.stdout.match(/^ {13}\S.*;/gm) ?? [];
  assert.ok(statements.length > 0, compared.stdout + compared.stderr);
  for (const statement of statements) await target.query(statement.replace(/; {2}--.*$/, ';'));
  return statements.join('\n');
}

test('an enum value that came on the source, and a primary key that was changed there, are told with what mends them', {
  timeout: 300_000,
}, async () => {
  const pipeline = await live({
    from: 14,
    to: 17,
    source: `CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE m (id int PRIMARY KEY, v mood); INSERT INTO m VALUES (1, 'sad');
      CREATE TABLE k (id int, n int NOT NULL, CONSTRAINT k_pkey PRIMARY KEY (id)); INSERT INTO k SELECT i, i FROM generate_series(1, 9) i;`,
  });
  const { source, target } = pipeline;
  const verb = pipeline.verb.bind(pipeline);
  await pipeline.settle();
  await source.query(`ALTER TYPE mood ADD VALUE 'happy' BEFORE 'ok'`);
  await source.query(`INSERT INTO m VALUES (2, 'happy')`);
  const refused = await pipeline.toNow();
  assert.equal(refused.code, 1, refused.stderr);
  assert.match(refused.stderr, /^PGS3103 .*ALTER TYPE … ADD VALUE.*verify FILE --schema/m);
  assert.match(await mend({ verb, target }), /ALTER TYPE public\.mood ADD VALUE 'happy' AFTER 'sad'/);
  await pipeline.settle();
  await source.query('ALTER TABLE k DROP CONSTRAINT k_pkey, ADD CONSTRAINT k_pkey PRIMARY KEY (n)');
  await source.query('INSERT INTO k VALUES (5, 100); UPDATE k SET id = 7 WHERE n = 3');
  const conflict = await pipeline.toNow();
  assert.equal(conflict.code, 1, conflict.stderr);
  assert.match(conflict.stderr, /^PGS3102 .*a new primary key there/m);
  await mend({ verb, target });
  await pipeline.settle();
  assert.equal(await pipeline.same('SELECT * FROM k', 'SELECT * FROM k'), 10);
  assert.equal(await pipeline.same('SELECT id, v::text FROM m', 'SELECT id, v::text FROM m'), 2);
});
