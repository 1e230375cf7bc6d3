import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventsOf, hashes, migration } from '../support/migration.ts';
import { server } from '../support/servers.ts';

const servers = { from: await server(16), to: await server(18) };

/** Rows of about 100 bytes each. */
const fill = (table: string, columns: string) =>
  `INSERT INTO ${table} SELECT ${columns} FROM generate_series(1, 3000) i;`;

const schema = `
  CREATE COLLATION german (provider = icu, locale = 'de');
  CREATE TABLE plain (id bigint PRIMARY KEY, mail text, v text);
  CREATE TABLE pair (day date, "N o" numeric(8,2), v text, PRIMARY KEY (day, "N o"));
  CREATE TABLE code (id text COLLATE "C" PRIMARY KEY, v text);
  CREATE TABLE odd (id int PRIMARY KEY, mail text UNIQUE, v text);
  CREATE TABLE word (id text COLLATE german PRIMARY KEY, v text);
  CREATE TABLE float (id float8 PRIMARY KEY, v text);
  CREATE TABLE apart (id uuid PRIMARY KEY, v text);
  CREATE TABLE keyless (id int, v text); ALTER TABLE keyless REPLICA IDENTITY FULL;
  CREATE TABLE other (id int PRIMARY KEY, n int NOT NULL UNIQUE, v text); ALTER TABLE other REPLICA IDENTITY USING INDEX other_n_key;
  CREATE TABLE later (id int PRIMARY KEY DEFERRABLE, v text); ALTER TABLE later REPLICA IDENTITY FULL;
  CREATE UNLOGGED TABLE bare (id int PRIMARY KEY, v text);
  CREATE TABLE hidden (id int PRIMARY KEY, v text); ALTER TABLE hidden REPLICA IDENTITY FULL;
  ${fill('plain', `i, 'm' || i, repeat('x', 80)`)}
  ${fill('pair', `date '2020-01-01' + i / 10, i % 10 + 0.5, repeat('x', 80)`)}
  ${fill('code', `lpad(i::text, 6, '0') || '''\\', repeat('x', 80)`)}
  ${fill('odd', `i, 'm' || i, repeat('x', 80)`)}
  ${fill('word', `lpad(i::text, 6, '0'), repeat('x', 80)`)}
  ${fill('float', `i, repeat('x', 80)`)}
  ${fill('apart', `md5(i::text)::uuid, repeat('x', 80)`)}
  ${fill('keyless', `i, repeat('x', 80)`)}
  ${fill('other', `i, i, repeat('x', 80)`)}
  ${fill('later', `i, repeat('x', 80)`)}
  ${fill('bare', `i, repeat('x', 80)`)}
  ${fill('hidden', `i, repeat('x', 80)`)}
  ANALYZE;`;

const same = ['pair', 'code', 'odd', 'word', 'float', 'apart', 'keyless', 'other', 'later', 'bare'];

test('large tables are copied in ranges of their key where that is exact, and as before where it is not, with the reason', async () => {
  const run = await migration({
    ...servers,
    source: '  snapshot: { chunk_size: 64kB, ledger_above: 128kB }',
    more: `transforms:
  - { plugin: filter, tables: public.plain, where: 'id % 3 = 0' }
  - { plugin: rename, tables: public.plain, to: crm.plain, columns: { id: number } }
  - { plugin: set, tables: public.hidden, columns: { id: 'id + 1' } }`,
  });
  await run.source.query(schema);
  const expected = {
    apart: /do not lie in the order of the key/,
    bare: /unlogged/,
    float: /order of type double precision \(column id\)/,
    hidden: /does not have its key as it is/,
    keyless: /no primary key/,
    later: /primary key is deferrable/,
    odd: /unique than its key: (public\.)?odd_mail_key/,
    other: /not in its replica identity/,
    word: /collation is not "C"/,
  };
  const plan = await run.verb('plan');
  assert.equal(plan.code, 0, plan.stderr);
  for (const [name, text] of Object.entries(expected)) {
    const [, line = ''] = new RegExp(`^public\\.${name}\\b.*\\n  route.*\\n  copy: (.*)$`, 'm').exec(plan.stdout) ?? [];
    assert.match(line, /of its pages, under one snapshot: a copy that breaks starts it again, as /);
    assert.match(line, text);
  }
  assert.match(plan.stdout, /^public.pair\n.*\n  copy: .* in about \d+ ranges of \(day, N o\).*\(correlation 1.00\)$/m);
  assert.match(plan.stdout, /^WAL of the source: .*\/s now/m);
  const done = await run.run();
  const ranges = new Map(eventsOf(done, 'ledger').map(({ table, ranges: n }) => [table, Number(n)]));
  assert.deepEqual([...ranges.keys()].toSorted(), ['public.code', 'public.pair', 'public.plain']);
  for (const [table, n] of ranges) assert.ok(n >= 4, `${String(table)}: ${n}`);
  const why = new Map(eventsOf(done, 'ledger-unfit').map(({ table, why: text }) => [table, String(text)]));
  assert.deepEqual(
    [...why.keys()].toSorted(),
    Object.keys(expected).map((name) => `public.${name}`),
  );
  for (const [name, text] of Object.entries(expected)) assert.match(why.get(`public.${name}`)!, text);
  assert.deepEqual(await hashes(run.target, same), await hashes(run.source, same));
  const [plain] = await run.target.query(
    `SELECT count(*)::int AS n, sum(number)::int AS sum, count(DISTINCT mail)::int AS mails FROM crm.plain`,
  );
  assert.deepEqual(plain, { n: 1000, sum: (3 * 1000 * 1001) / 2, mails: 1000 });
  const verified = await run.verb('verify');
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
});
