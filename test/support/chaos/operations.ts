import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { Random } from './random.ts';

/** One thing that a transaction does. Its choices come from `random` alone, not from what the database holds. */
export type Operation = (client: pg.Client, random: Random) => Promise<unknown>;

const words = [
  '',
  'a',
  '\\N',
  'tab\there',
  'line\nbreak',
  "quote'd",
  '"x"',
  'Ünïcödé ✓ 𝄞',
  'back\\slash',
  '{a,b}',
  'NULL',
];
const text = (random: Random) => (random.chance(0.1) ? null : `${random.pick(words)}${random.int(0, 99)}`);
const table = '"Odd ""S"."Täb le"';

/** Long enough to be kept out of line, with a few different contents. */
const large = (random: Random) => `repeat(md5('${random.int(0, 50)}'), ${random.int(100, 800)})`;

const acct: Operation = (client, random) => {
  const id = random.int(1, 400);
  return random.weighted<() => Promise<unknown>>([
    [4, () => client.query('UPDATE acct SET note = $2, n = n + 1.25 WHERE id = $1', [id, text(random)])],
    [3, () => client.query('UPDATE acct SET grp = $2 WHERE id = $1', [id, random.int(0, 6)])],
    [2, () => client.query('UPDATE acct SET tags = tags || $2::text WHERE id % 50 = $1', [id % 50, text(random)])],
    [
      3,
      () =>
        client.query(
          `INSERT INTO acct (id, grp, note, n, m, d) VALUES ($1, $2, $3, $4, 'ok', 'd') ON CONFLICT (id) DO UPDATE SET note = excluded.note`,
          [id, random.int(0, 6), text(random), random.int(0, 1000) / 8],
        ),
    ],
    [3, () => client.query('DELETE FROM acct WHERE id = $1', [id])],
    [2, () => client.query('UPDATE acct SET id = id + 1000, grp = $2 WHERE id = $1', [id, random.int(0, 6)])],
    [2, () => client.query('DELETE FROM acct WHERE id > 400 AND id % 10 = $1', [id % 10])],
  ])();
};

const swapKeys: Operation = async (client, random) => {
  const [a, b] = [random.int(1, 400), random.int(1, 400)];
  const name = random.pick(['acct', 'rota', 'toast', 'fullpk', 'big']);
  await client.query(`UPDATE ${name} SET id = -1 WHERE id = ${a}`);
  await client.query(`UPDATE ${name} SET id = ${a} WHERE id = ${b}`);
  await client.query(`UPDATE ${name} SET id = ${b} WHERE id = -1`);
};

const again: Operation = async (client, random) => {
  const id = random.int(500, 520);
  await client.query(`DELETE FROM comp WHERE a = ${id}`);
  await client.query(`INSERT INTO comp VALUES (${id}, 'again', 1, $1)`, [text(random)]);
  await client.query(`DELETE FROM comp WHERE a = ${id}`);
  if (random.chance(0.7)) await client.query(`INSERT INTO comp VALUES (${id}, 'again', 2, $1)`, [text(random)]);
};

const textKey: Operation = (client, random) => {
  const key = `k${random.int(1, 60)}`;
  return random.weighted<() => Promise<unknown>>([
    [3, () => client.query(`UPDATE ${table} SET "select" = $2, v = v + 1 WHERE "Id k" = $1`, [key, text(random)])],
    [2, () => client.query(`INSERT INTO ${table} VALUES ($1, $2, 0) ON CONFLICT DO NOTHING`, [key, text(random)])],
    [1, () => client.query(`UPDATE ${table} SET "Id k" = $2 WHERE "Id k" = $1`, [key, `${random.pick(words)}${key}`])],
    [2, () => client.query(`DELETE FROM ${table} WHERE "Id k" = $1 OR v = 3`, [key])],
  ])();
};

