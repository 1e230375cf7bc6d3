import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import pg from 'pg';
import { cli } from '../support/cli.ts';
import { type Live, live } from '../support/live.ts';
import { long, short } from '../support/long.ts';
import { server } from '../support/servers.ts';

await server(14);
await server(17);

const ddl = `CREATE TABLE item (id int PRIMARY KEY, name text, price int, kind text);
  CREATE TABLE log (at date, what text, PRIMARY KEY (at, what)) PARTITION BY RANGE (at);
  CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
  INSERT INTO item SELECT i, 'n' || i, i * 10, 'k' FROM generate_series(1, 10) i;
  INSERT INTO log VALUES ('2024-01-05', 'a')`;
const yaml = `ddl: follow
transforms:
  - { plugin: rename, tables: public.item*, to: "crm.{table}s", columns: { name: title } }
`;

/** Rows before, DDL, rows after; several of them in the transactions of rows. */
const story: readonly string[] = [
  `UPDATE item SET name = 'x' WHERE id = 1; ALTER TABLE item ADD COLUMN grade int NOT NULL DEFAULT 7; INSERT INTO item VALUES (11, 'n', 1, 'k', 9)`,
  `BEGIN; INSERT INTO item VALUES (12, 'old', 1, 'k', 9); ALTER TABLE item RENAME COLUMN kind TO sort; INSERT INTO item VALUES (13, 'new', 1, 's', 9);
   ALTER TABLE item ADD COLUMN seen timestamptz DEFAULT '2024-05-06 07:08:09+02'; UPDATE item SET grade = 3 WHERE id < 4; COMMIT`,
  `ALTER TABLE item ALTER COLUMN price TYPE numeric(12,2); INSERT INTO item (id, price) VALUES (14, 1.25)`,
  `BEGIN; ALTER TABLE item ADD COLUMN gone text; UPDATE item SET gone = 'x'; ROLLBACK; DELETE FROM item WHERE id = 2`,
  `ALTER TABLE item DROP COLUMN sort; UPDATE item SET name = 'after' WHERE id = 3`,
  `ALTER TABLE item RENAME COLUMN grade TO tmp; ALTER TABLE item RENAME COLUMN seen TO grade; ALTER TABLE item RENAME COLUMN tmp TO seen; INSERT INTO item VALUES (15, 'swap', 1, 2, now())`,
  `BEGIN; CREATE TABLE item_note (id int PRIMARY KEY, name text DEFAULT 'none', at timestamptz); INSERT INTO item_note VALUES (1, 'first', now()); COMMIT; INSERT INTO item_note VALUES (2)`,
  `CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM ('2024-02-01') TO ('2024-03-01'); INSERT INTO log VALUES ('2024-02-05', 'b'), ('2024-01-06', 'c')`,
  `CREATE TABLE log_3 (LIKE log INCLUDING ALL); INSERT INTO log_3 VALUES ('2024-03-03', 'd'); ALTER TABLE log ATTACH PARTITION log_3 FOR VALUES FROM ('2024-03-01') TO ('2024-04-01'); INSERT INTO log VALUES ('2024-03-04', 'e')`,
  `ALTER TABLE log ADD COLUMN more text DEFAULT 'm'; INSERT INTO log VALUES ('2024-01-07', 'f', 'g'), ('2024-03-07', 'f', 'g')`,
  `CREATE TABLE item_old (id int PRIMARY KEY, name text); INSERT INTO item_old VALUES (1); DROP TABLE item_old; INSERT INTO item (id) VALUES (16)`,
  `ALTER TABLE item_note RENAME TO item_remark; INSERT INTO item_remark VALUES (3, 'renamed')`,
  `ALTER TABLE item ALTER seen DROP NOT NULL; UPDATE item SET seen = NULL WHERE id = 4`,
  `CREATE TABLE later (id int); INSERT INTO later VALUES (1); ALTER TABLE later REPLICA IDENTITY FULL; INSERT INTO later VALUES (1); DELETE FROM item WHERE id = 5`,
  `CREATE TABLE keyed (id int); ALTER TABLE keyed ADD PRIMARY KEY (id); INSERT INTO keyed VALUES (1), (2); DELETE FROM keyed WHERE id = 1`,
];

