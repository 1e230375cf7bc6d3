import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pg from 'pg';
import type { CliProcess } from '../support/cli.ts';
import { hashes, type Migration, migration } from '../support/migration.ts';
import { server, type TestDatabase, type TestServer } from '../support/servers.ts';

/**
 * SIGKILL of the real process in the copy and index phases, with writers on the source. Long form by hand:
 * `node test/chaos/copy-kills.ts --points 20 --seed 7`.
 */
const schema = `
  CREATE TABLE customer (id int PRIMARY KEY, mail text UNIQUE, v int);
  CREATE TABLE orders (id serial PRIMARY KEY, customer int NOT NULL REFERENCES customer, total numeric CHECK (total >= 0), note text);
  CREATE INDEX orders_total ON orders (total DESC) INCLUDE (note); CREATE INDEX orders_lower ON orders (lower(note));
  CREATE TABLE item (id int, part int, orders int REFERENCES orders, pad text, PRIMARY KEY (id, part)) PARTITION BY HASH (part);
  CREATE TABLE item_0 PARTITION OF item FOR VALUES WITH (MODULUS 2, REMAINDER 0);
  CREATE TABLE item_1 PARTITION OF item FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  CREATE INDEX item_orders ON item (orders);
  CREATE TABLE history (at int, what text); ALTER TABLE history REPLICA IDENTITY FULL;
  CREATE TABLE doc (id int PRIMARY KEY, body text, tags text[], CONSTRAINT one UNIQUE (body) DEFERRABLE);
  CREATE INDEX doc_tags ON doc USING gin (tags);
  CREATE TABLE booking (id int PRIMARY KEY, during int4range, EXCLUDE USING gist (during WITH &&));
  CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
  CREATE TRIGGER t AFTER INSERT ON customer FOR EACH ROW EXECUTE FUNCTION note(); ALTER TABLE customer ENABLE ALWAYS TRIGGER t;
  CREATE MATERIALIZED VIEW totals AS SELECT customer, sum(total) AS total FROM orders GROUP BY 1;`;

export const copyTables = ['customer', 'orders', 'item_0', 'item_1', 'history', 'doc', 'booking'] as const;

const rows = (n: number) => `
  INSERT INTO customer SELECT i, 'm' || i, 0 FROM generate_series(1, ${n}) i;
  INSERT INTO orders (customer, total, note) SELECT 1 + i % ${n}, i % 1000, 'note ' || md5(i::text) FROM generate_series(1, ${n * 4}) i;
  -- Large enough that the indexes of the tree are set aside.
  INSERT INTO item SELECT i, i % 7, 1 + i % ${n * 4}, CASE WHEN i <= 1200 THEN repeat('x', 1900) END FROM generate_series(1, ${n * 4}) i;
  INSERT INTO history SELECT i % 50, 'h' FROM generate_series(1, ${n}) i;
  INSERT INTO doc SELECT i, md5(i::text) || repeat('x', i % 300), ARRAY['t' || i % 20, 'u'] FROM generate_series(1, ${n}) i;
  INSERT INTO booking SELECT i, int4range(i * 10, i * 10 + 5) FROM generate_series(1, 500) i; ANALYZE`;

