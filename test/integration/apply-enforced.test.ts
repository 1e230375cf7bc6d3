import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { PgsluiceError } from '../../core/base/error.ts';
import { Feed, type LogLine, never, relationOf, sinkFor, textRows } from '../support/apply.ts';
import { database, dropDatabase, server } from '../support/servers.ts';

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

test('without the right to be a replica, foreign keys and triggers act, in order, and it is said once', async () => {
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
  assert.deepEqual((await db.rows('SELECT what FROM audit ORDER BY at')).flat(), [
    ...many(20).map((i) => `INSERT${i}`),
    'UPDATE1',
    'UPDATE1',
    'DELETE2',
    'INSERT2',
  ]);
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

test('a missing right and row-level security are errors, not rows that are silently missing', async () => {
  const db =
    await setup(`CREATE TABLE t (id int PRIMARY KEY, a text); ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;
    CREATE POLICY few ON t USING (id < 5); CREATE TABLE free (id int PRIMARY KEY)`);
  const other = await relationOf(db.url, 'public', 't');
  const free = await relationOf(db.url, 'public', 'free');
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  await sink.resume(never);
  await assert.rejects(sink.write(feed.batch([feed.update(other, ['7', 'x'])]), never), (error) => {
    assert.ok(error instanceof PgsluiceError);
    assert.deepEqual([error.code, error.where.sqlstate], ['PGS3108', '42501']);
    return true;
  });
  await db.query(`ALTER TABLE free OWNER TO postgres`);
  await sink.resume(never);
  await assert.rejects(sink.write(feed.batch([feed.insert(free, ['7'])]), never), (error) => {
    assert.ok(error instanceof PgsluiceError);
    assert.deepEqual([error.code, error.where.table], ['PGS3108', 'public.free']);
    return true;
  });
});

test('triggers enabled for replicas see each change though their table could go set-wise', async () => {
  const db = await database(shared);
  await db.query(`CREATE TABLE t (id int PRIMARY KEY, a text); CREATE TABLE audit (at serial, what text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN INSERT INTO public.audit (what) VALUES (tg_op); RETURN NULL; END $$;
    CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION note();
    ALTER TABLE t ENABLE REPLICA TRIGGER note`);
  const t = await relationOf(db.url, 'public', 't');
  const feed = new Feed();
  await using sink = sinkFor(db.url);
  await sink.resume(never);
  await sink.write(
    feed.batch([feed.insert(t, ['1', 'x']), feed.update(t, ['1', 'y']), feed.delete(t, ['1', null])]),
    never,
  );
  assert.deepEqual(await textRows(db.url, 'SELECT what FROM audit ORDER BY at'), [['INSERT'], ['UPDATE'], ['DELETE']]);
});