async function same(pipeline: Live): Promise<void> {
  await pipeline.same(
    'SELECT id, name AS title, price, seen, grade FROM item',
    'SELECT id, title, price, seen, grade FROM crm.items',
  );
  await pipeline.same('SELECT * FROM log', 'SELECT * FROM log');
  await pipeline.same('SELECT id, name AS title, at FROM item_remark', 'SELECT * FROM crm.item_remarks');
  await pipeline.same('SELECT * FROM keyed', 'SELECT * FROM keyed');
  await pipeline.same('SELECT * FROM later', 'SELECT * FROM later');
  const tables = await pipeline.target.query<{ name: string }>(
    `SELECT oid::regclass::text AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace IN ('public'::regnamespace, 'crm'::regnamespace) ORDER BY 1`,
  );
  assert.deepEqual(
    tables.map(({ name }) => name),
    ['crm.item_remarks', 'crm.items', 'keyed', 'later', 'log', 'log_1', 'log_2', 'log_3'],
  );
  const verified = await pipeline.verb('verify');
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
}

async function play(pipeline: Live, parts: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: pipeline.source.url });
  await client.connect();
  for (const part of parts) for (const sql of part.split(';')) await client.query(sql);
  await client.end();
}

for (const from of short(1, [14, 17])) {
  test(`DDL is followed in its place, from ${from}: as it comes, and out of a backlog`, async () => {
    const pipeline = await live({ from, source: ddl, yaml });
    const run = pipeline.start();
    await run.until('caught-up');
    await play(pipeline, story.slice(0, 8));
    run.process.kill('SIGTERM');
    const ended = await run.ended;
    assert.equal(ended.code, 0, ended.stderr);
    await play(pipeline, story.slice(8));
    await pipeline.settle();
    await same(pipeline);
    const cleaned = await pipeline.verb('cleanup', '--yes');
    assert.equal(cleaned.code, 0, cleaned.stderr);
    assert.match(cleaned.stdout, /event trigger/);
    const left = await pipeline.source.query(
      `SELECT evtname FROM pg_event_trigger UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace('pgsluice')`,
    );
    assert.deepEqual(left, []);
  });
}

test('killed around DDL again and again, it ends identical', async () => {
  const pipeline = await live({ source: ddl, yaml });
  await pipeline.settle();
  const step = long ? 1 : 2;
  // Two parts to a kill in the short form.
  for (let at = 0; at < story.length; at += step) {
    const run = pipeline.start();
    const written = run.until('stream-started').then(() => play(pipeline, story.slice(at, at + step)));
    await written.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 200));
    run.process.kill('SIGKILL');
    const { stderr } = await run.ended;
    assert.equal(stderr, '', 'no error of its own');
  }
  await pipeline.settle();
  await same(pipeline);
});

test('what cannot be followed stops with the statement, and goes on when the target was changed', async () => {
  const pipeline = await live({ source: ddl, yaml: `on_unknown_values: stop\n${yaml}` });
  const { source, target } = pipeline;
  await pipeline.settle();
  const stops: readonly (readonly [string, RegExp, string])[] = [
    [
      `ALTER TABLE item ALTER COLUMN price TYPE bigint USING price * 100`,
      /^PGS4018 .*conversion of column price.*ALTER TABLE "crm"\."items" ALTER COLUMN "price" TYPE bigint/,
      `ALTER TABLE crm.items ALTER price TYPE bigint USING price * 100`,
    ],
    [
      `ALTER TABLE item ADD COLUMN token double precision DEFAULT random()`,
      /^PGS4018 .*value of their own in the new column token/,
      `ALTER TABLE crm.items ADD COLUMN token double precision`,
    ],
    [`ALTER TABLE item DROP COLUMN kind`, /^PGS3114 .*depend/, `DROP VIEW crm.kinds`],
  ];
  await target.query(`CREATE VIEW crm.kinds AS SELECT kind FROM crm.items`);
  for (const [sql, error, mend] of stops) {
    await source.query(sql);
    await source.query(`UPDATE item SET name = 'then' WHERE id = 1`);
    for (let i = 0; i < 2; i++) {
      const stopped = await pipeline.toNow();
      assert.equal(stopped.code, 1, stopped.stdout);
      assert.match(stopped.stderr, error);
    }
    await target.query(mend);
    await pipeline.settle();
  }
  await pipeline.same('SELECT id, name AS title, price FROM item', 'SELECT id, title, price FROM crm.items');
  // In one transaction with rows, the target's rows cannot be converted by hand at the right moment.
  await source.query(
    `BEGIN; INSERT INTO item VALUES (20, 'b', 1); ALTER TABLE item ALTER COLUMN price TYPE int USING price / 100; COMMIT`,
  );
  assert.match((await pipeline.toNow()).stderr, /^PGS4018 /);
  await target.query('ALTER TABLE crm.items ALTER price TYPE int USING price / 100');
  assert.match((await pipeline.toNow()).stderr, /^PGS4013 .*resync/);
});

