import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cli } from '../support/cli.ts';
import { hashes, migration } from '../support/migration.ts';
import { server } from '../support/servers.ts';

const tables = ['parent', 'child', 'bare', 'item'];
const schema = `
  CREATE TABLE item (id int PRIMARY KEY, v text);
  CREATE UNLOGGED TABLE parent (id int PRIMARY KEY, v text);
  CREATE UNLOGGED TABLE child (id serial PRIMARY KEY, parent int REFERENCES parent, item int REFERENCES item);
  ALTER TABLE parent ADD favourite int REFERENCES child DEFERRABLE;
  CREATE UNLOGGED TABLE bare (v text);
  INSERT INTO item SELECT g, 'v' || g FROM generate_series(1, 100) g;
  INSERT INTO parent SELECT g, 'p' FROM generate_series(1, 50) g;
  INSERT INTO child (parent, item) SELECT g, g FROM generate_series(1, 50) g;
  UPDATE parent SET favourite = id;
  INSERT INTO bare SELECT 'b' || g % 3 FROM generate_series(1, 20) g`;
const later = `
  INSERT INTO item VALUES (101, 'new'); INSERT INTO parent VALUES (60, 'new', 1);
  INSERT INTO child (parent, item) VALUES (60, 101); UPDATE child SET parent = 60 WHERE id < 10;
  DELETE FROM bare WHERE v = 'b1'; INSERT INTO bare VALUES (NULL)`;

test('unlogged tables are copied with the snapshot, and again at the cutover; they are named until then', {
  timeout: 900_000,
}, async () => {
  const m = await migration({ from: await server(15), to: await server(17) });
  await m.source.query(schema);
  const check = await m.verb('check');
  assert.equal(check.code, 0, check.stdout + check.stderr);
  assert.match(check.stdout, /unlogged[^\n]*public\.child/);
  const plan = await m.verb('plan');
  assert.match(plan.stdout, /unlogged: copied with the snapshot, and again at the cutover/);
  await m.run();
  assert.deepEqual(await hashes(m.target, tables), await hashes(m.source, tables));
  await m.source.query(later);
  await m.run();
  const status = await m.verb('status');
  assert.match(status.stdout, /note +public\.child +unlogged table: /);
  const verify = await m.verb('verify');
  assert.equal(verify.code, 4, verify.stdout);
  assert.match(verify.stdout, /DIFFERS +public\.child[^]*note +public\.child +unlogged table/);
  assert.match(verify.stdout, /ok +public\.item /);

  // Killed while it copies them, it goes on, also when more was written in between.
  const killed = await cli(['cutover', m.file, '--quiet', '10ms'], { PGSLUICE_FAILPOINT: 'cutover-unlogged:kill' });
  assert.equal(killed.code, null, killed.stdout + killed.stderr);
  const aborted = await m.verb('cutover', '--abort');
  assert.equal(aborted.code, 0, aborted.stderr);
  await m.source.query(`UPDATE parent SET v = 'again'`);
  const again = await cli(['cutover', m.file, '--quiet', '10ms'], { PGSLUICE_FAILPOINT: 'resync-copied:kill' });
  assert.equal(again.code, null, again.stdout + again.stderr);
  const cut = await m.verb('cutover', '--quiet', '10ms');
  assert.equal(cut.code, 0, cut.stdout + cut.stderr);
  assert.match(cut.stdout, /copied again, as they are unlogged: .*public\.child/);
  assert.match(cut.stdout, /compared 3 tables in .* while the writers stand still/);
  assert.deepEqual(await hashes(m.target, tables), await hashes(m.source, tables));
  const keys = `SELECT conname, convalidated FROM pg_constraint WHERE contype = 'f' ORDER BY 1`;
  assert.deepEqual(await m.target.query(keys), await m.source.query(keys));
  const kinds = `SELECT relname, relpersistence FROM pg_class WHERE relname IN ('parent', 'child', 'bare') ORDER BY 1`;
  assert.deepEqual(await m.target.query(kinds), await m.source.query(kinds));
});
