/**
 * `npm run bench:steady -- [--seconds 15] [--rounds 3] [--connections 4] [--scale 5] [--major 15] [--rate TPS]`: latency from commit on the
 * source to commit on the target, of every transaction, as both servers stamp their commits (track_commit_timestamp; one
 * machine, one clock). First writers without a pause find the rate at which source and pipeline together keep up on this
 * machine; then they write at half of it (or at --rate), and that is measured.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { tpcb } from './backlog/workloads.ts';
import { Writers, writerFunction, type Written } from './backlog/writers.ts';
import { LocalServer } from '../core/servers/local-server.ts';
import { machine, table, writeResult } from './support/report.ts';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '15' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '4' },
    scale: { type: 'string', default: '5' },
    major: { type: 'string', default: '15' },
    rate: { type: 'string' },
  },
});
const seconds = Number(options.seconds);
const scale = Number(options.scale);
const major = Number(options.major);
const settings = { shared_buffers: '512MB', max_wal_size: '8GB', autovacuum: 'off', track_commit_timestamp: 'on' };

interface Measured {
  readonly perSecond: number;
  /** Milliseconds, in order. */
  readonly latencies: readonly number[];
}

await using source = await LocalServer.start({ major, settings });
await using target = await LocalServer.start({ major, settings: { ...settings, wal_level: 'replica' } });
const { state, tables } = tpcb(0, scale);
for (const server of [source, target]) {
  await server.query(state);
  await server.query('VACUUM ANALYZE');
}
await source.query(writerFunction);
const folder = await mkdtemp(join(tmpdir(), 'pgsluice-bench-'));
const run = await startRun();
try {
  await using writers = await Writers.connect(source.url(), scale, Number(options.connections));
  await settled(await writers.write(2, null));
  const most = options.rate === undefined ? await mostPerSecond(writers) : Number(options.rate) * 2;
  const rounds: Measured[] = [];
  for (let round = 0; round < Number(options.rounds); round++) {
    const written = await writers.write(seconds, most / 2);
    await settled(written);
    const measured = { perSecond: (written.to - written.from) / written.seconds, latencies: await latencies(written) };
    rounds.push(measured);
    process.stdout.write(`  round ${round + 1}: ${line(measured).join('  ')}\n`);
  }
  await compare();
  const header = ['', 'transactions/s', 'p50 ms', 'p90 ms', 'p99 ms', 'p99.9 ms', 'most ms'];
  const rows = rounds.map((measured, i) => [`round ${i + 1}`, ...line(measured)]);
  process.stdout.write(`\n${table([header, ...rows])}`);
  const path = await writeResult('steady', {
    postgres: major,
    machine: machine(),
    mostPerSecond: most,
    rounds: rounds.map(({ perSecond, latencies: of }) => ({
      perSecond,
      transactions: of.length,
      ...Object.fromEntries([50, 90, 99, 99.9, 100].map((p) => [`p${p}`, percentile(of, p)])),
    })),
  });
  process.stdout.write(`\n${path}\n`);
} finally {
  run.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
}

/** pgsluice, following; resolves when its stream has started. */
async function startRun(): Promise<ChildProcess> {
  const file = join(folder, 'pipeline.yaml');
  await writeFile(
    file,
    `pipeline: bench
source: { plugin: postgres, url: '${source.url()}', snapshot: { mode: never } }
sinks: [{ plugin: postgres, url: '${target.url()}', schema: existing }]
`,
  );
  const bin = fileURLToPath(new URL('../bin/pgsluice.js', import.meta.url));
  const args = [bin, 'run', file, '--log', 'json', '--skip-check', 'target-tables'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => child.kill('SIGKILL'));
  await new Promise<void>((resolve, reject) => {
    void once(child, 'exit').then(([code]) => reject(new Error(`pgsluice ended with ${String(code)}`)));
    child.stdout.on('data', (chunk: Buffer) => {
      if (chunk.includes('"stream-started"')) resolve();
    });
  });
  return child;
}

/** Transactions per second of source and pipeline together: until the last one is in the target. */
async function mostPerSecond(writers: Writers): Promise<number> {
  const from = performance.now();
  const written = await writers.write(Math.min(seconds, 10), null);
  await settled(written);
  const most = (written.to - written.from) / ((performance.now() - from) / 1000);
  const alone = (written.to - written.from) / written.seconds;
  process.stdout.write(`at most ${Math.round(most)} transactions/s (the source committed ${Math.round(alone)}/s)\n`);
  return most;
}

/** Waits until the target has all that was written. */
async function settled({ to }: Written): Promise<void> {
  const deadline = Date.now() + 300_000;
  for (;;) {
    const [row] = await target.query<{ n: string }>('SELECT count(*)::text AS n FROM pgbench_history');
    if (Number(row!.n) >= to) return;
    if (Date.now() > deadline) throw new Error(`the target has ${row!.n} of ${to} transactions`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function latencies({ from, to }: Written): Promise<readonly number[]> {
  const sql = `SELECT filler::int AS n, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 * 1000 AS at
    FROM pgbench_history WHERE filler::int >= ${from} AND filler::int < ${to}`;
  const [began, ended] = await Promise.all([source, target].map((one) => one.query<{ n: number; at: number }>(sql)));
  const commits = new Map(began!.map(({ n, at }) => [n, at]));
  if (ended!.length !== to - from) throw new Error(`the target has ${ended!.length} of ${to - from} transactions`);
  return ended!.map(({ n, at }) => at - commits.get(n)!).sort((a, b) => a - b);
}

function percentile(sorted: readonly number[], p: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil((sorted.length * p) / 100) - 1)]!;
}

function line({ perSecond, latencies: of }: Measured): string[] {
  return [String(Math.round(perSecond)), ...[50, 90, 99, 99.9, 100].map((p) => percentile(of, p).toFixed(1))];
}

/** Both sides row by row. */
async function compare(): Promise<void> {
  for (const name of tables) {
    const sql = `SELECT count(*)::text || ' ' || coalesce(sum(('x' || left(md5(t::text), 16))::bit(64)::bigint::numeric), 0)::text AS d FROM ${name} t`;
    const [one, other] = await Promise.all([source, target].map((server) => server.query<{ d: string }>(sql)));
    if (one![0]!.d !== other![0]!.d) throw new Error(`${name} differs: ${one![0]!.d} and ${other![0]!.d}`);
  }
}
