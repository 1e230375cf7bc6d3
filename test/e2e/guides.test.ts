import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CliProcess } from '../support/cli.ts';
import { onlyLong, short } from '../support/long.ts';
import { ownedBy, sourceOwner, targetOwner } from '../support/owners.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const all = await mkdtemp(join(tmpdir(), 'pgsluice-guides-'));
after(() => rm(all, { recursive: true }));

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

/** A line `$ [NAME=value] pgsluice …` of a guide, and what stands below it. */
interface Command {
  readonly given: Readonly<Record<string, string>>;
  readonly words: readonly string[];
  readonly seen: readonly string[];
}

function commandsOf(guide: string): readonly Command[] {
  const text = readFileSync(join(root, 'docs/guides', guide), 'utf8');
  const found: { given: Record<string, string>; words: string[]; seen: string[] }[] = [];
  for (const [, language, block] of text.matchAll(/^```(\w*)\n([^]*?)^```$/gm)) {
    if (language !== '') continue;
    let last: (typeof found)[number] | null = null;
    for (const line of block!.trimEnd().split('\n')) {
      if (!line.startsWith('$ ')) {
        if (line.trim() !== '') last?.seen.push(line);
        continue;
      }
      const words =
        line
          .slice(2)
          .replace(/\s{2,}#.*$/, '')
          .match(/'[^']*'|\S+/g) ?? [];
      const parts = words.map((word) => word.replaceAll("'", ''));
      const at = parts.indexOf('pgsluice');
      const given = Object.fromEntries(parts.slice(0, at).map((part) => part.split(/=(.*)/).slice(0, 2)));
      last = at === -1 ? null : { given, words: parts.slice(at + 1), seen: [] };
      if (last !== null) found.push(last);
    }
  }
  assert.ok(found.length >= 3, guide);
  return found;
}

/** What a run says once it has caught up. */
const followed = 'the stream is followed';

/** Numbers, times and names that each run makes are its own. */
const plain = (line: string) =>
  line
    .replaceAll(/\d+(?:[.,]\d+)*\s*(?:ms|s|B|kB|MB|GB)\b/g, 'N')
    .replaceAll(/[0-9A-F]+\/[0-9A-F]+/g, 'N')
    .replaceAll(/\d+/g, 'N')
    .replaceAll(/\s+/g, ' ')
    .trim();

function assertSeen(seen: readonly string[], output: string, what: string): void {
  const lines = output.split('\n').map(plain);
  for (const line of seen)
    assert.ok(
      lines.some((printed) => printed.includes(plain(line))),
      `${what} does not print: ${line}\n${output}`,
    );
}

interface Following {
  readonly env: Readonly<Record<string, string>>;
  /** In place of what the guide's environment says. */
  readonly given?: (name: string, value: string) => string;
  /** While the first run follows, or behind the first one that ends by itself. */
  readonly writes?: () => Promise<unknown>;
}

/** The commands of a guide in their order, as it has them: a run that is not ended by its words goes on beside the next ones. */
async function follow(guide: string, { env, given = (_, value) => value, writes }: Following): Promise<void> {
  const folder = await mkdtemp(join(all, 'guide-'));
  for (const name of globSync('*.yaml', { cwd: join(root, 'configs/guides') }))
    await copyFile(join(root, 'configs/guides', name), join(folder, name));
  let left = writes;
  const runs: CliProcess[] = [];
  for (const { given: set, words, seen } of commandsOf(guide)) {
    const inFolder = words.map((word) => (word.endsWith('.yaml') ? join(folder, word) : word));
    const own = Object.fromEntries(Object.entries(set).map(([name, value]) => [name, given(name, value)]));
    const what = `${guide}: ${words.join(' ')}`;
    // Ctrl-C, as its guide says.
    if (words[0] === 'cleanup') await endAll(runs);
    const pretty = words[0] === 'run' ? ['--log', 'pretty'] : [];
    const command = new CliProcess([...inFolder, ...pretty], { ...env, ...own });
    if (words[0] === 'run') {
      runs.push(command);
      while (command.process.exitCode === null && !command.stdout.includes(followed)) await sleep(20);
      if (command.process.exitCode !== null || words.includes('--stop-at'))
        assert.equal((await command.ended).code, 0, `${what}: ${command.stdout}${command.stderr}`);
      await left?.();
      left = undefined;
    } else {
      const { code, stdout, stderr } = await command.ended;
      assert.equal(code, 0, `${what}: ${stdout}${stderr}`);
    }
    assertSeen(seen, command.stdout, what);
  }
  await endAll(runs);
}

async function endAll(runs: CliProcess[]): Promise<void> {
  for (const run of runs.splice(0)) {
    run.process.kill('SIGINT');
    assert.equal((await run.ended).code, 0, run.stderr);
  }
}

async function count(on: TestDatabase, sql: string): Promise<string> {
  const [row] = await on.query<{ n: string }>(`SELECT (${sql})::text AS n`);
  return row!.n;
}

const envOf = ({ source, target }: { source: TestDatabase; target: TestDatabase }) => ({
  SOURCE_URL: source.url,
  TARGET_URL: target.url,
});

test('each guide names a pipeline file that is there, and each file has a guide', () => {
  const guides = globSync('docs/guides/*.md', { cwd: root }).map((path) => readFileSync(join(root, path), 'utf8'));
  assert.ok(guides.length >= 8);
  const named = guides.flatMap((text) =>
    [...text.matchAll(/configs\/guides\/([a-z0-9-]+\.yaml)/g)].map(([, name]) => name!),
  );
  const files = globSync('configs/guides/*.yaml', { cwd: root }).map((path) => path.replace(/.*\//, ''));
  assert.deepEqual([...new Set(named)].toSorted(), files.toSorted());
});

/** Those that move the shop while it is written, and back again; the first by roles that are no superusers. */
for (const [guide, from, to] of short(2, [
  ['rds-to-aurora-or-cloud-sql.md', 16, 17],
  ['major-upgrade.md', 14, 18],
  ['on-premises-to-rds.md', 15, 17],
  ['one-database.md', 17, 18],
] as const)) {
  test(guide, { timeout: 300_000 }, async () => {
    const made = { source: await database(await server(from), 'src'), target: await database(await server(to), 'dst') };
    const hosted = guide.includes('rds');
    const sides = hosted
      ? {
          source: await ownedBy(made.source, sourceOwner),
          target: await ownedBy(made.target, `${targetOwner} REPLICATION`),
        }
      : made;
    await sides.source.query(shop);
    await follow(guide, { env: envOf(sides), writes: () => sides.source.query(writes) });
    const all = 'SELECT md5(string_agg(o::text, $$,$$ ORDER BY id)) FROM orders o';
    assert.equal(await count(sides.target, all), await count(sides.source, all));
    assert.equal(await count(sides.target, 'SELECT count(*) FROM orders'), '200');
  });
}

test('heroku.md', { skip: onlyLong, timeout: 240_000 }, async () => {
  const made = await pair(15, 17);
  await follow('heroku.md', { env: envOf(made) });
  assert.equal(await count(made.target, `SELECT nextval(pg_get_serial_sequence('orders', 'id'))`), '201');
});

test('splitting.md', { skip: onlyLong, timeout: 240_000 }, async () => {
  const made = await pair(17, 17);
  await follow('splitting.md', { env: envOf(made), writes: () => made.source.query(writes) });
  assert.equal(await count(made.target, 'SELECT count(*) FROM orders'), '200');
  assert.equal(await count(made.target, `SELECT count(*) FROM pg_class WHERE relname = 'customer'`), '0');
  await made.source.query(`INSERT INTO customer VALUES (1000, 'e', 'n')`);
});

test('merging-shards.md', { timeout: 240_000 }, async () => {
  const of = (from: number) => `CREATE TABLE customer (id bigint PRIMARY KEY, email text, name text);
    INSERT INTO customer SELECT g, 'e', 'n' FROM generate_series(${from}, ${from + 99}) g`;
  const { source, target } = await pair(17, 17, of(1));
  const second = await database(await server(17), 'src');
  await second.query(of(1_000_000));
  const guide = readFileSync(join(root, 'docs/guides/merging-shards.md'), 'utf8');
  await target.query(/```sql\n([^]*?)```/.exec(guide)![1]!);
  await follow('merging-shards.md', {
    env: envOf({ source, target }),
    given: (name, value) => (name !== 'SOURCE_URL' ? value : value.includes('shard2') ? second.url : source.url),
    writes: () => source.query(`UPDATE customer SET name = 'new' WHERE id < 10`),
  });
  assert.equal(await count(target, 'SELECT count(*) FROM customer'), '200');
  assert.equal(await count(target, `SELECT count(*) FROM customer WHERE name = 'new'`), '9');
});

test('masking.md', { timeout: 240_000 }, async () => {
  const made = await pair(17, 16);
  await follow('masking.md', {
    env: { ...envOf(made), MASK_KEY: 'sixteen characters and more' },
    writes: () => made.source.query(writes),
  });
  assert.equal(await count(made.target, `SELECT count(*) FROM customer WHERE email LIKE '%@%' OR name <> '***'`), '0');
  assert.equal(await count(made.target, `SELECT count(*) FROM orders WHERE placed_at < '2024-01-01'`), '0');
  assert.equal(await count(made.target, `SELECT count(*) FROM orders WHERE placed_at = '2025-01-01'`), '1');
});
