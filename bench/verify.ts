/**
 * `npm run bench:verify -- [--rows 2000000] [--rounds 5] [--major 17]`: `pgsluice verify` against the bare cost of a scan that hashes every
 * row, `SELECT count(*), sum(hashtextextended(t::text, 0)) FROM t`, on both sides at the same time, in turn. The goal is 1.3 times.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { LocalServer } from '../core/servers/local-server.ts';
import { pgsluice } from './support/processes.ts';
import { machine, table, writeResult } from './support/report.ts';
import { column, type Contender, inTurn, median } from './support/rounds.ts';

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '2000000' },
    rounds: { type: 'string', default: '5' },
    major: { type: 'string', default: '17' },
  },
});
const rows = Number(options.rows);
const major = Number(options.major);
const settings = { shared_buffers: '1GB', max_wal_size: '8GB' };
await using source = await LocalServer.start({ major, settings });
await using target = await LocalServer.start({ major, settings });
const database = 'bench';
for (const server of [source, target]) await server.query(`CREATE DATABASE ${database} TEMPLATE template0`);
await source.query(
  `CREATE TABLE t (id bigint PRIMARY KEY, account int NOT NULL, amount numeric(12,2), at timestamptz NOT NULL, body jsonb, token uuid, note text);
   INSERT INTO t SELECT g, g % 100000, g / 100.0, 'epoch'::timestamptz + g * interval '7.1 s',
     jsonb_build_object('n', g, 'city', 'Reykjavík'), md5(g::text)::uuid, repeat('n', g % 60) FROM generate_series(1, ${rows}) g`,
  database,
);
await source.query('VACUUM (FREEZE, ANALYZE)', database);
const folder = await mkdtemp(join(tmpdir(), 'pgsluice-bench-'));
try {
  const file = join(folder, 'pipeline.yaml');
  const text = `pipeline: bench_verify
source: { plugin: postgres, url: "${source.url(database)}" }
sinks: [{ plugin: postgres, url: "${target.url(database)}" }]
`;
  await writeFile(file, text);
  await pgsluice(['run', file, '--log', 'json', '--stop-at', 'now']);
  await target.query('VACUUM (FREEZE, ANALYZE) t', database);
  await compare(file);
  await pgsluice(['cleanup', file, '--yes']);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function compare(file: string): Promise<void> {
  const bare = 'SELECT count(*), sum(hashtextextended(t::text, 0)) FROM t';
  const contenders: Contender[] = [
    {
      name: 'bare scan',
      what: bare,
      run: async () => {
        const since = performance.now();
        await Promise.all([source.query(bare, database), target.query(bare, database)]);
        return { seconds: (performance.now() - since) / 1000 };
      },
    },
    {
      name: 'verify',
      what: 'pgsluice verify, seconds of its report: from the first message to the last row',
      run: async () => {
        const { stdout, seconds } = await pgsluice(['verify', file, '--json', '--fresh']);
        const report = JSON.parse(stdout) as { equal: boolean; seconds: number };
        if (!report.equal) throw new Error('the sides differ');
        return { seconds: report.seconds, process: seconds };
      },
    },
  ];
  await contenders[0]!.run();
  const samples = await inTurn(contenders, Number(options.rounds), (name, round, sample) => {
    process.stdout.write(`  round ${round + 1}  ${name}: ${JSON.stringify(sample)}\n`);
  });
  const seconds = (name: string) => median(column(samples.get(name)!, 'seconds'));
  const lines = contenders.map(({ name }) => [name, seconds(name).toFixed(2), ratio(seconds(name))]);
  process.stdout.write(`\n${table([[`${rows} rows`, 'seconds', 'to bare'], ...lines])}`);
  const measured = contenders.map(({ name, what }) => ({ name, what, samples: samples.get(name) }));
  const path = await writeResult('verify', { rows, postgres: major, machine: machine(), contenders: measured });
  process.stdout.write(`\n${path}\n`);

  function ratio(value: number): string {
    return (value / seconds('bare scan')).toFixed(2);
  }
}