const composite: Operation = (client, random) => {
  const [a, b] = [random.int(0, 7), `b${random.int(0, 7)}`];
  return random.weighted<() => Promise<unknown>>([
    [3, () => client.query('UPDATE comp SET c = c + 1, v = $3 WHERE a = $1 AND b = $2', [a, b, text(random)])],
    [1, () => client.query('UPDATE comp SET a = a + 100 WHERE a = $1 AND b = $2', [a, b])],
    [2, () => client.query('DELETE FROM comp WHERE a = $1 AND b <= $2', [a, b])],
    [3, () => client.query('INSERT INTO comp VALUES ($1, $2, 0, $3) ON CONFLICT DO NOTHING', [a, b, text(random)])],
  ])();
};

/** Values of a second unique key move between rows: one after the other, or within one statement. */
const rotate: Operation = async (client, random) => {
  const [a, b] = [random.int(1, 30), random.int(1, 30)];
  if (random.chance(0.4))
    return client.query(`UPDATE rota SET turn = (turn + ${a}) % 31 + 0 * id WHERE turn IS NOT NULL`);
  if (random.chance(0.2)) return client.query(`DELETE FROM rota WHERE id = ${a}`);
  if (random.chance(0.4))
    return client.query(`INSERT INTO rota VALUES (${a}, NULL, NULL, $1) ON CONFLICT (id) DO NOTHING`, [text(random)]);
  const { rows } = await client.query('SELECT id, slot FROM rota WHERE id IN ($1, $2) ORDER BY id FOR UPDATE', [a, b]);
  if (rows.length < 2) return undefined;
  await client.query('UPDATE rota SET slot = NULL WHERE id = $1', [rows[0].id]);
  await client.query('UPDATE rota SET slot = $2, payload = $3 WHERE id = $1', [rows[1].id, rows[0].slot, text(random)]);
  return client.query('UPDATE rota SET slot = $2 WHERE id = $1', [rows[0].id, rows[1].slot]);
};

/** Rows that cannot be told apart: exactly one of them changes. */
const keyless: Operation = (client, random) => {
  const one = `ctid IN (SELECT ctid FROM nokey WHERE a IS NOT DISTINCT FROM ${random.pick([0, 1, 2, 3, 4, 'NULL'])}
    LIMIT ${random.int(1, 3)})`;
  return random.weighted<() => Promise<unknown>>([
    [3, () => client.query(`UPDATE nokey SET t = $1 WHERE ${one}`, [text(random)])],
    [2, () => client.query(`UPDATE nokey SET j = $1, p = point(1, 2.50) WHERE ${one}`, ['{"a" : 1,  "a": 2}'])],
    [2, () => client.query(`UPDATE nokey SET a = NULL, x = '<a b="c"/>' WHERE ${one}`)],
    [2, () => client.query(`DELETE FROM nokey WHERE ${one}`)],
    [
      3,
      () =>
        client.query(`INSERT INTO nokey SELECT $1, NULL, '<x/>', NULL, $2 FROM generate_series(1, 3)`, [
          random.int(0, 4),
          text(random),
        ]),
    ],
  ])();
};

const full: Operation = (client, random) => {
  const id = random.int(1, 80);
  return random.weighted<() => Promise<unknown>>([
    [3, () => client.query('UPDATE fullpk SET t = $2, f = f * 1.1 WHERE id = $1', [id, text(random)])],
    [1, () => client.query(`UPDATE fullpk SET j = '{"b": [1, null]}' WHERE id % 20 = $1`, [id % 20])],
    [1, () => client.query('UPDATE fullpk SET id = id + 500 WHERE id = $1', [id])],
    [2, () => client.query('DELETE FROM fullpk WHERE id = $1 OR id > 500 AND id % 7 = $1 % 7', [id])],
    [3, () => client.query('INSERT INTO fullpk VALUES ($1, $2) ON CONFLICT DO NOTHING', [id, text(random)])],
  ])();
};

const byIndex: Operation = (client, random) => {
  const code = `c${random.int(1, 80)}`;
  return random.weighted<() => Promise<unknown>>([
    [3, () => client.query('UPDATE byidx SET v = v + 1, extra = $2 WHERE code = $1', [code, text(random)])],
    [1, () => client.query('UPDATE byidx SET code = $2 WHERE code = $1', [code, `${code}x`])],
    [2, () => client.query('DELETE FROM byidx WHERE code = $1', [code])],
    [3, () => client.query('INSERT INTO byidx (code, v) VALUES ($1, 0) ON CONFLICT DO NOTHING', [code])],
  ])();
};

