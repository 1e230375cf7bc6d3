import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { live } from '../support/live.ts';
import { server } from '../support/servers.ts';

await Promise.all([14, 18].map((major) => server(major)));

/** Changes after which every name and type is what it was. */
const changes: readonly (readonly [string, string])[] = [
  ['last', 'ALTER TABLE last DROP COLUMN c; ALTER TABLE last ADD COLUMN c text'],
  ['two', 'ALTER TABLE two DROP COLUMN b, DROP COLUMN c; ALTER TABLE two ADD COLUMN b text, ADD COLUMN c text'],
  ['middle', `ALTER TABLE middle DROP COLUMN a; ALTER TABLE middle ADD COLUMN a text DEFAULT 'new'`],
  [
    'swap',
    'BEGIN; ALTER TABLE swap RENAME a TO x; ALTER TABLE swap RENAME b TO a; ALTER TABLE swap RENAME x TO b; COMMIT',
  ],
];

const made = (name: string) => `CREATE TABLE ${name} (id int PRIMARY KEY, a text, b text, c text);
  INSERT INTO ${name} SELECT g, 'a' || g, 'b' || g, 'c' || g FROM generate_series(1, 20) g;`;

test('columns of the same names that are others stop before their first row, and a copy mends it', {
  timeout: 900_000,
}, async () => {
  const pipeline = await live({ from: 14, to: 18, source: changes.map(([name]) => made(name)).join('') });
  const { source, target } = pipeline;
  await pipeline.settle();
  for (const [name, sql] of [changes[0]!, changes[3]!]) {
    await source.query(`UPDATE ${name} SET a = 'before' WHERE id = 1`);
    await source.query(sql);
    await source.query(
      `UPDATE ${name} SET a = 'A', b = 'B', c = 'C' WHERE id = 2; INSERT INTO ${name} (id, a, b) VALUES (99, 'A', 'B')`,
    );
    const stopped = await pipeline.toNow();
    assert.equal(stopped.code, 1, stopped.stderr);
    assert.match(stopped.stderr, new RegExp(`^PGS4012 .*of the same name.*pgsluice resync FILE public\\.${name}`));
    const rows = await target.query(`SELECT id, a, b, c FROM ${name} WHERE id IN (2, 99)`);
    assert.deepEqual(rows, [{ id: 2, a: 'a2', b: 'b2', c: 'c2' }], 'no value under a wrong column');
    const copied = await pipeline.verb('resync', `public.${name}`);
    assert.equal(copied.code, 0, copied.stderr);
    await source.query(`UPDATE ${name} SET b = 'later' WHERE id = 3`);
  }
  await pipeline.settle();
  for (const [name] of changes) await pipeline.same(`SELECT * FROM ${name}`, `SELECT * FROM ${name}`);
});

test('a look at the catalog tells of it where no row comes', { timeout: 900_000 }, async () => {
  const pipeline = await live({ from: 18, to: 14, source: made('last') });
  const run = pipeline.start();
  await run.until('caught-up');
  await pipeline.source.query(changes[1]![1].replaceAll(' two ', ' last '));
  const ended = await run.ended;
  assert.equal(ended.code, 1, ended.stderr);
  assert.match(ended.stderr, /^PGS4012 .*columns b, c are others of the same name/);
  assert.match((await pipeline.toNow()).stderr, /^PGS4012 /);
});

test('rows that a command wrote again stop the pipeline until they are copied; what leaves values alone does not', {
  timeout: 900_000,
}, async () => {
  const pipeline = await live({ from: 18, to: 14, source: `${made('again')} ${made('well')}` });
  const { source } = pipeline;
  const run = pipeline.start();
  await run.until('caught-up');
  // What is told is a difference from what a look has noted.
  const noted = `SELECT FROM pgsluice.checkpoint WHERE key LIKE 'stored:%'`;
  while ((await pipeline.target.query(noted)).length < 2) await setTimeout(100);
  // Each of these gives the table another file or the catalog other rows, and no value.
  await source.query(
    `ALTER TABLE well ALTER a SET STATISTICS 50, ALTER b SET COMPRESSION pglz, ALTER c SET DEFAULT 'd'`,
  );
  await source.query('VACUUM FULL well');
  await source.query(`BEGIN; TRUNCATE well; INSERT INTO well VALUES (1, 'a', 'b', 'c'); COMMIT`);
  await setTimeout(4000);
  await source.query(`ALTER TABLE again ALTER a TYPE text USING upper(a)`);
  const ended = await run.ended;
  assert.equal(ended.code, 1, ended.stderr);
  const told = /^PGS4021 .*other values in a .*public\.again.*pgsluice resync FILE public\.again/;
  assert.match(ended.stderr, told);
  assert.match((await pipeline.toNow()).stderr, told);
  const copied = await pipeline.verb('resync', 'public.again');
  assert.equal(copied.code, 0, copied.stderr);
  // While no run goes on, too.
  await pipeline.settle();
  await source.query(`ALTER TABLE again ALTER b TYPE text USING upper(b), ADD CHECK (id > 0)`);
  await source.query('GRANT SELECT ON again TO PUBLIC');
  assert.match((await pipeline.toNow()).stderr, /^PGS4021 .*other values in b /);
  const compared = await pipeline.verb('resync', 'public.again', '--verify-first');
  assert.equal(compared.code, 0, compared.stderr);
  await pipeline.settle();
  // Together with what the catalog's row of the column has of its own.
  await source.query(`ALTER TABLE well ALTER b TYPE text USING upper(b), ALTER b SET NOT NULL`);
  await source.query(`ALTER TABLE well ALTER c TYPE text USING upper(c), ALTER a SET DEFAULT 'e'; ANALYZE well`);
  await source.query('GRANT SELECT ON well TO PUBLIC');
  assert.match((await pipeline.toNow()).stderr, /^PGS4021 .*other values in .*c .*public\.well/);
  const last = await pipeline.verb('resync', 'public.well', '--verify-first');
  assert.equal(last.code, 0, last.stderr);
  await pipeline.settle();
  for (const table of ['again', 'well']) await pipeline.same(`SELECT * FROM ${table}`, `SELECT * FROM ${table}`);
});

test('rows that a command wrote again between the end of the copy and the stream stop the pipeline', {
  timeout: 900_000,
}, async () => {
  const pipeline = await live({ source: `${made('again')} ${made('well')}` });
  const killed = await pipeline.toNow({ PGSLUICE_FAILPOINT: 'foreign-keys-done:kill' });
  assert.equal(killed.code, null, killed.stderr);
  await pipeline.source.query('ALTER TABLE again ALTER a TYPE text USING upper(a)');
  for (const table of ['again', 'well']) await pipeline.source.query(`VACUUM FULL ${table}`);
  assert.match((await pipeline.toNow()).stderr, /^PGS4021 .*other values in a .*public\.again/);
});

test('columns that exchange names under follow take their values along', { timeout: 900_000 }, async () => {
  const pipeline = await live({
    from: 18,
    to: 14,
    source: changes.map(([name]) => made(name)).join(''),
    yaml: 'ddl: follow',
  });
  const { source } = pipeline;
  await pipeline.settle();
  for (const [name, sql] of changes) {
    await source.query(`UPDATE ${name} SET a = 'before' WHERE id = 1`);
    await source.query(sql);
    await source.query(`UPDATE ${name} SET a = 'A', b = 'B', c = 'C' WHERE id = 2`);
  }
  await pipeline.settle();
  for (const [name] of changes)
    await pipeline.same(`SELECT id, a, b, c FROM ${name}`, `SELECT id, a, b, c FROM ${name}`);
});
