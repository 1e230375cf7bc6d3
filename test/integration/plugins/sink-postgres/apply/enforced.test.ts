import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { PgsluiceError } from '../../../../../core/base/error.ts';
import { Feed, full, type LogLine, never, relationOf, sinkFor, textRows } from '../../../../support/apply.ts';
import { connect, disconnect } from '../../../../../core/postgres/connect.ts';
import type { TablePlan } from '../../../../../core/api/plan.ts';
import { actingFindings } from '../../../../../plugins/sink-postgres/checks/acting.ts';
import { database, dropDatabase, server } from '../../../../support/servers.ts';

const shared = await server(15);
const many = (n: number, from = 1) => Array.from({ length: n }, (_, i) => String(from + i));

/** A database whose tables belong to a user who may not set session_replication_role. */
async function setup(sql: string) {
  const db = await database(shared);
  const user = `u_${db.name}`;
  after(async () => {
    await dropDatabase(db);
    await shared.query(`DROP ROLE ${user}`);
  });
  await db.query(`CREATE ROLE ${user} LOGIN PASSWORD 'local-only'; GRANT CREATE ON DATABASE ${db.name} TO ${user};
    GRANT ALL ON SCHEMA public TO ${user}; SET ROLE ${user}; ${sql}`);
  const url = shared.url(db.name, user);
  return { ...db, user, url, rows: (text: string) => textRows(url, text) };
}

test('without the right to be a replica, foreign keys act, in order, triggers do not, and it is said once', async () => {
  const db =
    await setup(`CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int NOT NULL REFERENCES p DEFERRABLE);
    CREATE TABLE d (id int PRIMARY KEY, p int REFERENCES p); CREATE TABLE audit (at serial, what text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN INSERT INTO public.audit (what) VALUES (tg_op || coalesce(NEW.id, OLD.id)); RETURN NULL; END $$;
    CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON d FOR EACH ROW EXECUTE FUNCTION note()`);
  const [p, c, d] = await Promise.all(['p', 'c', 'd'].map((name) => relationOf(db.url, 'public', name)));
  assert.ok(p && c && d);
  const feed = new Feed();
  const lines: LogLine[] = [];
  await using sink = sinkFor(db.url, { lines });
  await sink.resume(never);
  await sink.write(
    feed.batch([
      // The constraint of c may wait for the commit, that of d may not: only the order of the stream satisfies both.
      ...many(20).map((i) => feed.insert(c, [i, i])),
      ...many(20).map((i) => feed.insert(p, [i])),
      ...many(20).map((i) => feed.insert(d, [i, i])),
      feed.update(d, ['1', null]),
      feed.update(d, ['1', '2']),
      feed.delete(d, ['2', null]),
      feed.insert(d, ['2', '2']),
    ]),
    never,
  );
  assert.deepEqual(await db.rows('SELECT count(*) FROM c'), [['20']]);
  assert.deepEqual(await db.rows('SELECT count(*) FROM audit'), [['0']]);
  assert.deepEqual(await db.rows(`SELECT tgenabled FROM pg_trigger WHERE tgname = 'note'`), [['D']]);
  const before = feed.last;
  await assert.rejects(sink.write(feed.batch([feed.insert(c, ['99', '99'])]), never), (error) => {
    assert.ok(error instanceof PgsluiceError);
    assert.deepEqual([error.code, error.where.sqlstate], ['PGS3104', '23503']);
    return true;
  });
  assert.equal(await sink.resume(never), before);
  await assert.rejects(sink.write(feed.batch([feed.delete(p, ['3'])]), never), (error) => {
    assert.ok(error instanceof PgsluiceError);
    assert.deepEqual([error.code, error.where.sqlstate], ['PGS3104', '23503']);
    return true;
  });
  assert.equal(lines.filter((line) => line.event === 'apply-in-order').length, 1);
});

