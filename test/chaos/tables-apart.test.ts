import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import pg from 'pg';
import { CliProcess } from '../support/cli.ts';
import { hashes, type Migration, migration } from '../support/migration.ts';
import { server } from '../support/servers.ts';

/** Tables whose copies are of different snapshots (I5), as after a kill in the middle of the copy, with a key between them. */
const schema = `
  CREATE TABLE parent (id int PRIMARY KEY, pad text);
  CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE, pad text)`;

async function copiedApart(m: Migration, rows: { parent: number; child: number }, as = 'postgres'): Promise<void> {
  await m.source.query(`${schema};
    INSERT INTO parent SELECT i, repeat('p', 200) FROM generate_series(1, ${rows.parent}) i;
    INSERT INTO child SELECT i, 1 + i % ${rows.parent}, repeat('c', 200) FROM generate_series(1, ${rows.child}) i`);
  await m.target.query(`SET ROLE ${as}; ${schema}`);
  const later = rows.parent > rows.child ? 'child' : 'parent';
  const first = new CliProcess(['run', m.file, '--log', 'json'], { PGSLUICE_FAILPOINT: 'built:kill' });
  await first.until('slot-created');
  const lock = new pg.Client({ connectionString: m.source.url });
  await lock.connect();
  // The smaller table comes second: held up until the process is gone.
  await lock.query(`BEGIN; LOCK TABLE ${later}`);
  await first.ended;
  await lock.end();
  assert.equal(first.process.signalCode, 'SIGKILL', first.stderr);
  assert.equal(first.events('table-copied').length, 1, first.stdout);
}

async function endsEqual(m: Migration): Promise<void> {
  await m.run();
  assert.deepEqual(await hashes(m.target, ['parent', 'child']), await hashes(m.source, ['parent', 'child']));
  const cut = await m.verb('cutover');
  assert.equal(cut.code, 0, cut.stderr);
  assert.deepEqual(await foreignKeys(m), [{ ok: 'true' }]);
}

const foreignKeys = (m: Migration) =>
  m.target.query(`SELECT convalidated::text AS ok FROM pg_constraint WHERE contype = 'f'`);

const common = { source: '  snapshot: { workers: 1 }', sink: '    schema: existing' };

test('a TRUNCATE of two tables of which one was copied after it', async () => {
  const m = await migration({ from: await server(15), to: await server(17), ...common });
  await copiedApart(m, { parent: 5000, child: 50 });
  await m.source.query(`TRUNCATE parent CASCADE; INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (1, 2)`);
  await endsEqual(m);
});

/** A target whose user owns everything and may not set session_replication_role. */
async function restricted(source: string): Promise<{ readonly m: Migration; readonly role: string }> {
  const to = await server(17);
  const role = `mover_${randomBytes(4).toString('hex')}`;
  const targetUrl = (name: string) => to.url(name, role, 'mover');
  const m = await migration({ from: await server(15), to, ...common, source, targetUrl });
  await to.query(`CREATE ROLE ${role} LOGIN PASSWORD 'mover'; ALTER DATABASE ${m.target.name} OWNER TO ${role}`);
  await m.target.query(`ALTER SCHEMA public OWNER TO ${role}`);
  return { m, role };
}

test('no replica role: rows whose partner was gone before its table was copied, and a cascade that the stream brings, too', async () => {
  const { m, role } = await restricted(common.source);
  await copiedApart(m, { parent: 50, child: 5000 }, role);
  await m.source.query(`INSERT INTO child VALUES (9001, 7); DELETE FROM parent WHERE id = 7`);
  await m.run();
  await m.source.query(`DELETE FROM parent WHERE id = 8;
    WITH gone AS (DELETE FROM parent WHERE id = 9) DELETE FROM child WHERE parent = 9`);
  await endsEqual(m);
});

test('no replica role, a copy without a stream: the key is there at its end', async () => {
  const { m, role } = await restricted('  snapshot: { mode: initial_only }');
  await m.source.query(`${schema}; INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1)`);
  await m.target.query(`SET ROLE ${role}; ${schema}`);
  await m.run();
  assert.deepEqual(await foreignKeys(m), [{ ok: 'true' }]);
});
