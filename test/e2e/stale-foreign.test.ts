import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onlyLong, short } from '../support/long.ts';
import { type Live, live, openWriter } from '../support/live.ts';
import { server } from '../support/servers.ts';

await server(14);
await server(16);
await server(18);

/** A table for each thing that somebody builds on it in the target, and what the source changes of all of them. */
const foreign: Readonly<Record<string, readonly [make: string, there: string, named: RegExp]>> = {
  view: ['CREATE VIEW mine.v AS SELECT a FROM view', 'SELECT a FROM mine.v', /view mine\.v/],
  far: [
    'CREATE VIEW mine.far_one AS SELECT a FROM far; CREATE VIEW mine.far_too AS SELECT * FROM mine.far_one',
    'SELECT a FROM mine.far_too',
    /view mine\.far_too/,
  ],
  ofours: ['CREATE VIEW mine.on_ours AS SELECT a FROM ofours_seen', 'SELECT a FROM mine.on_ours', /view mine\.on_ours/],
  fn: [
    'CREATE FUNCTION mine.f(fn) RETURNS int LANGUAGE sql AS $$SELECT $1.a$$',
    `SELECT 'mine.f(fn)'::regprocedure`,
    /function mine\.f/,
  ],
  // The source has functions of these names with other arguments.
  lapped: [
    'CREATE FUNCTION public.lapped_fn(lapped) RETURNS int LANGUAGE sql AS $$SELECT $1.a$$',
    `SELECT 'public.lapped_fn(lapped)'::regprocedure`,
    /function public\.lapped_fn\(/,
  ],
  listed: [
    'CREATE FUNCTION public.listed_fn(int, listed[]) RETURNS int LANGUAGE sql AS $$SELECT 1$$',
    `SELECT 'public.listed_fn(int, listed[])'::regprocedure`,
    /function public\.listed_fn\(/,
  ],
  fk: [
    'CREATE TABLE mine.refers (id int REFERENCES fk)',
    `SELECT FROM pg_constraint WHERE conrelid = 'mine.refers'::regclass AND contype = 'f'`,
    /constraint refers_id_fkey/,
  ],
  child: [
    'CREATE TABLE mine.child () INHERITS (child)',
    `SELECT FROM pg_inherits WHERE inhrelid = 'mine.child'::regclass`,
    /table mine\.child/,
  ],
  holder: ['CREATE TABLE mine.holder (r holder)', 'SELECT r FROM mine.holder', /column mine\.holder\.r/],
  trig: [
    `CREATE FUNCTION mine.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER mine BEFORE INSERT ON trig FOR EACH ROW EXECUTE FUNCTION mine.t()`,
    `SELECT FROM pg_trigger WHERE tgrelid = 'trig'::regclass AND tgname = 'mine'`,
    /trigger mine of public\.trig/,
  ],
  added: [`ALTER TABLE added ADD mine text DEFAULT 'm'`, 'SELECT mine FROM added', /column public\.added\.mine/],
  indexed: ['CREATE INDEX mine ON indexed (a)', `SELECT 'mine'::regclass`, /index public\.mine/],
};

const tables = [...Object.keys(foreign), 'plain'];
const data = `CREATE TABLE first (id int PRIMARY KEY, v text); INSERT INTO first SELECT i, repeat('x', 200) FROM generate_series(1, 2000) i;
  ${tables.map((name) => `CREATE TABLE "${name}" (id int PRIMARY KEY, a int, b int); INSERT INTO "${name}" VALUES (1, 2, 3); CREATE VIEW "${name}_seen" AS SELECT a, b FROM "${name}";`).join('\n')}`;
const functions = `CREATE FUNCTION lapped_fn(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION listed_fn(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1';
  CREATE FUNCTION plain_fn(plain, plain[], text) RETURNS int LANGUAGE sql AS 'SELECT 1'`;
const source = `${data}; ${functions}`;
const changed = `DROP FUNCTION plain_fn(plain, plain[], text); ${tables
  .map((name) => `DROP VIEW "${name}_seen"; ALTER TABLE "${name}" DROP b; ALTER TABLE "${name}" ADD c text DEFAULT 'c'`)
  .join('; ')}`;

async function refusedUntilGone(pipeline: Live): Promise<void> {
  const { target } = pipeline;
  for (let tries = 0; tries < 2; tries++) {
    const refused = await pipeline.toNow();
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /^PGS3150 /m);
    for (const [, there, named] of Object.values(foreign)) {
      assert.match(refused.stderr, named);
      await target.query(there);
    }
    assert.equal((await target.query(foreign['fk']![1])).length, 1);
    assert.equal((await target.query(foreign['child']![1])).length, 1);
    assert.equal((await target.query(foreign['trig']![1])).length, 1);
  }
  await target.query(
    'DROP SCHEMA mine CASCADE; DROP INDEX IF EXISTS mine; DROP FUNCTION lapped_fn(lapped); DROP FUNCTION listed_fn(int, listed[]); ALTER TABLE added DROP mine',
  );
  await pipeline.settle();
  for (const name of tables) assert.equal(await pipeline.same(`SELECT * FROM "${name}"`, `SELECT * FROM "${name}"`), 1);
}

const make = `CREATE SCHEMA mine; ${Object.values(foreign)
  .map(([sql]) => sql)
  .join('; ')}`;

for (const [ddl, from] of short(1, [
  ['follow', 14],
  ['stop', 18],
] as const)) {
  test(`ddl: ${ddl}: what somebody made in the target during the first copy is named and stays, after a kill`, async () => {
    const pipeline = await live({
      from,
      to: 18,
      source,
      yaml: `ddl: ${ddl}`,
      sourceKeys: '  snapshot: { workers: 1 }',
    });
    const killed = await pipeline.toNow({ PGSLUICE_FAILPOINT: 'prepared:kill' });
    assert.equal(killed.code, null, killed.stderr);
    await pipeline.target.query(make);
    await pipeline.source.query(changed);
    await refusedUntilGone(pipeline);
  });
}

test('and while the copy goes on', { skip: onlyLong }, async () => {
  const pipeline = await live({ from: 18, to: 14, source, sourceKeys: '  snapshot: { workers: 1 }' });
  const started = pipeline.start();
  const holder = await openWriter(pipeline.source.url);
  await started.until('schema-dumped');
  await holder.query('BEGIN; LOCK TABLE first IN ACCESS EXCLUSIVE MODE');
  await started.until('copy-started');
  await pipeline.target.query(make);
  await pipeline.source.query(changed);
  await holder.query('COMMIT');
  await holder.end();
  const ended = await started.ended;
  assert.equal(ended.code, 1, ended.stderr);
  assert.match(ended.stderr, /^PGS3150 /m);
  await refusedUntilGone(pipeline);
});

test('what somebody made on a table that is copied again is named and stays, also under the names of what the source has; the rest is not', async () => {
  const pipeline = await live({
    from: 14,
    to: 18,
    source: `CREATE TABLE t (id int PRIMARY KEY, b int); INSERT INTO t VALUES (1, 1), (2, 2); CREATE INDEX same ON t (b); CREATE INDEX going ON t (b);
      CREATE TABLE p (id int PRIMARY KEY, b int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9); INSERT INTO p VALUES (1, 1)`,
    yaml: 'ddl: follow\non_unknown_values: resync',
  });
  const { source, target } = pipeline;
  await pipeline.settle();
  await source.query(
    'ALTER TABLE t ADD d int; ALTER TABLE p ADD d int; CREATE INDEX came ON t (d); ALTER TABLE t ALTER d TYPE bigint',
  );
  await pipeline.settle();
  const names = ['t', 'p'];
  for (const name of names) await target.query(`ALTER TABLE ${name} ADD mine text; UPDATE ${name} SET mine = 'm'`);
  await target.query(
    'DROP INDEX same; CREATE INDEX same ON t (id, b); ALTER TABLE p1 ADD CONSTRAINT checked CHECK (b < 1000)',
  );
  await source.query('ALTER TABLE p1 ADD CONSTRAINT checked CHECK (b > 0); DROP INDEX going');
  for (const name of names)
    await source.query(`ALTER TABLE ${name} ALTER b TYPE bigint USING b * 2; ALTER TABLE ${name} DROP d`);
  const foreign: Record<string, readonly [RegExp, string, string]> = {
    t: [
      /: column public\.t\.mine, index public\.same \(/,
      `SELECT mine, pg_get_indexdef('same'::regclass) ~ 'id, b' AS kept FROM t LIMIT 1`,
      'DROP INDEX same',
    ],
    p: [
      /column public\.p\.mine, column public\.p1\.mine, constraint checked of public\.p1 \(/,
      `SELECT mine, pg_get_constraintdef(oid) ~ '1000' AS kept FROM p, pg_constraint WHERE conname = 'checked'`,
      'ALTER TABLE p1 DROP CONSTRAINT checked',
    ],
  };
  for (const tries of names.keys()) {
    const refused = await pipeline.toNow();
    assert.equal(refused.code, 1, `${tries} ${refused.stderr}`);
    const named = /^PGS3150 .*column public\.(t|p)\.mine/m.exec(refused.stderr)?.[1] ?? refused.stderr;
    const [list, kept, drop] = foreign[named]!;
    assert.match(refused.stderr, list);
    assert.doesNotMatch(refused.stderr, /column public\.\w+\.d\b|going|came|pkey/);
    assert.deepEqual(await target.query(kept), [{ mine: 'm', kept: true }]);
    await target.query(`ALTER TABLE ${named} DROP mine; ${drop}`);
  }
  await pipeline.settle();
  for (const name of names) assert.equal(await pipeline.same(`TABLE ${name}`, `TABLE ${name}`), name === 't' ? 2 : 1);
});

/** The definition of each thing of `t` in the target; null: it is gone. */
const definitions = `SELECT array_to_json(ARRAY(
  SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 't'::regclass
  UNION ALL SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype IN ('c', 'f')
  UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 't'::regclass AND NOT tgisinternal
  ORDER BY 1))::text AS all`;

test('ddl: follow: what somebody made in the target stays as it is, where the source makes, changes or drops something of its name', async () => {
  const pipeline = await live({
    from: 18,
    to: 16,
    source: `CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1);
      CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TABLE t (id int PRIMARY KEY, a int, b int); INSERT INTO t VALUES (1, 1, 1);
      CREATE INDEX replaced ON t (a); CREATE INDEX ours ON t (b); CREATE INDEX retyped ON t (a, b);
      ALTER TABLE t ADD CONSTRAINT replaced_check CHECK (a > 0), ADD CONSTRAINT ours_check CHECK (b > 0);
      CREATE TRIGGER ours_trigger BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()`,
    yaml: 'ddl: follow',
  });
  const { source, target } = pipeline;
  await pipeline.settle();
  await target.query(`DROP INDEX replaced; CREATE INDEX replaced ON t (b, a); CREATE INDEX fresh ON t (b, id);
    ALTER TABLE t DROP CONSTRAINT replaced_check, ADD CONSTRAINT replaced_check CHECK (a > -1000);
    ALTER TABLE t ADD CONSTRAINT fresh_check CHECK (b > -1000), ADD CONSTRAINT fresh_key FOREIGN KEY (id) REFERENCES u;
    CREATE TRIGGER fresh_trigger AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION g()`);
  const before = await target.query<{ all: string }>(definitions);
  await source.query('DROP INDEX replaced; ALTER TABLE t DROP CONSTRAINT replaced_check');
  await source.query(`CREATE INDEX fresh ON t (a); ALTER TABLE t ADD CONSTRAINT fresh_check CHECK (b > -1);
    ALTER TABLE t ADD CONSTRAINT fresh_key FOREIGN KEY (a) REFERENCES u; CREATE TRIGGER fresh_trigger BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()`);
  await source.query('ALTER TABLE t ALTER b TYPE bigint; INSERT INTO u VALUES (2); INSERT INTO t VALUES (2, 1, 2)');
  const run = await pipeline.settle();
  for (const name of ['index public.fresh', 'fresh_check', 'fresh_key', 'fresh_trigger', 'replaced', 'replaced_check'])
    assert.match(run.stderr + run.stdout, new RegExp(`"object-skipped".*${name.replace('.', '\\.')}`), name);
  const now = JSON.parse((await target.query<{ all: string }>(definitions))[0]!.all) as string[];
  assert.deepEqual(now, JSON.parse(before[0]!.all));
  await source.query(`DROP INDEX fresh; ALTER TABLE t DROP CONSTRAINT fresh_check, DROP CONSTRAINT fresh_key; DROP TRIGGER fresh_trigger ON t;
    DROP INDEX ours, retyped; ALTER TABLE t DROP CONSTRAINT ours_check; DROP TRIGGER ours_trigger ON t`);
  await pipeline.settle();
  const left = JSON.parse((await target.query<{ all: string }>(definitions))[0]!.all) as string[];
  assert.deepEqual(
    left,
    now.filter((definition) => !/\b(ours|retyped)\w*\b/.test(definition)),
  );
  const verified = await pipeline.verb('verify', '--schema');
  assert.equal(verified.code, 4, verified.stdout);
  assert.match(verified.stdout, /index public\.fresh/);
});