const partitions: Operation = (client, random) => {
  const [id, region] = [random.int(1, 80), random.pick(['a', 'b', 'c', 'd'])];
  return random.weighted<() => Promise<unknown>>([
    [2, () => client.query('UPDATE part SET v = $2 WHERE id = $1', [id, text(random)])],
    [3, () => client.query('UPDATE part SET region = $2 WHERE id = $1', [id, region])],
    [1, () => client.query('DELETE FROM part WHERE id = $1', [id])],
    [3, () => client.query(`INSERT INTO part VALUES ($1, $2, 'new') ON CONFLICT DO NOTHING`, [id, region])],
    [0.3, () => client.query(`TRUNCATE part_${random.pick(['a', 'b', 'rest'])}`)],
  ])();
};

const toasted: Operation = (client, random) => {
  const id = random.int(1, 60);
  return random.weighted<() => Promise<unknown>>([
    [5, () => client.query(`UPDATE toast SET small = small + 1 WHERE id BETWEEN ${id} AND ${id + 3}`)],
    [1, () => client.query(`UPDATE toast SET id = id + 1000 WHERE id = ${id}`)],
    [2, () => client.query(`UPDATE toast SET other = ${large(random)} WHERE id = ${id}`)],
    [1, () => client.query(`UPDATE toast SET big = NULL, small = 0 WHERE id = ${id}`)],
    [2, () => client.query(`INSERT INTO toast VALUES (${id}, ${large(random)}, 'short', 1) ON CONFLICT DO NOTHING`)],
    [1, () => client.query(`DELETE FROM toast WHERE id = ${id} OR id > 1000 AND id % 5 = ${id % 5}`)],
  ])();
};

const generated: Operation = (client, random) => {
  const id = random.int(1, 60);
  return random.weighted<() => Promise<unknown>>([
    [3, () => client.query('UPDATE gen SET v = $2 WHERE id = $1', [id, text(random)])],
    [1, () => client.query('UPDATE gen SET id = id + 100 WHERE id = $1', [id])],
    [1, () => client.query('DELETE FROM gen WHERE id = $1', [id])],
    [3, () => client.query('INSERT INTO gen (id, v) VALUES ($1, $2) ON CONFLICT DO NOTHING', [id, text(random)])],
  ])();
};

const identity: Operation = (client, random) =>
  random.weighted<() => Promise<unknown>>([
    [3, () => client.query('INSERT INTO ident (v) VALUES ($1), ($1)', [text(random)])],
    [2, () => client.query('UPDATE ident SET v = $2 WHERE id % 13 = $1', [random.int(0, 12), text(random)])],
    [1, () => client.query('UPDATE ident SET id = DEFAULT WHERE id % 29 = $1', [random.int(0, 28)])],
    [2, () => client.query('DELETE FROM ident WHERE id % 17 = $1', [random.int(0, 16)])],
  ])();

const references: Operation = (client, random) => {
  const [id, parent] = [random.int(1, 80), random.int(1, 30)];
  return random.weighted<() => Promise<unknown>>([
    [2, () => client.query('INSERT INTO parent VALUES ($1, $2) ON CONFLICT DO NOTHING', [parent, text(random)])],
    [
      3,
      () =>
        client.query(
          `INSERT INTO child SELECT $1, (SELECT min(id) FROM parent WHERE id >= $2), 'c' ON CONFLICT DO NOTHING`,
          [id, parent],
        ),
    ],
    [1, () => client.query('UPDATE parent SET id = id + 30 WHERE id = $1', [parent])],
    [1, () => client.query('DELETE FROM parent WHERE id = $1', [parent])],
    [2, () => client.query('UPDATE child SET v = $2 WHERE id = $1', [id, text(random)])],
  ])();
};

const truncate: Operation = (client, random) =>
  client.query(
    random.pick([
      'TRUNCATE log1, log2 RESTART IDENTITY',
      'TRUNCATE log2',
      'TRUNCATE parent CASCADE',
      'TRUNCATE child',
      'TRUNCATE log1, numkey, gen',
      'TRUNCATE nokey',
    ]),
  );

