import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { cli } from '../support/cli.ts';
import { type Live, live } from '../support/live.ts';
import { long } from '../support/long.ts';
import { server } from '../support/servers.ts';

const majors = [14, 15, 16, 17, 18];
await Promise.all(majors.map((major) => server(major)));

/** All pairs in the long form. */
const pairs: readonly (readonly [number, number])[] = long
  ? majors.flatMap((from) => majors.map((to) => [from, to] as const))
  : [
      [14, 17],
      [18, 15],
    ];

/**
 * Whatever may act on rows: triggers before and after, of columns, constraint triggers, of a partitioned table, with each state;
 * rules; a view with INSTEAD OF; generated columns and defaults; row-level security. Their work is in the rows of the source.
 */
const schema = `
  CREATE TABLE audit (at bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text);
  CREATE TABLE n (id int PRIMARY KEY, n int DEFAULT 7, twice int GENERATED ALWAYS AS (n * 2) STORED, note text DEFAULT 'none');
  CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := coalesce(NEW.n, 0) + 1; RETURN NEW; END $$;
  CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.audit (what) VALUES (tg_name || ' ' || tg_op); RETURN NULL; END $$;
  CREATE TRIGGER a_bump BEFORE INSERT OR UPDATE ON n FOR EACH ROW EXECUTE FUNCTION bump();
  CREATE TRIGGER b_note AFTER INSERT OR UPDATE OR DELETE ON n FOR EACH ROW EXECUTE FUNCTION note();
  CREATE TRIGGER c_column AFTER UPDATE OF note ON n FOR EACH ROW EXECUTE FUNCTION note();
  CREATE CONSTRAINT TRIGGER d_late AFTER INSERT ON n DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
  CREATE TRIGGER e_statement AFTER INSERT ON n FOR EACH STATEMENT EXECUTE FUNCTION note();
  CREATE TRIGGER f_always AFTER DELETE ON n FOR EACH ROW EXECUTE FUNCTION note(); ALTER TABLE n ENABLE ALWAYS TRIGGER f_always;
  CREATE TRIGGER g_replica AFTER INSERT ON n FOR EACH ROW EXECUTE FUNCTION note(); ALTER TABLE n ENABLE REPLICA TRIGGER g_replica;
  CREATE TRIGGER h_off AFTER INSERT ON n FOR EACH ROW EXECUTE FUNCTION note(); ALTER TABLE n DISABLE TRIGGER h_off;
  CREATE TABLE ruled (id int PRIMARY KEY, v text);
  CREATE RULE also AS ON INSERT TO ruled DO ALSO INSERT INTO audit (what) VALUES ('rule ' || NEW.id);
  CREATE RULE never AS ON DELETE TO ruled DO INSTEAD NOTHING; ALTER TABLE ruled DISABLE RULE never;
  CREATE RULE instead AS ON UPDATE TO ruled WHERE NEW.v = 'skip' DO INSTEAD NOTHING; ALTER TABLE ruled ENABLE ALWAYS RULE instead;
  CREATE VIEW shown AS SELECT id, v FROM ruled;
  CREATE FUNCTION through() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.ruled VALUES (NEW.id, NEW.v); RETURN NEW; END $$;
  CREATE TRIGGER through INSTEAD OF INSERT ON shown FOR EACH ROW EXECUTE FUNCTION through();
  CREATE TABLE tree (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
  CREATE TABLE tree_1 PARTITION OF tree FOR VALUES IN (1);
  CREATE TABLE tree_2 PARTITION OF tree FOR VALUES IN (2);
  CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := NEW.v || '+'; RETURN NEW; END $$;
  CREATE TRIGGER mark BEFORE INSERT OR UPDATE ON tree FOR EACH ROW EXECUTE FUNCTION mark();
  ALTER TABLE ONLY tree_2 ENABLE ALWAYS TRIGGER mark;
  CREATE TABLE guarded (id int PRIMARY KEY, v text); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
  CREATE POLICY few ON guarded USING (id < 5) WITH CHECK (id < 5);`;
const fill = `
  INSERT INTO n (id) SELECT generate_series(1, 30); INSERT INTO ruled SELECT i, 'v' FROM generate_series(1, 30) i;
  INSERT INTO tree SELECT i, 1 + i % 2, 'v' FROM generate_series(1, 30) i; INSERT INTO guarded SELECT i, 'v' FROM generate_series(1, 30) i;`;
