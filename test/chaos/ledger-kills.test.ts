import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { eventsOf, hashes, type Migration, migration } from '../support/migration.ts';
import { CliProcess } from '../support/cli.ts';
import { server, type TestDatabase } from '../support/servers.ts';
import { randomOf } from './copy-kills.ts';

const servers = { from: await server(15), to: await server(17) };
/** The long form: `LEDGER_KILLS=100 npm test -- ledger-kills`. */
const most = Number(process.env['LEDGER_KILLS'] ?? 1);
const seed = Number(process.env['LEDGER_SEED'] ?? Date.now() % 100_000);
const long = most > 2;
const rows = long ? 40_000 : 12_000;

/** Ranges of about 128 kB of all of them but `tiny`. `sale` has no large values: an UPDATE of its key sends all of a row. */
const schema = `
  CREATE TABLE sale (id bigint PRIMARY KEY, v int NOT NULL, pad text NOT NULL);
  CREATE TABLE visit (day date, n int, v int NOT NULL, pad text NOT NULL, PRIMARY KEY (day, n)); ALTER TABLE visit REPLICA IDENTITY FULL;
  CREATE TABLE log (id int PRIMARY KEY, what text); CREATE INDEX log_what ON log (what);
  CREATE TABLE tiny (id int PRIMARY KEY, sale bigint REFERENCES sale);
  INSERT INTO sale SELECT i * 10, 0, repeat('x', 60) FROM generate_series(1, ${rows}) i;
  INSERT INTO visit SELECT date '2020-01-01' + i / 20, i % 20, 0, repeat('y', 60) FROM generate_series(1, ${rows / 2}) i;
  INSERT INTO log SELECT i, repeat('z', 100) FROM generate_series(1, ${rows / 4}) i;
  INSERT INTO tiny SELECT i, NULL FROM generate_series(1, 100) i; ANALYZE;`;

const tables = ['sale', 'visit', 'log', 'tiny'];

/** Rows that are written, deleted and moved to another range, a transaction at a time. */
async function write(url: string, random: () => number, stop: AbortSignal): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  const some = (upTo: number) => 1 + Math.floor(random() * upTo);
  let done = 0;
  for (; !stop.aborted; done++) {
    const [a, b] = [some(rows), some(rows)];
    await client.query(`BEGIN; UPDATE sale SET v = v + 1 WHERE id = ${a * 10};
      UPDATE sale SET id = ${b * 10 + some(9)} WHERE id = (SELECT min(id) FROM sale WHERE id >= ${a * 10})
        AND NOT EXISTS (SELECT FROM sale WHERE id BETWEEN ${b * 10} AND ${b * 10 + 9} AND id % 10 > 0);
      DELETE FROM sale WHERE id = ${some(rows) * 10}; INSERT INTO sale VALUES (${some(rows) * 10}, 1, 'new') ON CONFLICT DO NOTHING;
      UPDATE visit SET day = day + ${some(500) - 250}, n = 1000 + ${done} WHERE (day, n) = (date '2020-01-01' + ${some(rows / 2)} / 20, ${some(20) - 1});
      DELETE FROM visit WHERE day = date '2020-01-01' + ${some(rows / 2)} / 20 AND n = ${some(20)};
      INSERT INTO log VALUES (${rows + done}, 'w') ON CONFLICT DO NOTHING; UPDATE log SET what = 'u' || ${done} WHERE id = ${some(rows / 4)};
      UPDATE tiny SET id = id WHERE id = 1; COMMIT`);
    await pause(long ? 3 : 15);
  }
  await client.end();
  return done;
}

/** Ways to apply, and what a run follows; the first alone in the short form. */
interface Way {
  readonly name: string;
  readonly sink?: string;
  readonly ddl?: string;
  /** Of the rows of `sale` that are kept. */
  readonly where?: string;
  /** The stream is applied between snapshots that are held for so long. */
  readonly during?: string;
}
const ways: readonly Way[] = [
  { name: 'one lane' },
  { name: 'the stream between snapshots', during: '4s' },
  { name: 'a filter by the key', where: 'mod(id, 7) <> 3' },
  { name: 'lanes by key', sink: '    apply: { lanes: 3, by: key }' },
  {
    name: 'DDL that is followed',
    ddl: 'ALTER TABLE visit ADD COLUMN extra int DEFAULT 7; CREATE INDEX sale_v ON sale (v)',
  },
  {
    name: 'DDL, a filter and lanes, the stream between snapshots',
    sink: '    apply: { lanes: 3, by: key }',
    during: '5s',
    where: 'mod(id, 7) <> 3',
    ddl: 'ALTER TABLE visit ADD COLUMN extra int DEFAULT 7; CREATE INDEX sale_v ON sale (v); ALTER TABLE tiny ADD COLUMN late text',
  },
  {
    name: 'lanes by group',
    sink: '    apply: { lanes: 2, by: group }',
    ddl: 'ALTER TABLE log ALTER what TYPE varchar(200)',
  },
];

async function begun({ sink, ddl, where, during }: Way): Promise<Migration> {
  const run = await migration({
    ...servers,
    source: `  snapshot: { workers: 2, chunk_size: 128kB, ledger_above: 256kB${during === undefined ? '' : `, max_age: ${during}, stream: during`} }`,
    ...(sink === undefined ? {} : { sink }),
    more: [
      `limit: { rate: ${!long ? '400kB' : during === undefined ? '2MB' : '500kB'}/s }`,
      ddl === undefined ? '' : 'ddl: follow',
      where === undefined ? '' : `transforms: [{ plugin: filter, tables: public.sale, where: '${where}' }]`,
    ].join('\n'),
  });
  await run.source.query(schema);
  return run;
}

