/**
 * `npm run bench:bulk -- [--scale 20] [--rounds 3] [--only ours,floor] [--workers 4] [--major 15]`: a whole copy (schema, rows, indexes,
 * constraints, ANALYZE) by us and by others, in turn, with an A/A control (ours against ours).
 * `-- --tables 5000`: as many small tables against pg_dump | psql.
 * Servers are the checkout's; psql, pg_dump and pgcopydb take part where they are found. BENCH_NODE_OPTIONS goes to our Node.
 */
import { parseArgs } from 'node:util';
import { LocalServer } from '../core/servers/local-server.ts';
import * as data from './support/bulk-data.ts';
import { dumpPipe, dumpRestore, type Field, floor, ours, pgcopydb } from './support/bulk-contenders.ts';
import { findProgram } from './support/processes.ts';
import { machine, table, writeResult } from './support/report.ts';
import { column, type Contender, inTurn, median, type Sample } from './support/rounds.ts';

const { values: options } = parseArgs({
  options: {
    scale: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '3' },
    tables: { type: 'string' },
    only: { type: 'string' },
    workers: { type: 'string', default: '4' },
    major: { type: 'string', default: '15' },
  },
});
const small = options.tables === undefined ? null : Number(options.tables);
const scale = Number(options.scale);

const settings = {
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '30min',
  max_locks_per_transaction: '256',
};
const major = Number(options.major);
await using source = await LocalServer.start({ major, settings });
await using target = await LocalServer.start({ major, settings: { ...settings, wal_level: 'replica' } });
const database = 'bench';
await source.query(`CREATE DATABASE ${database} TEMPLATE template0`);
if (small === null) await data.fill(source, database, scale);
else await data.fillSmall(source, database, small);
const [{ size }] = (await source.query<{ size: string }>(`SELECT pg_database_size('${database}')::text AS size`)) as [
  { size: string },
];
const title = small === null ? `scale ${scale}` : `${small} tables`;
process.stdout.write(`${title}, ${Math.round(Number(size) / 1e6)} MB with indexes, PostgreSQL ${major} to ${major}\n`);

const field: Field = {
  source,
  target,
  database,
  expected: await data.shape(source, database),
  workers: Number(options.workers),
};
const contenders = chosen(small === null ? wholeCopy() : smallTables());
const samples = await inTurn(contenders, Number(options.rounds), (name, round, sample) => {
  const figures = Object.entries(sample).map(([key, value]) => `${key} ${value === null ? '-' : short(value)}`);
  process.stdout.write(`  round ${round + 1}  ${name}: ${figures.join(', ')}\n`);
});

const base = samples.get(small === null ? 'floor' : 'pg_dump | psql') ?? [];
process.stdout.write(`\n${table([header(), ...contenders.map(({ name }) => row(name, samples.get(name)!))])}`);
const bare = column(base, 'data');
if (bare.length > 0) {
  process.stdout.write(
    `\nThe floor without foreign key and ANALYZE: ${short(median(bare))} s; ours to that: ${ratio(samples.get('ours') ?? [], bare)}\n`,
  );
}
const path = await writeResult(small === null ? `bulk-scale-${scale}` : `bulk-tables-${small}`, {
  title,
  bytes: Number(size),
  postgres: major,
  machine: machine(),
  contenders: contenders.map(({ name, what }) => ({ name, what, samples: samples.get(name) })),
});
process.stdout.write(`\n${path}\n`);

function wholeCopy(): Contender[] {
  const [psql, dump, restore, copydb] = ['psql', 'pg_dump', 'pg_restore', 'pgcopydb'].map(findProgram);
  const list = [
    ours(field, 'ours', 'initial_only'),
    ours(field, 'ours again (A/A)', 'initial_only'),
    ours(field, 'ours, with slot', 'initial'),
    // Pages against ranges of the key, in as many parts.
    ours(field, 'ours, 16MB of pages', 'initial', ', chunk_size: 16MB'),
    ours(field, 'ours, 16MB of keys', 'initial', ', chunk_size: 16MB, ledger_above: 1MB'),
  ];
  if (psql) list.push(floor(field, psql));
  else leaveOut('floor', 'psql');
  if (dump && restore) list.push(dumpRestore(field, { dump, restore }));
  else leaveOut('pg_dump | pg_restore', 'pg_dump');
  if (copydb) list.push(pgcopydb(field, copydb));
  else leaveOut('pgcopydb', 'pgcopydb');
  return list;
}

function smallTables(): Contender[] {
  const [psql, dump] = ['psql', 'pg_dump'].map(findProgram);
  const list = [ours(field, 'ours', 'initial_only'), ours(field, 'ours again (A/A)', 'initial_only')];
  if (psql && dump) list.push(dumpPipe(field, { dump, psql }));
  else leaveOut('pg_dump | psql', 'pg_dump');
  return list;
}

function leaveOut(row: string, program: string): void {
  process.stdout.write(`${row} is left out: ${program} is neither on PATH nor in /usr/lib/postgresql\n`);
}

function chosen(list: readonly Contender[]): readonly Contender[] {
  const wanted = options.only?.split(',').map((name) => name.trim());
  return wanted === undefined ? list : list.filter(({ name }) => wanted.includes(name));
}

function header(): string[] {
  return ['', 'seconds', 'range', 'ratio', 'client CPU s', 'CPU s/GB', 'peak RSS MB', 'source CPU s', 'target CPU s'];
}

function row(name: string, of: readonly Sample[]): string[] {
  const seconds = column(of, 'seconds');
  const bytes = column(of, 'bytes');
  const cpu = column(of, 'cpu');
  const rss = column(of, 'rss');
  const server = (key: string) => (column(of, key).length === 0 ? '-' : short(median(column(of, key))));
  return [
    name,
    short(median(seconds)),
    `${short(Math.min(...seconds))}–${short(Math.max(...seconds))}`,
    ratio(of, column(base, 'seconds')),
    cpu.length === 0 ? '-' : short(median(cpu)),
    bytes.length === 0 ? '-' : short(median(cpu) / (median(bytes) / 1e9)),
    rss.length === 0 ? '-' : String(Math.round(Math.max(...rss) / 1e6)),
    server('sourceCpu'),
    server('targetCpu'),
  ];
}

function ratio(of: readonly Sample[], to: readonly number[]): string {
  const seconds = column(of, 'seconds');
  return to.length === 0 || seconds.length === 0 ? '-' : short(median(seconds) / median(to));
}

function short(value: number): string {
  return value >= 1000 ? String(Math.round(value)) : value.toFixed(2);
}