const work = `
  INSERT INTO n (id, n) VALUES (101, 5), (102, NULL); UPDATE n SET n = n + 10 WHERE id < 9; UPDATE n SET note = 'x' WHERE id = 3;
  DELETE FROM n WHERE id = 20; UPDATE n SET id = id + 1000 WHERE id > 25;
  INSERT INTO shown VALUES (200, 'seen'); UPDATE ruled SET v = 'w' WHERE id < 9; UPDATE ruled SET v = 'skip' WHERE id = 9; DELETE FROM ruled WHERE id = 1;
  UPDATE tree SET v = 'moved', k = 3 - k WHERE id < 6; INSERT INTO tree VALUES (300, 1, 'new'), (300, 2, 'new'); DELETE FROM tree WHERE id = 9;
  INSERT INTO guarded VALUES (40, 'w'); UPDATE guarded SET v = 'u' WHERE id > 20; DELETE FROM guarded WHERE id = 2;`;
const tables = ['audit', 'n', 'ruled', 'tree', 'guarded'];
const states = `SELECT tgrelid::regclass AS rel, tgname AS name, tgenabled::text AS state FROM pg_trigger WHERE tgname NOT LIKE 'pgsluice_fence_%' AND (NOT tgisinternal OR (tgparentid <> 0 AND tgconstraint = 0))
  UNION ALL SELECT ev_class::regclass, rulename, ev_enabled::text FROM pg_rewrite WHERE ev_class >= 16384 AND ev_type <> '1'
  UNION ALL SELECT oid::regclass, relname, relrowsecurity::text || relforcerowsecurity FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace`;

async function same(pipeline: Live): Promise<void> {
  for (const table of tables) {
    const sql = `SELECT * FROM ${table}`;
    const wanted = await pipeline.rows('source', sql);
    assert.ok(wanted.length > 0, table);
    assert.deepEqual(await pipeline.rows('target', sql), wanted, table);
  }
}

for (const [from, to] of pairs) {
  test(`owners without a superuser: what acts on rows is off until the cutover, and on the way back: ${from} to ${to}`, async () => {
    const pipeline = await live({ from, to, source: schema + fill, owners: true });
    const { source, target, file } = pipeline;
    await target.server.query(`ALTER ROLE ${new URL(target.url).username} REPLICATION`);
    const check = await pipeline.verb('check');
    assert.equal(check.code, 0, check.stdout + check.stderr);
    assert.doesNotMatch(check.stdout, /ALTER ROLE/);
    await pipeline.settle();
    await same(pipeline);
    for (const sql of work.split(';')) if (sql.trim() !== '') await source.query(sql);
    await pipeline.settle();
    await same(pipeline);
    const on = await pipeline.rows('target', `SELECT * FROM (${states}) x WHERE state IN ('O', 'A')`);
    assert.deepEqual(on, ['(shown,through,O)']);
    const back = join(dirname(file), 'back.yaml');
    // Owners differ where our user may make nobody an owner. Each is told before GO, and keeps nobody from it. What does is the
    // right to schema public, which each side gave its own user.
    const refused = await pipeline.verb('cutover', '--quiet', '100ms', '--way-back', back);
    assert.equal(refused.code, 4, refused.stdout + refused.stderr);
    assert.match(refused.stdout, /note +table public\.n .*owner is /);
    for (const line of refused.stdout.match(/^ +MISSING .*$/gm) ?? [])
      assert.match(line, /^ +MISSING +(schema public .*acl is|role owner_src_)/);
    const [, list = ''] = /--accept (.*)$/m.exec(refused.stdout) ?? [];
    const accepted = [...list.matchAll(/'([^']*)'/g)].map(([, name]) => name!);
    // A rehearsal sees what the way back lacks, while the run goes on.
    const user = new URL(target.url).username;
    await target.server.query(`ALTER ROLE ${user} NOREPLICATION`);
    const rehearsed = await pipeline.verb('cutover', '--dry-run', '--way-back', back, '--accept', ...accepted);
    await target.server.query(`ALTER ROLE ${user} REPLICATION`);
    assert.match(rehearsed.stderr, /^PGS7009 .*may not open replication connections/m, rehearsed.stdout);
    assert.equal(rehearsed.code, 2);
    const cut = await pipeline.verb('cutover', '--quiet', '100ms', '--way-back', back, '--accept', ...accepted);
    assert.equal(cut.code, 0, cut.stdout + cut.stderr);
    assert.deepEqual(await pipeline.rows('target', states), await pipeline.rows('source', states));
    await same(pipeline);
    // The new source works by itself; the old one does nothing of its own.
    const before = await pipeline.rows('source', states);
    for (const sql of work
      .replaceAll('10', '51')
      .replaceAll('200', '500')
      .replaceAll('300', '600')
      .replaceAll('(40', '(80')
      .split(';')) {
      if (sql.trim() !== '') await target.query(sql);
    }
    const reverse = await cli(['run', back, '--stop-at', 'now', '--log', 'json']);
    assert.equal(reverse.code, 0, reverse.stdout + reverse.stderr);
    await same(pipeline);
    const cleaned = await cli(['cleanup', back, '--yes']);
    assert.equal(cleaned.code, 0, cleaned.stdout + cleaned.stderr);
    assert.deepEqual(await pipeline.rows('source', states), before);
    await same(pipeline);
  });
}
