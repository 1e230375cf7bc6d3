import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import type { Source } from '../../../../../core/api/source.ts';
import type { PublishedTable } from '../../../../../core/api/source-control.ts';
import { database, server, type TestDatabase } from '../../../../support/servers.ts';
import { calm, postgresSource } from '../../../../support/source-context.ts';
import { readCatalog } from '../../../../../core/api/source.ts';

const majors = [14, 15, 16, 17, 18];
for (const major of majors) await server(major);

interface Trap {
  readonly since: number;
  readonly table: string;
  /** What the user does while the table is published. */
  readonly after: string;
  readonly where?: string;
  readonly columns?: readonly string[];
  readonly said: RegExp;
}

const keyed = 'CREATE TABLE t (id int PRIMARY KEY, v int, w int)';
const unique = 'CREATE TABLE t (id int NOT NULL, v int, w int); CREATE UNIQUE INDEX i ON t (id)';
const traps: Readonly<Record<string, Trap>> = {
  'the primary key is dropped': {
    since: 14,
    table: keyed,
    after: 'ALTER TABLE t DROP CONSTRAINT t_pkey',
    said: /no primary key/,
  },
  'the primary key becomes deferrable': {
    since: 14,
    table: keyed,
    after: 'ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id) DEFERRABLE',
    said: /DEFERRABLE primary key/,
  },
  'REPLICA IDENTITY NOTHING': {
    since: 14,
    table: keyed,
    after: 'ALTER TABLE t REPLICA IDENTITY NOTHING',
    said: /REPLICA IDENTITY NOTHING/,
  },
  'FULL is taken back, and there is no key': {
    since: 14,
    table: 'CREATE TABLE t (id int, v int, w int); ALTER TABLE t REPLICA IDENTITY FULL',
    after: 'ALTER TABLE t REPLICA IDENTITY DEFAULT',
    said: /no primary key/,
  },
  'the identity index is dropped': {
    since: 14,
    table: `${unique}; ALTER TABLE t REPLICA IDENTITY USING INDEX i`,
    after: 'DROP INDEX i',
    said: /index that is gone/,
  },
  'a partition is not like its siblings': {
    since: 14,
    table: `CREATE TABLE p (id int PRIMARY KEY, v int, w int) PARTITION BY RANGE (id);
      CREATE TABLE t PARTITION OF p FOR VALUES FROM (0) TO (100); CREATE TABLE u PARTITION OF p DEFAULT`,
    after: 'ALTER TABLE t REPLICA IDENTITY NOTHING',
    said: /REPLICA IDENTITY NOTHING/,
  },
  'a filter is no longer within the identity': {
    since: 15,
    table: 'CREATE TABLE t (id int PRIMARY KEY, v int, w int); ALTER TABLE t REPLICA IDENTITY FULL',
    where: 'v > 0',
    after: 'ALTER TABLE t REPLICA IDENTITY DEFAULT',
    said: /row filter of public\.t reads v/,
  },
  'the key is another, under a filter': {
    since: 15,
    table: keyed,
    where: 'id > 0',
    after: 'ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (v)',
    said: /row filter of public\.t reads id/,
  },
  'the key is another, under a list': {
    since: 15,
    table: keyed,
    columns: ['id', 'v'],
    after: 'ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (w)',
    said: /column list of public\.t leaves out w/,
  },
  'FULL, under a list': {
    since: 15,
    table: keyed,
    columns: ['id', 'v'],
    after: 'ALTER TABLE t REPLICA IDENTITY FULL',
    said: /column list rules out/,
  },
  'a virtual generated column under FULL': {
    since: 18,
    table: 'CREATE TABLE t (id int PRIMARY KEY, v int, w int); ALTER TABLE t REPLICA IDENTITY FULL',
    after: 'ALTER TABLE t ADD COLUMN g int GENERATED ALWAYS AS (v * 2) VIRTUAL',
    said: /has g, a generated column/,
  },
  'FULL over a virtual generated column': {
    since: 18,
    table: 'CREATE TABLE t (id int PRIMARY KEY, v int, w int, g int GENERATED ALWAYS AS (v * 2) VIRTUAL)',
    after: 'ALTER TABLE t REPLICA IDENTITY FULL',
    said: /has g, a generated column/,
  },
  'stored generated columns are no longer published': {
    since: 18,
    table:
      'CREATE TABLE t (id int PRIMARY KEY, v int, w int, g int GENERATED ALWAYS AS (v * 2) STORED); ALTER TABLE t REPLICA IDENTITY FULL',
    after: 'ALTER PUBLICATION mine SET (publish_generated_columns = none)',
    said: /has g, a generated column/,
  },
};