test('a user who may make neither event triggers nor a schema is told so, and the source is left as it was', async () => {
  const pipeline = await live({ source: ddl, yaml });
  const { source } = pipeline;
  const role = `r_${source.name}`;
  await source.query(`CREATE SCHEMA pgsluice; CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'p'; GRANT USAGE ON SCHEMA pgsluice TO ${role}; GRANT ALL ON DATABASE ${source.name} TO ${role};
    GRANT ALL ON SCHEMA public TO ${role}; ALTER TABLE item OWNER TO ${role}; ALTER TABLE log OWNER TO ${role}; ALTER TABLE log_1 OWNER TO ${role}`);
  try {
    const text = await readFile(pipeline.file, 'utf8');
    await writeFile(pipeline.file, text.replace(source.url, source.server.url(source.name, role, 'p')));
    const refused = await pipeline.toNow();
    assert.equal(refused.code, 1, refused.stdout);
    assert.match(refused.stderr, /^PGS2125 .*schema pgsluice.*ddl: stop/);
    const left = await source.query(
      `SELECT pubname FROM pg_publication UNION ALL SELECT slot_name FROM pg_replication_slots WHERE database = '${source.name}'`,
    );
    assert.deepEqual(left, []);
  } finally {
    await source.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
  }
});

test('patterns of the file choose new tables as they chose those of the start', async () => {
  const pipeline = await live({
    source:
      'CREATE SCHEMA "Odd (x)"; CREATE TABLE a_1 (id int PRIMARY KEY); CREATE TABLE a_not_0 (); CREATE TABLE "Odd (x)".t (id int PRIMARY KEY)',
    sourceKeys: '  tables: { include: ["a_*", "Odd (x).*"], exclude: ["a_not*"] }',
    yaml: 'ddl: follow\ntransforms: [{ plugin: filter, tables: "public.a_*", where: "id > 0" }]',
  });
  await pipeline.settle();
  for (const name of ['a_2', 'a_not', 'b_1', '"Odd (x)"."q""t"']) {
    await pipeline.source.query(`CREATE TABLE ${name} (id int PRIMARY KEY); INSERT INTO ${name} VALUES (1)`);
  }
  await pipeline.settle();
  await pipeline.same('SELECT * FROM a_2', 'SELECT * FROM a_2');
  await pipeline.same('SELECT * FROM "Odd (x)"."q""t"', 'SELECT * FROM "Odd (x)"."q""t"');
  const status = await cli(['status', pipeline.file, '--json']);
  const { tables } = JSON.parse(status.stdout) as { tables: { table: string; state: string }[] };
  assert.deepEqual(Object.fromEntries(tables.map(({ table, state }) => [table, state])), {
    'public.a_1': 'finished',
    'Odd (x).t': 'finished',
    'public.a_2': 'followed',
    'Odd (x).q"t': 'followed',
  });
  assert.deepEqual(await pipeline.target.query(`SELECT to_regclass('a_not') AS a, to_regclass('b_1') AS b`), [
    { a: null, b: null },
  ]);
  // One that the file's transforms do not fit stops the run, which goes on when it is mended.
  await pipeline.source.query('CREATE TABLE a_3 (other int PRIMARY KEY); INSERT INTO a_3 VALUES (5)');
  for (let i = 0; i < 2; i++)
    assert.match((await pipeline.toNow()).stderr, /^PGS6081 public\.a_3 is new .*no column "id"/);
  await pipeline.source.query('DROP TABLE a_3; CREATE TABLE a_4 (id int); INSERT INTO a_4 VALUES (5)');
  assert.match((await pipeline.toNow()).stderr, /^PGS6081 .*a_[34]/);
});
