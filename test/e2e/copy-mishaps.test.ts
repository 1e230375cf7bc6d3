import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import pg from 'pg';
import { CliProcess } from '../support/cli.ts';
import { eventsOf, hashes, type Migration, migration } from '../support/migration.ts';
import { database, dropDatabase, server, type TestDatabase } from '../support/servers.ts';

/** What can go wrong in a copy: each ends with one line that says where, or goes on. */
const [source17, source15, target18] = [await server(17), await server(15), await server(18)];

async function fails(run: Migration, exit = 1): Promise<string> {
  const { code, stderr } = await run.verb('run', '--stop-at', 'now', '--log', 'json');
  assert.equal(code, exit, stderr);
  assert.equal(stderr.trim().split('\n').length, 1, stderr);
  return stderr;
}

test('a lock held on a source table is waited for, and told', async () => {
  const run = await migration({ from: source15, to: target18 });
  await run.source.query('CREATE TABLE held (id int PRIMARY KEY); INSERT INTO held VALUES (1)');
  const holder = new pg.Client({ connectionString: run.source.url, application_name: 'the holder' });
  await holder.connect();
  await holder.query('BEGIN; LOCK TABLE held IN ACCESS EXCLUSIVE MODE');
  const running = run.start('--stop-at', 'now');
  await running.until('lock-wait');
  const [event] = running.events('lock-wait');
  assert.match(String(event?.['message']), /source .*public\.held.* pid \d+ \(the holder, idle in transaction\)/);
  await holder.query('COMMIT');
  await holder.end();
  const { code, stderr } = await running.ended;
  assert.equal(code, 0, stderr);
  assert.deepEqual(await run.target.query('SELECT id FROM held'), [{ id: 1 }]);
});

test('a lock held on a target table is waited for, and told', async () => {
  const run = await migration({ from: source15, to: target18, sink: '    schema: existing' });
  for (const db of [run.source, run.target])
    await db.query('CREATE TABLE held (id int PRIMARY KEY, v int); CREATE INDEX i ON held (v)');
  await run.source.query('INSERT INTO held VALUES (1)');
  const holder = new pg.Client({ connectionString: run.target.url, application_name: 'the reader' });
  await holder.connect();
  // Readers do not stand in the way of a small table, whose indexes stay.
  await holder.query('BEGIN; LOCK TABLE held');
  const running = run.start('--stop-at', 'now');
  await running.until('lock-wait');
  assert.match(String(running.events('lock-wait')[0]?.['message']), /target .*public\.held.*the reader/);
  await holder.end();
  assert.equal((await running.ended).code, 0);
  assert.deepEqual(await run.target.query('SELECT id FROM held'), [{ id: 1 }]);
});

test('the disk of the target is full: a code of that, definitions kept, and a later run goes on', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pgsluice-small-'));
  chmodSync(folder, 0o777);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m,mode=0777', 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    rmSync(folder, { recursive: true });
    return t.diagnostic('no right to mount a small file system here: not tried');
  }
  const name = `small_${process.pid}`;
  const run = await migration({ from: source15, to: target18, sink: '    schema: existing' });
  after(async () => {
    await dropDatabase(run.target);
    await target18.query(`DROP TABLESPACE ${name}`);
    execFileSync('umount', [folder]);
    rmSync(folder, { recursive: true });
  });
  execFileSync('chown', [ownerOfServer(), folder]);
  await target18.query(`CREATE TABLESPACE ${name} LOCATION '${folder}'`);
  const table = (space: string) =>
    `CREATE TABLE first (id int PRIMARY KEY); CREATE TABLE big (id int PRIMARY KEY, v text) ${space}; CREATE INDEX big_v ON big (left(v, 10))`;
  await run.source.query(`${table('')}; INSERT INTO first VALUES (1);
    INSERT INTO big SELECT i, repeat('v', 1000) FROM generate_series(1, 10000) i`);
  await run.target.query(table(`TABLESPACE ${name}`));
  const running = run.start('--stop-at', 'now');
  await running.until('chunk-retry');
  running.process.kill('SIGTERM');
  await running.ended;
  const [retry] = running.events('chunk-retry');
  assert.equal(retry?.['code'], 'PGS2008');
  assert.equal(retry?.['table'], 'public.big');
  execFileSync('mount', ['-o', 'remount,size=60m', folder]);
  await run.run();
  assert.deepEqual(await hashes(run.target, ['first', 'big']), await hashes(run.source, ['first', 'big']));
  const indexes = await run.target.query(
    `SELECT relname FROM pg_class WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace ORDER BY 1`,
  );
  assert.deepEqual(
    indexes.map((row) => row['relname']),
    ['big_pkey', 'big_v', 'first_pkey'],
  );
});