async function published(source: Source, more: Pick<Trap, 'where' | 'columns'>): Promise<readonly PublishedTable[]> {
  const { tables } = await readCatalog(source, calm);
  return tables.map(({ relation }) => {
    const trapped = relation.name === 't';
    const where = trapped ? (more.where ?? null) : null;
    return { relation, where, columns: trapped ? (more.columns ?? null) : null };
  });
}

/** Somebody who does not know of the publication. */
async function writes(db: TestDatabase): Promise<'written' | 'refused'> {
  try {
    await db.query('UPDATE t SET w = w + 1000 WHERE id = 1');
    await db.query('DELETE FROM t WHERE id = 2');
    return 'written';
  } catch (error) {
    assert.ok(error instanceof pg.DatabaseError, String(error));
    assert.match(error.message, /cannot (update|delete from) table/);
    return 'refused';
  }
}

const tablesOf = (db: TestDatabase) =>
  db.query(`SELECT tablename FROM pg_publication_tables WHERE pubname = 'mine' ORDER BY 1`);

for (const major of majors) {
  test(`one look frees the writes that ${major} refuses, whatever was changed`, { timeout: 300_000 }, async () => {
    for (const [what, trap] of Object.entries(traps)) {
      if (trap.since > major) continue;
      const db = await database(await server(major), 'free');
      await db.query(`${trap.table}; CREATE TABLE other (id int PRIMARY KEY);
        INSERT INTO t (id, v, w) SELECT i, i, i FROM generate_series(1, 9) i`);
      await using source = postgresSource({ url: db.url, publication: { name: 'mine' } }, db.name);
      await source.control.publication.publish(await published(source, trap), calm);
      const noted = (await source.control.publication.read(calm)) ?? null;
      assert.equal(await writes(db), 'written', `${what}: as it is made`);
      assert.deepEqual(await source.control.publication.watch(noted, false, calm), [], what);
      await db.query(trap.after);
      assert.equal(await writes(db), 'refused', `${what}: the trap`);
      const [found, ...more] = (await source.control.publication.watch(noted, false, calm)) ?? [];
      assert.equal(found?.kind, 'freed', what);
      assert.deepEqual(more, [], what);
      assert.match(found.error.message, trap.said, what);
      assert.equal(await writes(db), 'written', `${what}: afterwards`);
      const left = (await tablesOf(db)).map((row) => row['tablename']);
      assert.ok(left.includes('other') && !left.includes('t'), `${what}: ${left.join(' ')}`);
      // It stays told, also after the cause was mended: what was written meanwhile is missing.
      const [gone] = (await source.control.publication.watch(noted, false, calm)) ?? [];
      assert.equal(gone?.kind, 'changed', what);
    }
  });
}

test('a table that something holds a lock on: the publication as a whole stops publishing UPDATE and DELETE', async () => {
  const db = await database(await server(17), 'free');
  await db.query(`${keyed}; INSERT INTO t VALUES (1, 1, 1), (2, 2, 2)`);
  await using source = postgresSource({ url: db.url, publication: { name: 'mine' } }, db.name);
  await source.control.publication.publish(await published(source, {}), calm);
  await db.query('ALTER TABLE t REPLICA IDENTITY NOTHING');
  const holder = new pg.Client({ connectionString: db.url });
  await holder.connect();
  // As a VACUUM or CREATE INDEX CONCURRENTLY does.
  await holder.query('BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE');
  const [found] = (await source.control.publication.watch(null, false, calm)) ?? [];
  assert.match(found?.error.message ?? '', /no longer publishes UPDATE and DELETE/);
  assert.equal(await writes(db), 'written');
  await holder.end();
});

interface Change {
  readonly since?: number;
  readonly sql: string;
  readonly said: RegExp;
  /** Part of the remedy. */
  readonly mend: RegExp;
}

