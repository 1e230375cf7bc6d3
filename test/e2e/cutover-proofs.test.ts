import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { cli, CliProcess } from '../support/cli.ts';
import { live, openWriter } from '../support/live.ts';
import { short } from '../support/long.ts';
import { dropDatabase, server } from '../support/servers.ts';

await Promise.all([15, 17].map((major) => server(major)));

const source =
  'CREATE TABLE item (id int PRIMARY KEY, v text); INSERT INTO item SELECT i FROM generate_series(1, 9) i; CREATE TABLE aside (id int);';
const only = '  tables: { include: [public.item] }';

test('a fence that the role may not put up is refused before anybody stops, with a statement that works', async () => {
  const pipeline = await live({ from: 15, to: 17, source, sourceKeys: only, owners: true });
  const { source: db } = pipeline;
  await pipeline.settle();
  const boss = `boss_${db.name}`;
  await db.server.query(`CREATE ROLE ${boss}`);
  after(async () => {
    await dropDatabase(db);
    await db.server.query(`DROP ROLE ${boss}`);
  });
  await db.server.query(
    `ALTER TABLE item OWNER TO ${boss}; GRANT SELECT ON item TO ${new URL(db.url).username}`,
    db.name,
  );
  const refused = await pipeline.verb('cutover', '--quiet', '10ms', '--verify', 'none');
  assert.equal(refused.code, 1, refused.stdout + refused.stderr);
  assert.match(refused.stderr, /^PGS7041 /m);
  assert.doesNotMatch(refused.stdout, /stop the writers/);
  await db.query('SELECT FROM item');
  const grant = /(GRANT [^;]*;)/.exec(refused.stderr)?.[1];
  assert.ok(grant, refused.stderr);
  await db.server.query(grant);
  const again = await pipeline.verb('cutover', '--quiet', '10ms', '--verify', 'none', '--dry-run');
  assert.doesNotMatch(again.stderr, /PGS7041/);
});

for (const [what, open] of short(1, [
  ['disabled', 'ALTER TABLE item DISABLE TRIGGER ALL'],
  [
    'no longer always',
    'DO $$ DECLARE n name; BEGIN FOR n IN SELECT tgname FROM pg_trigger WHERE tgrelid = $a$item$a$::regclass LOOP EXECUTE format($a$ALTER TABLE item ENABLE TRIGGER %I$a$, n); END LOOP; END $$',
  ],
  [
    'dropped',
    'DO $$ DECLARE n name; BEGIN FOR n IN SELECT tgname FROM pg_trigger WHERE tgrelid = $a$item$a$::regclass LOOP EXECUTE format($a$DROP TRIGGER %I ON item$a$, n); END LOOP; END $$',
  ],
] as const)) {
  test(`triggers of the fence that were ${what} keep a cutover from its GO`, { timeout: 300_000 }, async () => {
    const pipeline = await live({ from: 15, to: 17, source, sourceKeys: only });
    const { source: db } = pipeline;
    await pipeline.settle();
    // It is waited for while the fence is up already.
    const writer = await openWriter(db.url);
    await writer.query('BEGIN; INSERT INTO aside VALUES (1)');
    const cut = new CliProcess([
      'cutover',
      pipeline.file,
      '--fence',
      'triggers',
      '--quiet',
      '10ms',
      '--verify',
      'none',
      '--wait',
      '60s',
    ]);
    while (!cut.stdout.includes('waiting for')) {
      assert.equal(cut.process.exitCode ?? cut.process.signalCode, null, cut.stdout + cut.stderr);
      await sleep(20);
    }
    await assert.rejects(db.query('INSERT INTO item VALUES (100)'), { code: '25006' });
    await db.query(open);
    await writer.query('COMMIT');
    await writer.end();
    const ended = await cut.ended;
    assert.equal(ended.code, 1, ended.stdout + ended.stderr);
    assert.match(ended.stderr, /^PGS7042 public\.item: the trigger that closes it is not there, or is disabled/m);
    assert.doesNotMatch(ended.stdout, /^GO/m);
    await db.query('INSERT INTO item VALUES (101)');
    const again = await pipeline.verb('cutover', '--quiet', '10ms');
    assert.equal(again.code, 0, again.stdout + again.stderr);
    assert.equal(await pipeline.same('SELECT * FROM item', 'SELECT * FROM item'), 10);
  });
}

test('cleanup --source-only opens what a cutover without its GO closed, and leaves the fence of one with it', {
  timeout: 300_000,
}, async () => {
  const writes = (url: string) => {
    const client = new pg.Client(url);
    return client
      .connect()
      .then(() => client.query('UPDATE item SET v = v'))
      .finally(() => client.end());
  };
  for (const fence of ['triggers', 'read_only']) {
    const pipeline = await live({ from: 15, to: 17, source, sourceKeys: only });
    const { source: db, target, file } = pipeline;
    await pipeline.settle();
    const args = ['cutover', file, '--fence', fence, '--quiet', '10ms', '--verify', 'none'];
    const killed = await cli(args, { PGSLUICE_FAILPOINT: 'cutover-fenced:kill' });
    assert.equal(killed.code, null, killed.stderr);
    await assert.rejects(writes(db.url), { code: '25006' });
    await dropDatabase(target);
    const cleaned = await pipeline.verb('cleanup', '--source-only', '--yes');
    assert.equal(cleaned.code, 0, cleaned.stdout + cleaned.stderr);
    assert.match(cleaned.stdout, /^removed fence of 1 tables, which can be written again$/m);
    if (fence === 'read_only') {
      const statement = /if the fence set it: (ALTER DATABASE .*;)$/m.exec(cleaned.stdout)?.[1];
      assert.ok(statement, cleaned.stdout);
      await db.server.query(statement);
    }
    await writes(db.url);
    assert.deepEqual(await db.query(`SELECT FROM pg_trigger WHERE tgname LIKE 'pgsluice%'`), []);
  }
  const pipeline = await live({ from: 15, to: 17, source, sourceKeys: only });
  const { source: db } = pipeline;
  await pipeline.settle();
  const cut = await pipeline.verb('cutover', '--quiet', '10ms');
  assert.equal(cut.code, 0, cut.stdout + cut.stderr);
  const cleaned = await pipeline.verb('cleanup', '--source-only', '--yes');
  assert.equal(cleaned.code, 0, cleaned.stdout + cleaned.stderr);
  const statement = /^left fence of 1 tables: .* to write here again: (DROP FUNCTION .*;)$/m.exec(cleaned.stdout)?.[1];
  assert.ok(statement, cleaned.stdout);
  await assert.rejects(writes(db.url), { code: '25006' });
  await db.query(statement);
  await writes(db.url);
});