test('a missing right is an error; row-level security that is forced on the owner is kept off', async () => {
  const db =
    await setup(`CREATE TABLE t (id int PRIMARY KEY, a text); ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;
    CREATE POLICY few ON t USING (id < 5); CREATE TABLE free (id int PRIMARY KEY)`);
  const t = await relationOf(db.url, 'public', 't');
  const free = await relationOf(db.url, 'public', 'free');
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  await sink.resume(never);
  await sink.write(feed.batch([feed.insert(t, ['7', 'x']), feed.update(t, ['7', 'y'])]), never);
  assert.deepEqual(await db.query('SELECT * FROM t'), [{ id: 7, a: 'y' }]);
  await db.query(`ALTER TABLE free OWNER TO postgres`);
  await assert.rejects(sink.write(feed.batch([feed.insert(free, ['7'])]), never), (error) => {
    assert.ok(error instanceof PgsluiceError);
    assert.deepEqual([error.code, error.where.table], ['PGS3108', 'public.free']);
    return true;
  });
});

test('what only its owner may keep off is an error with the statement that helps, before a row is written', async () => {
  const db = await setup(`CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE s (id int PRIMARY KEY);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
    CREATE TRIGGER note BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION note()`);
  await db.query(`ALTER TABLE t OWNER TO postgres; GRANT ALL ON t TO ${db.user}; ALTER TABLE s ENABLE ROW LEVEL SECURITY;
    ALTER TABLE s OWNER TO postgres; GRANT ALL ON s TO ${db.user}`);
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  for (const [name, remedy] of [
    ['t', `GRANT SET ON PARAMETER session_replication_role TO "${db.user}";`],
    ['s', `GRANT "postgres" TO "${db.user}";`],
  ] as const) {
    await sink.resume(never);
    const relation = await relationOf(db.url, 'public', name);
    await assert.rejects(sink.write(feed.batch([feed.insert(relation, ['7'])]), never), (error) => {
      assert.ok(error instanceof PgsluiceError);
      assert.deepEqual([error.code, error.where.table, error.remedy], ['PGS3120', `public.${name}`, remedy]);
      return true;
    });
  }
  await db.query(`GRANT SET ON PARAMETER session_replication_role TO ${db.user}`);
  await sink.resume(never);
  await sink.write(feed.batch([feed.insert(await relationOf(db.url, 'public', 't'), ['7'])]), never);
  assert.deepEqual(await db.rows('SELECT * FROM t'), [['7']]);
  await db.query(`REVOKE SET ON PARAMETER session_replication_role FROM ${db.user}`);
});

test('check says what is kept off, and is an error with the statement where that is not allowed', async () => {
  const db = await setup(`CREATE TABLE mine (id int PRIMARY KEY); CREATE TABLE theirs (id int PRIMARY KEY);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
    CREATE RULE r AS ON DELETE TO mine DO INSTEAD NOTHING;
    CREATE TRIGGER note BEFORE INSERT ON theirs FOR EACH ROW EXECUTE FUNCTION note()`);
  await db.query(`ALTER TABLE theirs OWNER TO postgres; GRANT ALL ON theirs TO ${db.user};
    CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
    CREATE EVENT TRIGGER ddl ON ddl_command_start EXECUTE FUNCTION e()`);
  const client = await connect({ url: db.url }, { name: 'test', applicationName: 'test' });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => disconnect(client));
  const plans = (...tables: string[]) => tables.map((name) => ({ output: { schema: 'public', name } })) as TablePlan[];
  const found = (version: number, ...tables: string[]) =>
    actingFindings(client, { user: db.user, version }, plans(...tables));
  const [allowed, events] = await found(150000, 'mine', 'not_there');
  assert.deepEqual([allowed!.check, allowed!.level], ['target-triggers', 'ok']);
  assert.match(allowed!.message, /kept off until the cutover: rule r of /);
  assert.deepEqual([events!.check, events!.level], ['target-event-triggers', 'warning']);
  for (const [version, remedy] of [
    [140000, `GRANT "postgres" TO "${db.user}";`],
    [150000, `GRANT SET ON PARAMETER session_replication_role TO "${db.user}";`],
  ] as const) {
    const [refused] = await found(version, 'mine', 'theirs');
    assert.deepEqual([refused!.level, refused!.remedy], ['error', remedy]);
    assert.match(refused!.message, /trigger note of public\.theirs/);
    // As printed, it helps.
    await db.query(`BEGIN; ${remedy} COMMIT`);
    const after = await connect({ url: db.url }, { name: 'test', applicationName: 'test' });
    await after.query('SET session_replication_role = replica').catch(() => {});
    const [now] = await actingFindings(after, { user: db.user, version }, plans('mine', 'theirs'));
    await disconnect(after);
    assert.equal(now!.level, 'ok', remedy);
    await db.query(remedy.replace('GRANT', 'REVOKE').replace(' TO ', ' FROM '));
  }
});