/** Of a publication with t and other. */
const changes: readonly Change[] = [
  {
    sql: `ALTER PUBLICATION mine SET (publish = 'insert')`,
    said: /publishes insert instead of insert, update, delete, truncate/,
    mend: /ALTER PUBLICATION "mine" SET \(publish = 'insert, update, delete, truncate'\);/,
  },
  {
    sql: 'ALTER PUBLICATION mine SET (publish_via_partition_root = true)',
    said: /publish_via_partition_root = true/,
    mend: /SET \(publish_via_partition_root = false\);/,
  },
  {
    sql: `ALTER PUBLICATION mine SET (publish = 'insert'); ALTER PUBLICATION mine SET (publish = 'insert, update, delete, truncate')`,
    said: /altered by somebody else, and set back/,
    mend: /resync FILE '\*\.\*'/,
  },
  {
    sql: 'ALTER PUBLICATION mine DROP TABLE t',
    said: /lacks public\.t/,
    mend: /ALTER PUBLICATION "mine" ADD TABLE ONLY "public"."t";.*resync FILE public\.t$/,
  },
  {
    sql: 'ALTER PUBLICATION mine DROP TABLE t; ALTER PUBLICATION mine ADD TABLE t',
    said: /has public\.t otherwise/,
    mend: /resync FILE public\.t$/,
  },
  {
    since: 15,
    sql: 'ALTER PUBLICATION mine SET TABLE ONLY t WHERE (id > 1), ONLY other',
    said: /has public\.t otherwise/,
    mend: /resync FILE public\.t$/,
  },
  {
    since: 15,
    sql: 'ALTER PUBLICATION mine SET TABLE ONLY t (id), ONLY other',
    said: /has public\.t otherwise/,
    mend: /resync FILE public\.t$/,
  },
  {
    sql: 'CREATE TABLE more (id int PRIMARY KEY); ALTER PUBLICATION mine ADD TABLE more',
    said: /has public\.more, which this pipeline did not put in/,
    mend: /^ALTER PUBLICATION "mine" DROP TABLE ONLY "public"."more";$/,
  },
  {
    since: 15,
    sql: 'ALTER PUBLICATION mine ADD TABLES IN SCHEMA public',
    said: /whole schemas/,
    mend: /DROP TABLES IN/,
  },
  {
    since: 18,
    sql: 'ALTER PUBLICATION mine SET (publish_generated_columns = none)',
    said: /publish_generated_columns = none/,
    mend: /publish_generated_columns = stored/,
  },
  { sql: 'DROP PUBLICATION mine', said: /was dropped by somebody else/, mend: /start over/ },
  {
    sql: 'DROP PUBLICATION mine; CREATE PUBLICATION mine FOR TABLE t, other',
    said: /was dropped and made again by somebody else/,
    mend: /start over/,
  },
];

for (const major of [14, 18]) {
  test(`what somebody changes on the publication is told on ${major}, with what mends it`, {
    timeout: 300_000,
  }, async () => {
    for (const { since = 14, sql, said, mend } of changes) {
      if (since > major) continue;
      const db = await database(await server(major), 'differ');
      await db.query(`${keyed}; CREATE TABLE other (id int PRIMARY KEY)`);
      await using source = postgresSource({ url: db.url, publication: { name: 'mine' } }, db.name);
      await source.control.publication.publish(await published(source, {}), calm);
      const noted = (await source.control.publication.read(calm)) ?? null;
      // What harms nothing is no difference: another comment, a renamed table or column.
      await db.query(`ALTER TABLE other RENAME TO o2; ALTER TABLE t RENAME w TO w2; ALTER TABLE t RENAME w2 TO w;
        ALTER TABLE o2 RENAME TO other; COMMENT ON PUBLICATION mine IS NULL`);
      assert.deepEqual(await source.control.publication.watch(noted, false, calm), [], sql);
      await db.query(sql);
      const [found] = (await source.control.publication.watch(noted, false, calm)) ?? [];
      assert.match(found?.error.message ?? 'nothing', said, sql);
      assert.match(found?.error.remedy ?? '', mend, sql);
    }
  });
}
