import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { migration } from '../support/migration.ts';
import { server } from '../support/servers.ts';

/** What is done to the source once everything is copied, and what of it the list must name. */
const later = `
  CREATE SEQUENCE late_seq START 5;
  SELECT lo_put(4711, 0, 'changed');
  CREATE FOREIGN TABLE away (id int) SERVER elsewhere;
  CREATE INDEX item_v ON item (v);
  UPDATE item SET v = 'x' WHERE id = 1`;
const expected = [
  'public.fresh',
  'public.late_seq',
  'public.scripted',
  'public.away',
  'large-objects',
  'public.sums',
  'index public.item_v',
];

test('whatever the file chooses and the target lacks is on one list, and blocks the GO unless it is accepted by name', {
  timeout: 900_000,
}, async () => {
  const m = await migration({
    from: await server(16),
    to: await server(17),
    more: 'transforms: [{ plugin: script, tables: public.scripted, module: ./keep.mjs }]',
  });
  await writeFile(join(dirname(m.file), 'keep.mjs'), 'export default (row) => row;\n');
  await m.source.query(`CREATE TABLE item (id int PRIMARY KEY, v text); INSERT INTO item SELECT g FROM generate_series(0, 9) g;
    CREATE TABLE scripted (id int PRIMARY KEY); INSERT INTO scripted VALUES (1);
    CREATE MATERIALIZED VIEW sums AS SELECT sum(1 / (CASE WHEN v = 'x' THEN 0 ELSE 1 END)) AS n FROM item;
    CREATE EXTENSION postgres_fdw; CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw;
    SELECT lo_from_bytea(4711, 'before')`);
  await m.run();
  const before = await m.verb('verify', '--accept', 'public.scripted');
  assert.equal(before.code, 0, before.stdout + before.stderr);
  assert.match(before.stdout, /accepted +public\.scripted +table: it goes through code/);
  await m.source.query(later);
  await m.run();
  // A run would take it in.
  await m.source.query('CREATE TABLE fresh (id int PRIMARY KEY)');

  const verify = await m.verb('verify');
  assert.equal(verify.code, 4, verify.stderr);
  const status = await m.verb('status');
  assert.equal(status.code, 0, status.stderr);
  for (const name of expected.slice(0, 4)) {
    const line = new RegExp(`MISSING +${name.replace('.', '\\.')} `);
    assert.match(verify.stdout, line);
    assert.match(status.stdout, line);
  }
  assert.match(verify.stdout, /MISSING +large-objects /);

  const blocked = await m.verb('cutover', '--quiet', '10ms');
  assert.equal(blocked.code, 4, blocked.stdout + blocked.stderr);
  assert.doesNotMatch(blocked.stdout, /ready:|^GO/m);
  for (const name of expected) assert.match(blocked.stdout, new RegExp(`MISSING +${name.replace('.', '\\.')} `), name);
  const [offer] = /--accept .*$/m.exec(blocked.stdout) ?? [''];
  for (const name of expected) assert.ok(offer.includes(name), `${name} in ${offer}`);
  const unknown = await m.verb('cutover', '--accept', 'public.nothing');
  assert.equal(unknown.code, 2, unknown.stdout);
  assert.match(unknown.stderr, /PGS7044.*public\.nothing/);
  const some = await m.verb('cutover', '--accept', ...expected.slice(1));
  assert.equal(some.code, 4, some.stdout + some.stderr);

  const names = [...offer.matchAll(/'([^']+)'|(\S+)/g)].slice(1).map(([, quoted, plain]) => quoted ?? plain!);
  const done = await m.verb('cutover', '--quiet', '10ms', '--accept', ...names);
  assert.equal(done.code, 0, done.stdout + done.stderr);
  const [go] = /^GO .*$/m.exec(done.stdout) ?? [''];
  for (const name of expected) assert.ok(go.includes(name), `${name} in ${go}`);
});