test('triggers and rules that fire for replicas, too, are kept off with their state, also those made while rows come', async () => {
  const db = await database(shared);
  await db.query(`CREATE TABLE t (id int PRIMARY KEY, a text); CREATE TABLE audit (at serial, what text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN INSERT INTO public.audit (what) VALUES (tg_op); RETURN NULL; END $$;
    CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION note();
    CREATE TRIGGER plain AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note();
    ALTER TABLE t ENABLE REPLICA TRIGGER note;
    CREATE RULE off AS ON DELETE TO t DO INSTEAD NOTHING; ALTER TABLE t ENABLE ALWAYS RULE off`);
  const t = await relationOf(db.url, 'public', 't');
  const feed = new Feed();
  const lines: LogLine[] = [];
  await using sink = sinkFor(db.url, { lines });
  await sink.resume(never);
  await sink.write(
    feed.batch([feed.insert(t, ['1', 'x']), feed.update(t, ['1', 'y']), feed.delete(t, ['1', null])]),
    never,
  );
  await db.query(
    `CREATE TRIGGER later BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION note(); ALTER TABLE t ENABLE ALWAYS TRIGGER later`,
  );
  await sink.write(feed.batch(many(20).map((i) => feed.insert(t, [i, 'x']))), never);
  assert.deepEqual(await textRows(db.url, 'SELECT count(*) FROM t'), [['20']]);
  assert.deepEqual(await textRows(db.url, 'SELECT count(*) FROM audit'), [['0']]);
  assert.equal(lines.filter((line) => line.event === 'kept-off').length, 2);
  const states = `SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal UNION SELECT rulename, ev_enabled FROM pg_rewrite WHERE rulename = 'off' ORDER BY 1`;
  const during = await textRows(db.url, states);
  assert.deepEqual(during, [
    ['later', 'D'],
    ['note', 'D'],
    ['off', 'D'],
    ['plain', 'O'],
  ]);
  const saved = await textRows(db.url, 'SELECT name, constraint_sql FROM pgsluice.definition ORDER BY name');
  assert.deepEqual(saved, [
    ['later', 'ENABLE ALWAYS TRIGGER later'],
    ['note', 'ENABLE REPLICA TRIGGER note'],
    ['off', 'ENABLE ALWAYS RULE off'],
  ]);
});

test('a key of the target that is dropped while rows come no longer counts as one', async () => {
  const db = await database(shared);
  await db.query(
    `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 30) i`,
  );
  const t = await relationOf(db.url, 'public', 't', { kind: 'full' });
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  await sink.resume(never);
  await sink.write(feed.batch([feed.update(t, ['1', 'w'], full('1', 'v1'))]), never);
  await db.query('ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id) DEFERRABLE');
  const shift = many(30).map((i) => {
    const value = i === '1' ? 'w' : `v${i}`;
    return feed.update(t, [String(Number(i) + 1), value], full(i, value));
  });
  await sink.write(feed.batch(shift), never);
  assert.deepEqual((await textRows(db.url, 'SELECT v FROM t ORDER BY id')).flat(), [
    'w',
    ...many(29, 2).map((i) => `v${i}`),
  ]);
});