const logs: Operation = (client, random) =>
  client.query(
    `INSERT INTO log${random.int(1, 2)} (v) SELECT 'l' || i FROM generate_series(1, ${random.int(1, 20)}) i`,
  );

const numbers: Operation = (client, random) => {
  const k = random.int(1, 40);
  return random.weighted<() => Promise<unknown>>([
    [3, () => client.query(`UPDATE numkey SET k = k * 1.0, v = v + 1 WHERE k = ${k}`)],
    [2, () => client.query(`UPDATE numkey SET v = v + 1, c = 'x${k}' WHERE k = ${k}`)],
    [2, () => client.query(`DELETE FROM numkey WHERE k = ${k}`)],
    [3, () => client.query(`INSERT INTO numkey VALUES (${k}.${'0'.repeat(k % 3)}0, 'n', 0) ON CONFLICT DO NOTHING`)],
  ])();
};

const copyIn: Operation = async (client, random) => {
  const rows = Array.from({ length: random.int(1, 300) }, (_, i) => `${i % 5}\t{"n": ${i}}\t\\N\t(1,${i})\tcopied\n`);
  await pipeline(Readable.from(rows), client.query(copyFrom('COPY nokey FROM STDIN')));
};

/** Into a table with a key and an index: one multi-insert in the WAL. */
const copyKeyed: Operation = async (client, random) => {
  const from = 20_000 + random.int(0, 40) * 100;
  await client.query(`DELETE FROM big WHERE id BETWEEN ${from} AND ${from + 99}`);
  const rows = Array.from({ length: random.int(1, 100) }, (_, i) => `${from + i}\tcopied\t${i % 7}\n`);
  await pipeline(Readable.from(rows), client.query(copyFrom('COPY big FROM STDIN')));
};

const bulk: Operation = (client, random) => {
  const from = random.int(1, 3000);
  return random.weighted<() => Promise<unknown>>([
    [3, () => client.query(`UPDATE big SET n = n + 1 WHERE id BETWEEN ${from} AND ${from + random.int(0, 400)}`)],
    [1, () => client.query(`DELETE FROM big WHERE id BETWEEN ${from} AND ${from + 40}`)],
    [
      2,
      () =>
        client.query(
          `INSERT INTO big SELECT i, 'pad', 0 FROM generate_series(${from}, ${from + 60}) i ON CONFLICT DO NOTHING`,
        ),
    ],
  ])();
};

const foreignMessage: Operation = (client, random) =>
  client.query(`SELECT pg_logical_emit_message(${random.chance(0.5)}, 'other', 'not for us')`);

export const operations: readonly (readonly [number, Operation])[] = [
  [6, acct],
  [3, swapKeys],
  [2, again],
  [3, textKey],
  [3, composite],
  [4, rotate],
  [5, keyless],
  [3, full],
  [3, byIndex],
  [4, partitions],
  [4, toasted],
  [2, generated],
  [2, identity],
  [4, references],
  [0.7, truncate],
  [2, logs],
  [3, numbers],
  [0.7, copyIn],
  [0.7, copyKeyed],
  [2, bulk],
  [1, foreignMessage],
];

/** More than one batch of the stream holds. */
export const largeTransaction: Operation = async (client, random) => {
  const rows = random.int(9_000, 16_000);
  await client.query(
    `INSERT INTO big SELECT i, repeat(md5(i::text), 30), 0 FROM generate_series(100000, ${100_000 + rows}) i ON CONFLICT DO NOTHING`,
  );
  await client.query('UPDATE big SET n = n + 1 WHERE id > 100000 AND id % 3 = 0');
  // Part of it is taken back, also where the server has sent it already.
  await client.query('SAVEPOINT large; UPDATE big SET pad = md5(pad) WHERE id > 100000; SAVEPOINT deeper');
  await client.query('DELETE FROM big WHERE id > 100000 AND id % 5 = 0');
  await client.query(`ROLLBACK TO ${random.pick(['large', 'deeper'])}`);
  await client.query('UPDATE big SET id = id + 1000000 WHERE id > 100000 AND id % 11 = 0');
  await client.query(`DELETE FROM big WHERE id > 100000${random.chance(0.5) ? ' AND id % 2 = 0' : ''}`);
};