/** One connection that writes all tables, a transaction at a time, until it is told to stop. */
export async function writeUntil(url: string, n: number, stop: AbortSignal): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  const some = (upTo: number) => 1 + Math.floor(Math.random() * upTo);
  let done = 0;
  for (; !stop.aborted; done++) {
    const [a, b, c] = [some(n), some(n * 4), some(n)];
    await client.query(`BEGIN; UPDATE customer SET v = v + 1 WHERE id = ${a};
      INSERT INTO orders (customer, total, note) VALUES (${c}, ${b}, 'new'); UPDATE orders SET note = 'n' || total WHERE id = ${b};
      UPDATE item SET part = part + 1 WHERE id = ${b}; DELETE FROM item WHERE id = ${some(n * 4)};
      INSERT INTO history VALUES (${a % 50}, 'h'); DELETE FROM history WHERE ctid = (SELECT ctid FROM history WHERE at = ${c % 50} LIMIT 1);
      UPDATE doc SET body = body || 'y' WHERE id = ${c}; COMMIT`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await client.end();
  return done;
}

export async function newCopy(
  servers: { from: TestServer; to: TestServer },
  n: number,
  rate: string,
): Promise<Migration> {
  const run = await migration({
    ...servers,
    source: '  snapshot: { workers: 2, chunk_size: 1MB }',
    more: `limit: { rate: ${rate} }`,
  });
  await run.source.query(schema);
  await run.source.query(rows(n));
  return run;
}

/** Definitions of every index and constraint, and which triggers are on, by name. */
export function definitionsOf(db: TestDatabase) {
  return db.query(`
    SELECT 'index' AS kind, indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) || indisvalid AS def FROM pg_index
      JOIN pg_class c ON c.oid = indrelid WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'constraint', conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid) || convalidated
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    UNION ALL SELECT 'trigger', tgrelid::regclass || ' ' || tgname, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal AND tgname NOT LIKE 'pgsluice_fence_%'
    ORDER BY 1, 2`);
}

/** Indexes that are built for good, by name: a later run must not build them again. */
async function builtIndexes(target: TestDatabase): Promise<ReadonlyMap<string, string>> {
  const [there] = await target.query(`SELECT to_regclass('pgsluice.definition') AS t`);
  if (there?.['t'] === null) return new Map();
  const found = await target.query<{ name: string; oid: string }>(
    `SELECT index_name AS name, to_regclass(index_name)::oid::text AS oid FROM pgsluice.definition
     WHERE status IN ('indexed', 'built') AND index_name IS NOT NULL`,
  );
  return new Map(found.map(({ name, oid }) => [name, oid]));
}

/** What runs of one pipeline must hold to, however often they die. */
export class Witness {
  readonly copied = new Map<string, number>();
  #built: ReadonlyMap<string, string> = new Map();
  readonly #run: Migration;

  constructor(run: Migration) {
    this.#run = run;
  }

  /** After each run: no finished table is copied again, no finished index is built again. */
  async look(ended: CliProcess): Promise<void> {
    for (const event of ended.events('table-copied')) {
      const table = String(event['table']);
      assert.ok(!this.copied.has(table), `${table} was copied and is copied again`);
      this.copied.set(table, Number(event['rows']));
    }
    const now = await builtIndexes(this.#run.target);
    for (const [name, oid] of this.#built) assert.equal(now.get(name), oid, `${name} was built and is built again`);
    this.#built = now;
  }

  /** Rows and definitions of both sides, when the writers have stopped. */
  async end(): Promise<void> {
    const { source, target } = this.#run;
    const last = this.#run.start('--stop-at', 'now');
    assert.equal((await last.ended).code, 0, last.stderr);
    await this.look(last);
    assert.deepEqual(await hashes(target, copyTables), await hashes(source, copyTables));
    // Foreign keys between tables of different snapshots are checked when the stream has caught up for good.
    const cut = await this.#run.verb('cutover');
    assert.equal(cut.code, 0, `${cut.stdout}${cut.stderr}`);
    assert.deepEqual(await hashes(target, [...copyTables, 'totals']), await refreshed(source));
    assert.deepEqual(await definitionsOf(target), await definitionsOf(source));
    const open = await target.query(`SELECT name FROM pgsluice.definition WHERE status <> 'built'`);
    assert.deepEqual(open, []);
  }
}

async function refreshed(source: TestDatabase) {
  await source.query('REFRESH MATERIALIZED VIEW totals');
  return hashes(source, [...copyTables, 'totals']);
}

/** Kills one pipeline at random moments until it is through its copy. Returns the kills that met the copy or index phase. */
export async function killRound(run: Migration, random: () => number, most: number): Promise<number> {
  const witness = new Witness(run);
  let met = 0;
  for (let kill = 0; met < most && kill < most * 5; kill++) {
    const process = run.start();
    await Promise.race([process.until('copy-started').catch(() => {}), process.ended]);
    await new Promise((resolve) => setTimeout(resolve, random() * 900));
    const through = process.events('snapshot-finished').length > 0;
    process.process.kill('SIGKILL');
    const { stderr } = await process.ended;
    assert.equal(stderr, '', 'a killed run had met no error of its own');
    await witness.look(process);
    if (through) break;
    met++;
  }
  return met;
}

/** mulberry32: a seed that failed is run again by its number. */
export function randomOf(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Rounds on fresh databases, writers on the source throughout, until there were so many kills. */
export async function killPoints(points: number, seed: number, say: (line: string) => void): Promise<void> {
  const servers = { from: await server(15), to: await server(17) };
  const random = randomOf(seed);
  const n = 4000;
  for (let met = 0, round = 1; met < points; round++) {
    const run = await newCopy(servers, n, '3MB/s');
    const stop = new AbortController();
    const writers = [writeUntil(run.source.url, n, stop.signal), writeUntil(run.source.url, n, stop.signal)];
    met += await killRound(run, random, points - met);
    stop.abort();
    const written = await Promise.all(writers);
    const witness = new Witness(run);
    await witness.end();
    say(`round ${round}: ${met} of ${points} kills, ${written.reduce((a, b) => a + b)} transactions, identical`);
    assert.equal((await run.verb('cleanup', '--yes')).code, 0);
    await Promise.all([run.source, run.target].map((db) => db.server.query(`DROP DATABASE ${db.name} WITH (FORCE)`)));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { points: { type: 'string' }, seed: { type: 'string' } } });
  const seed = Number(values.seed ?? Date.now() % 100_000);
  process.stdout.write(`seed ${seed}\n`);
  await killPoints(Number(values.points ?? 20), seed, (line) => process.stdout.write(`${line}\n`));
  process.exit(0);
}