/** Ends what the run has open on one side; it makes its connections again. */
const cutOff = (db: TestDatabase) =>
  db.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'pgsluice%'`);

/** Events of one table's ledger: how many ranges it has, and how many of them were in when a run began. */
const ledgerOf = (events: readonly Record<string, unknown>[], table: string) =>
  events.filter((event) => event['table'] === `public.${table}`).map(({ ranges, done }) => [ranges, done]);

/** Waits until a range of `sale` is in, or the copy is through. */
async function rangesIn(target: TestDatabase, run: CliProcess): Promise<void> {
  while (!run.events('table-copied').some(({ table }) => table === 'public.sale')) {
    const [row] = await target.query<{ n: string }>(
      `SELECT count(*)::text AS n FROM pgsluice.chunk WHERE source = 'public.sale' AND exact_at IS NOT NULL`,
    );
    if (Number(row?.n ?? 0) > 0) return;
    await pause(50);
  }
}

/** Processes that take part in the copy, in the long form; any of them may be killed, and another takes its place. */
class Workers {
  readonly #file: string;
  readonly #all: CliProcess[] = [];

  constructor(file: string, count: number) {
    this.#file = file;
    for (let i = 0; i < count; i++) this.add();
  }

  add(): void {
    this.#all.push(new CliProcess(['work', this.#file, '--log', 'json']));
  }

  async kill(): Promise<void> {
    const one = this.#all.shift();
    one?.process.kill('SIGKILL');
    await one?.ended;
    this.add();
  }

  /** With the copy, each by itself. Returns how many ranges they brought. */
  async ended(): Promise<number> {
    let ranges = 0;
    for (const worker of this.#all) {
      const { code, stderr } = await worker.ended;
      assert.equal(code, 0, stderr);
      ranges += Number(worker.events('work-ended')[0]?.['ranges'] ?? 0);
    }
    return ranges;
  }
}

/** How many ranges of `sale` were in when the run began, and how often the stream was applied between two snapshots. */
async function killed(
  run: Migration,
  random: () => number,
  { workers, within }: { readonly workers: Workers; readonly within: number },
): Promise<{ readonly resumed: number; readonly applied: number }> {
  const process = run.start();
  // Where all of the copy is in, the run follows.
  const begins = ['copy-started', 'stream-started'].map((event) => process.until(event).catch(() => {}));
  await Promise.race([...begins, process.ended]);
  if (!long) await rangesIn(run.target, process);
  await pause(long ? 200 + random() * within : random() * 300);
  const kind = long ? Math.floor(random() * 4) : 0;
  if (kind === 3) await workers.kill();
  else if (kind > 0) {
    await cutOff(kind === 1 ? run.source : run.target);
    await pause(random() * 3000);
  }
  process.process.kill('SIGKILL');
  const { stderr } = await process.ended;
  if (kind === 0) assert.equal(stderr, '', 'a killed run had met no error of its own');
  const resumed = Number(ledgerOf(process.events('ledger'), 'sale')[0]?.[1] ?? 0);
  return { resumed, applied: process.events('stream-during').length };
}

test(`killed ${most} times in the copy, with writers that move keys between ranges and a TRUNCATE: what is in stays in, and all is equal (seed ${seed})`, async () => {
  const random = randomOf(seed);
  let resumed = 0;
  let shared = 0;
  let applied = 0;
  for (let kills = 0, round = 0; kills < most; round++) {
    const way = ways[round % ways.length]!;
    const run = await begun(way);
    const stop = new AbortController();
    const writer = write(run.source.url, random, stop.signal);
    const at = Math.floor(random() * 2);
    const workers = new Workers(run.file, long ? 2 : 0);
    for (let kill = 0; kill < 4 && kills < most; kill++, kills++) {
      const found = await killed(run, random, { workers, within: way.during === undefined ? 900 : 9000 });
      resumed += found.resumed;
      applied += found.applied;
      if (kill === at) await run.source.query('TRUNCATE log');
      // One by one: in one transaction its locks and the writer's would wait for each other.
      if (kill === at + 1) for (const sql of way.ddl?.split('; ') ?? []) await run.source.query(sql);
    }
    stop.abort();
    const written = await writer;
    const last = await run.run();
    shared += await workers.ended();
    for (const table of ['sale', 'visit']) {
      const [found] = ledgerOf(eventsOf(last, 'ledger'), table);
      if (found !== undefined) assert.ok(Number(found[0]) > 4, `${table} has ${found[0]} ranges`);
      resumed += Number(found?.[1] ?? 0);
    }
    if (way.during !== undefined) applied += eventsOf(last, 'stream-during').length;
    if (way.where !== undefined) await run.source.query(`DELETE FROM sale WHERE NOT (${way.where})`);
    assert.deepEqual(
      await hashes(run.target, tables),
      await hashes(run.source, tables),
      `round ${round}, ${way.name}, ${written} transactions`,
    );
    const cut = await run.verb('cutover');
    assert.equal(cut.code, 0, `${way.name}: ${cut.stdout}${cut.stderr}`);
    const valid = await run.target.query(`SELECT conname FROM pg_constraint WHERE contype = 'f' AND convalidated`);
    assert.deepEqual(valid, [{ conname: 'tiny_sale_fkey' }]);
  }
  assert.ok(resumed > 0, 'no run found a range that an earlier one had brought');
  if (long) assert.ok(shared > 0, 'no worker brought a range');
  if (most > 4) assert.ok(applied > 0, 'the stream was never applied between two snapshots');
});
