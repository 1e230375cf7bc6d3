import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { formatLsn, parseLsn } from '../../core/postgres/lsn.ts';
import { long } from '../support/long.ts';
import { hashes, type Migration, migration } from '../support/migration.ts';
import { server } from '../support/servers.ts';

/** `--stop-at` at any byte of the WAL, with writers on. STOPS=30 is the long form. */
const stops = Number(process.env['STOPS'] ?? (long ? 6 : 3));

/** Every transaction writes its number, and how many rows it has, in each of its rows. */
const schema = `CREATE TABLE a (tx int, i int, n int, PRIMARY KEY (tx, i)); CREATE TABLE b (tx int, i int, n int);
  ALTER TABLE b REPLICA IDENTITY FULL; CREATE TABLE done (tx int PRIMARY KEY)`;

class Writers {
  /** Position behind the commit of a transaction. */
  readonly committed = new Map<number, bigint>();
  /** Positions just before and just behind commits. */
  readonly edges: bigint[] = [];
  #next = 1;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[];

  constructor(url: string, count: number) {
    this.#running = Array.from({ length: count }, () => this.#write(url));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  async #write(url: string): Promise<void> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const at = async () => {
      const { rows } = await client.query<{ at: string }>('SELECT pg_current_wal_insert_lsn() AS at');
      return parseLsn(rows[0]!.at);
    };
    while (!this.#stop.signal.aborted) {
      const tx = this.#next++;
      const n = Math.random() < 0.05 ? 2000 : 1 + Math.floor(Math.random() * 20);
      await client.query(`BEGIN; INSERT INTO a SELECT ${tx}, i, ${n} FROM generate_series(1, ${n}) i`);
      await sleep(Math.random() * 15);
      await client.query(`INSERT INTO b SELECT ${tx}, i, ${n} FROM generate_series(1, ${n}) i;
        SAVEPOINT s; INSERT INTO done VALUES (-${tx}); ROLLBACK TO s; INSERT INTO done VALUES (${tx})`);
      this.edges.push(await at());
      await client.query('COMMIT');
      const end = await at();
      this.edges.push(end);
      this.committed.set(tx, end);
      await sleep(Math.random() * 60);
    }
    await client.end();
  }
}

/** A position between where the target stands and a little behind the source's end, often beside a commit. */
async function somewhere(m: Migration, writers: Writers): Promise<bigint> {
  const [position] = await m.target.query<{ lsn: string | null }>('SELECT lsn FROM pgsluice.position');
  const [source] = await m.source.query<{ at: string }>('SELECT pg_current_wal_insert_lsn() AS at');
  const from = parseLsn(position?.lsn ?? '0/0');
  const edges = writers.edges.filter((edge) => edge > from);
  const edge = edges[Math.floor(Math.random() * edges.length)];
  if (edge !== undefined && Math.random() < 0.5) return edge - BigInt(Math.random() < 0.5 ? 1 : 0);
  const first = edges[0] ?? parseLsn(source!.at);
  return first + BigInt(Math.floor(Math.random() * (Number(parseLsn(source!.at) - first) + 20_000)));
}

async function look(m: Migration, writers: Writers, at: bigint): Promise<number> {
  const [torn] = await m.target.query(`SELECT
    (SELECT count(*) FROM (SELECT FROM a GROUP BY tx HAVING count(*) <> max(n)) q)::int AS a,
    (SELECT count(*) FROM (SELECT FROM b GROUP BY tx HAVING count(*) <> max(n)) q)::int AS b,
    (SELECT count(*) FROM (SELECT DISTINCT tx FROM a) x FULL JOIN (SELECT DISTINCT tx FROM b) y USING (tx)
      FULL JOIN done USING (tx) WHERE x.tx IS NULL OR y.tx IS NULL OR done.tx IS NULL)::int AS parts`);
  assert.deepEqual(torn, { a: 0, b: 0, parts: 0 }, 'half a transaction');
  const there = new Set((await m.target.query<{ tx: number }>('SELECT tx FROM done')).map(({ tx }) => tx));
  const [slot] = await m.source.query<{ at: string }>(
    `SELECT confirmed_flush_lsn AS at FROM pg_replication_slots WHERE slot_name = 'pgsluice_${m.source.name}'`,
  );
  const confirmed = parseLsn(slot!.at);
  for (const [tx, end] of writers.committed) {
    if (there.has(tx)) continue;
    assert.ok(end > at, `${tx} ended at ${formatLsn(end)} and is not there at ${formatLsn(at)}`);
    assert.ok(end > confirmed, `${tx} ended at ${formatLsn(end)}, the slot is at ${slot!.at}`);
  }
  return there.size;
}

test(`run --stop-at ${stops} times at random positions, writers on: never half a transaction, none missing below`, async (t: TestContext) => {
  const m = await migration({ from: await server(15), to: await server(17) });
  await m.source.query(schema);
  await m.run();
  const writers = new Writers(m.source.url, 3);
  t.after(() => writers.stop());
  for (let stop = 0; stop < stops; stop++) {
    await sleep(300);
    const at = await somewhere(m, writers);
    const run = await m.verb('run', '--stop-at', formatLsn(at), '--log', 'json');
    assert.equal(run.code, 0, run.stderr);
    const there = await look(m, writers, at);
    t.diagnostic(`stopped at ${formatLsn(at)} with ${there} of ${writers.committed.size} transactions`);
  }
  await writers.stop();
  await m.run();
  assert.deepEqual(await hashes(m.target, ['a', 'b', 'done']), await hashes(m.source, ['a', 'b', 'done']));
});
