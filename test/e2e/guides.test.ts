import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cli } from '../support/cli.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'pgsluice-guides-'));
after(() => rm(folder, { recursive: true }));

const shop = `
  CREATE TABLE customer (id bigint PRIMARY KEY, email text, name text);
  CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer bigint REFERENCES customer, placed_at date);
  INSERT INTO customer SELECT g, 'c' || g || '@example.org', 'n' || g FROM generate_series(1, 200) g;
  INSERT INTO orders (customer, placed_at) SELECT g, date '2023-07-01' + (g * 3 % 400) FROM generate_series(1, 200) g`;
const writes = `UPDATE customer SET name = 'new' WHERE id <= 20; DELETE FROM orders WHERE customer = 7;
  INSERT INTO orders (customer, placed_at) VALUES (1, '2025-01-01')`;

async function pair(from: number, to: number, schema = shop): Promise<{ source: TestDatabase; target: TestDatabase }> {
  const [source, target] = [await database(await server(from), 'src'), await database(await server(to), 'dst')];
  await source.query(schema);
  return { source, target };
}

/** The guide's file, and its commands in their order. */
async function follow(
  name: string,
  { source, target }: { source: TestDatabase; target: TestDatabase },
  verbs: readonly string[],
) {
  const file = join(folder, name);
  await copyFile(join(root, 'configs/guides', name), file);
  const env = { SOURCE_URL: source.url, TARGET_URL: target.url };
  for (const verb of verbs) {
    if (verb === 'writes') {
      await source.query(writes);
      continue;
    }
    const [first, ...more] = verb.split(' ');
    const { code, stdout, stderr } = await cli([first!, file, ...more], env);
    assert.equal(code, 0, `${verb}: ${stdout}${stderr}`);
  }
}

const whole = ['check', 'plan', 'run --stop-at now', 'writes', 'run --stop-at now', 'verify', 'cutover --quiet 1ms'];

async function count(on: TestDatabase, sql: string): Promise<string> {
  const [row] = await on.query<{ n: string }>(`SELECT (${sql})::text AS n`);
  return row!.n;
}

test('each guide names a pipeline file that is there, and each file has a guide', () => {
  const guides = globSync('docs/guides/*.md', { cwd: root }).map((path) => readFileSync(join(root, path), 'utf8'));
  assert.ok(guides.length >= 8);
  const named = guides.map((text) => /configs\/guides\/([a-z0-9-]+\.yaml)/.exec(text)?.[1]);
  const files = globSync('configs/guides/*.yaml', { cwd: root }).map((path) => path.replace(/.*\//, ''));
  assert.deepEqual([...new Set(named)].toSorted(), files.toSorted());
});

test('hosted.yaml: from one service to another, roles left behind', { timeout: 240_000 }, async () => {
  const to = await pair(16, 17);
  await follow('hosted.yaml', to, whole);
  assert.equal(await count(to.target, 'SELECT count(*) FROM orders'), '200');
});

test('copy-once.yaml: a copy without a stream', { timeout: 240_000 }, async () => {
  const to = await pair(15, 17);
  await follow('copy-once.yaml', to, ['check', 'run', 'verify']);
  assert.equal(await count(to.target, `SELECT nextval(pg_get_serial_sequence('orders', 'id'))`), '201');
});

test('upgrade.yaml: 14 to 18, and back', { timeout: 240_000 }, async () => {
  const to = await pair(14, 18);
  const back = join(folder, 'back.yaml');
  const end = [`cutover --quiet 1ms --way-back ${back}`];
  await follow('upgrade.yaml', to, [...whole.slice(0, 5), 'verify --schema', ...end]);
  await to.target.query(`INSERT INTO orders (customer, placed_at) VALUES (2, '2025-02-02')`);
  const run = await cli(['run', back, '--stop-at', 'now'], { SOURCE_URL: to.source.url, TARGET_URL: to.target.url });
  assert.equal(run.code, 0, run.stderr);
  assert.equal(await count(to.source, 'SELECT count(*) FROM orders'), '201');
});

test('split.yaml: a part of the tables', { timeout: 240_000 }, async () => {
  const to = await pair(17, 17);
  await follow(
    'split.yaml',
    to,
    whole.filter((verb) => verb !== 'cutover --quiet 1ms'),
  );
  assert.equal(await count(to.target, 'SELECT count(*) FROM orders'), '200');
});

test('shard-1.yaml: two shards into one partitioned table', { timeout: 240_000 }, async () => {
  const of = (from: number) => `CREATE TABLE customer (id bigint PRIMARY KEY, email text, name text);
    INSERT INTO customer SELECT g, 'e', 'n' FROM generate_series(${from}, ${from + 99}) g`;
  const { source, target } = await pair(17, 17, of(1));
  const second = await database(await server(17), 'src');
  await second.query(of(1000));
  await target.query(`CREATE TABLE customer (id bigint, email text, name text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE customer_1 PARTITION OF customer FOR VALUES FROM (1) TO (1000);
    CREATE TABLE customer_2 PARTITION OF customer FOR VALUES FROM (1000) TO (2000)`);
  await follow('shard-1.yaml', { source, target }, ['check', 'run --stop-at now', 'verify']);
  const text = readFileSync(join(root, 'configs/guides/shard-1.yaml'), 'utf8')
    .replaceAll('shard_1', 'shard_2')
    .replaceAll('_1"', '_2"');
  await writeFile(join(folder, 'shard-2.yaml'), text);
  const env = { SOURCE_URL: second.url, TARGET_URL: target.url };
  for (const verb of [['run', '--stop-at', 'now'], ['verify']]) {
    const { code, stderr, stdout } = await cli([verb[0]!, join(folder, 'shard-2.yaml'), ...verb.slice(1)], env);
    assert.equal(code, 0, stdout + stderr);
  }
  assert.equal(await count(target, 'SELECT count(*) FROM customer'), '200');
});

test('staging.yaml: masked and filtered', { timeout: 240_000 }, async () => {
  const to = await pair(17, 16);
  await follow('staging.yaml', to, [
    'check',
    'plan',
    'run --stop-at now',
    'writes',
    'run --stop-at now',
    'verify',
    'cleanup --yes',
  ]);
  assert.equal(await count(to.target, `SELECT count(*) FROM customer WHERE email LIKE '%@%' OR name <> '***'`), '0');
  assert.equal(await count(to.target, `SELECT count(*) FROM orders WHERE placed_at < '2024-01-01'`), '0');
  assert.notEqual(await count(to.target, 'SELECT count(*) FROM orders'), '0');
});