/** The account that runs the server's postmaster. */
function ownerOfServer(): string {
  const pid = execFileSync('pgrep', ['-o', '-x', 'postgres']).toString().trim();
  return execFileSync('stat', ['-c', '%u', `/proc/${pid}`])
    .toString()
    .trim();
}

test('a row that the target refuses: table, chunk and SQLSTATE, never the value', async () => {
  const run = await migration({ from: source15, to: target18, sink: '    schema: existing' });
  await run.source.query(
    `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'fine'), (2, 'secret-value')`,
  );
  await run.target.query(
    `CREATE TABLE t (id int PRIMARY KEY, v text CONSTRAINT short CHECK (length(v) < 6)); CREATE INDEX kept ON t (v)`,
  );
  const stderr = await fails(run);
  assert.match(stderr, /^PGS3010 .*short.*table public\.t.*SQLSTATE 23514.*chunk public\.t#0/);
  assert.doesNotMatch(stderr, /secret/);
  await run.source.query(`UPDATE t SET v = 'short' WHERE id = 2`);
  await run.run();
  assert.deepEqual(await run.target.query('SELECT v FROM t ORDER BY id'), [{ v: 'fine' }, { v: 'short' }]);
  assert.deepEqual(
    await run.target.query(
      `SELECT indexrelid::regclass::text AS i FROM pg_index WHERE indrelid = 't'::regclass ORDER BY 1`,
    ),
    [{ i: 'kept' }, { i: 't_pkey' }],
  );
});

test('bytes of a SQL_ASCII source that are no UTF-8: refused with the table, and its neighbours are copied', async () => {
  const name = `ascii_${process.pid}`;
  await source15.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'`);
  after(() => source15.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
  const source: TestDatabase = {
    name,
    url: source15.url(name),
    server: source15,
    query: (sql) => source15.query(sql, name),
  };
  const run = await migration({
    from: source15,
    to: target18,
    databases: { source, target: await database(target18) },
  });
  await source.query(`CREATE TABLE good (id int PRIMARY KEY, v text); INSERT INTO good VALUES (1, 'é');
    CREATE TABLE bad (id int PRIMARY KEY, v text); INSERT INTO bad VALUES (1, convert_from('\\x636166e9', 'SQL_ASCII'))`);
  const stderr = await fails(run);
  // A server of that encoding checks what it sends to a client of UTF-8.
  assert.match(stderr, /^PGS2121 .*table public\.bad.*SQLSTATE 22021/);
  assert.doesNotMatch(stderr, /0xe9|caf/);
  await source.query(`UPDATE bad SET v = 'café'`);
  await run.run();
  assert.deepEqual(await run.target.query('SELECT v FROM bad UNION ALL SELECT v FROM good'), [
    { v: 'café' },
    { v: 'é' },
  ]);
  assert.equal((await run.verb('cleanup', '--yes')).code, 0);
});

test('rows in an existing target: refused, or emptied where the file says so; its indexes and keys come back', async () => {
  const first = await migration({ from: source15, to: target18, sink: '    schema: existing' });
  const { source, target } = first;
  const tables =
    'CREATE TABLE a (id int PRIMARY KEY, v int UNIQUE); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a)';
  for (const db of [source, target]) await db.query(tables);
  await source.query('INSERT INTO a SELECT i, i FROM generate_series(1, 10) i; INSERT INTO b VALUES (1, 1)');
  await target.query('INSERT INTO a VALUES (99, 99); INSERT INTO b VALUES (9, 99)');
  assert.match(await fails(first, 3), /rows in public\.a/);
  assert.deepEqual(await source.query('SELECT 1 FROM pg_publication'), []);
  const again = await migration({
    from: source15,
    to: target18,
    sink: '    schema: existing\n    on_existing: truncate',
    databases: { source, target },
  });
  await again.run();
  assert.deepEqual(await hashes(target, ['a', 'b']), await hashes(source, ['a', 'b']));
  const constraints = (db: TestDatabase) =>
    db.query(
      `SELECT conname, convalidated FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n' ORDER BY 1`,
    );
  assert.deepEqual(await constraints(target), await constraints(source));
});

test('a first start that fails after indexes were set aside puts them back', async () => {
  const run = await migration({ from: source15, to: target18, sink: '    schema: existing' });
  for (const db of [run.source, run.target])
    await db.query(`CREATE TABLE a (id int PRIMARY KEY, v int UNIQUE, CONSTRAINT c CHECK (v > 0) NOT VALID); CREATE INDEX x ON a (v DESC);
      CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a)`);
  // Indexes of a table of less than 1 MB would not be set aside.
  await run.source.query('INSERT INTO a SELECT i, i FROM generate_series(1, 40000) i');
  const before = await definitions(run.target);
  const failed = new CliProcess(['run', run.file, '--log', 'json'], { PGSLUICE_FAILPOINT: 'prepared' });
  assert.equal((await failed.ended).code, 1);
  assert.deepEqual(await definitions(run.target), before);
  assert.deepEqual(await run.source.query('SELECT 1 FROM pg_publication'), []);
  assert.deepEqual(await run.target.query(`SELECT 1 FROM pg_namespace WHERE nspname = 'pgsluice'`), []);
});

const definitions = (db: TestDatabase) =>
  db.query(`SELECT pg_get_constraintdef(oid) AS d FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE relnamespace = 'public'::regnamespace ORDER BY 1`);

test('an infinite interval is an error on a target that has none, never another interval', async () => {
  const run = await migration({ from: source17, to: source15 });
  await run.source.query(`CREATE TABLE t (id int PRIMARY KEY, v interval); INSERT INTO t VALUES (1, 'infinity')`);
  assert.match(await fails(run), /^PGS\d{4} .*public\.t/);
  await run.source.query(`UPDATE t SET v = '1 day'`);
  await run.run();
  assert.deepEqual(await run.target.query('SELECT v::text FROM t'), [{ v: '1 day' }]);
});

test('timeouts of the source and target roles do not end the copy or the stream', async () => {
  const user = `impatient_${process.pid}`;
  const settings = ['statement_timeout', 'idle_in_transaction_session_timeout', 'lock_timeout', 'transaction_timeout'];
  for (const on of [source17, target18]) {
    await on.query(`CREATE ROLE ${user} SUPERUSER LOGIN PASSWORD 'i'`);
    for (const name of settings) await on.query(`ALTER ROLE ${user} SET ${name} = '250ms'`);
    after(() => on.query(`DROP ROLE IF EXISTS ${user}`));
  }
  const run = await migration({
    from: source17,
    to: target18,
    more: 'limit: { rate: 1MB/s }',
    sourceUrl: (name) => source17.url(name, user, 'i'),
    targetUrl: (name) => target18.url(name, user, 'i'),
  });
  await run.source.query(`CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, repeat('v', 1000) FROM generate_series(1, 3000) i;
    CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1)`);
  await run.run();
  assert.deepEqual(await hashes(run.target, ['t', 'u']), await hashes(run.source, ['t', 'u']));
  assert.equal((await run.verb('cutover')).code, 0);
  for (const db of [run.source, run.target])
    await db.query(`REASSIGN OWNED BY ${user} TO postgres; DROP OWNED BY ${user}`);
});

test('limit.rate holds: no faster than the file says', async () => {
  const run = await migration({
    from: source17,
    to: target18,
    more: 'limit: { rate: 5MB/s }',
    source: '  snapshot: { workers: 4 }',
  });
  await run.source.query(`CREATE TABLE a (v text); CREATE TABLE b (v text); ALTER TABLE a REPLICA IDENTITY FULL; ALTER TABLE b REPLICA IDENTITY FULL;
    INSERT INTO a SELECT repeat('a', 1000) FROM generate_series(1, 10000); INSERT INTO b SELECT * FROM a`);
  const result = await run.run();
  const at = (event: string) => Date.parse(String(eventsOf(result, event).at(-1)?.['time']));
  const seconds = (at('table-copied') - at('copy-started')) / 1000;
  // 20 MB; the first second's worth may come at once.
  assert.ok(seconds >= 20 / 5.25 - 1.1, `${seconds} s`);
});

test('roles that are no superusers, on either side', async () => {
  const user = `plain_${process.pid}`;
  for (const on of [source15, target18]) {
    await on.query(`CREATE ROLE ${user} LOGIN REPLICATION PASSWORD 'p'`);
    after(() => on.query(`DROP ROLE IF EXISTS ${user}`));
  }
  const run = await migration({
    from: source15,
    to: target18,
    sourceUrl: (name) => source15.url(name, user, 'p'),
    targetUrl: (name) => target18.url(name, user, 'p'),
  });
  const { source, target } = run;
  await source.query(`GRANT CREATE ON DATABASE ${source.name} TO ${user}; GRANT CREATE ON SCHEMA public TO ${user}; SET ROLE ${user};
    CREATE TABLE a (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text UNIQUE, w int GENERATED ALWAYS AS (1) STORED);
    CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v := NEW.v || ''!''; RETURN NEW; END';
    CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f();
    INSERT INTO a (v) SELECT 'v' || i FROM generate_series(1, 50) i; INSERT INTO b SELECT i, i FROM generate_series(1, 50) i;
    SELECT lo_from_bytea(900001, 'mine')`);
  await target.query(`GRANT CREATE ON DATABASE ${target.name} TO ${user}; GRANT CREATE ON SCHEMA public TO ${user}`);
  const check = await run.verb('check');
  assert.equal(check.code, 0, check.stdout);
  await run.run();
  assert.deepEqual(await hashes(target, ['a', 'b']), await hashes(source, ['a', 'b']));
  await source.query(
    `ALTER TABLE a DISABLE TRIGGER t; INSERT INTO a (v) VALUES ('late'); UPDATE b SET a = 51 WHERE id = 3; DELETE FROM a WHERE id = 3`,
  );
  assert.deepEqual(await target.query(`SELECT tgenabled FROM pg_trigger WHERE tgname = 't'`), [{ tgenabled: 'D' }]);
  assert.deepEqual(await target.query(`SELECT convert_from(lo_get(900001), 'UTF8') AS v`), [{ v: 'mine' }]);
  for (const db of [source, target]) await db.query(`REASSIGN OWNED BY ${user} TO postgres; DROP OWNED BY ${user}`);
  await source.query(
    `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()`,
  );
});

test('a table dropped on the source while others are copied goes in the target, too, and the run goes on', async () => {
  const run = await migration({
    from: source15,
    to: target18,
    source: '  snapshot: { workers: 1 }',
    more: 'limit: { rate: 1MB/s }',
  });
  await run.source.query(`CREATE TABLE big (id int PRIMARY KEY, v text); INSERT INTO big SELECT i, repeat('b', 1000) FROM generate_series(1, 3000) i;
    CREATE TABLE gone (id int PRIMARY KEY); INSERT INTO gone VALUES (1)`);
  const running = run.start('--stop-at', 'now');
  await running.until('copy-started');
  await run.source.query('DROP TABLE gone');
  const { code, stderr } = await running.ended;
  assert.equal(code, 0, stderr);
  assert.deepEqual(await run.target.query(`SELECT to_regclass('gone') AS gone`), [{ gone: null }]);
  assert.deepEqual(await hashes(run.target, ['big']), await hashes(run.source, ['big']));
});
