/**
 * `npm run bench:schema -- [--kinds objects,tables,partitions] [--size 1] [--rounds 3] [--major 15]`: databases whose time is in
 * the schema, copied whole by `pgsluice run` (snapshot.mode initial_only) and by `pg_dump | psql`, in turn, with an A/A control
 * (ours against ours). `--size 0.1` makes a tenth of the objects.
 */
import { parseArgs } from 'node:util';
import { LocalServer } from '../core/servers/local-server.ts';
import { shape } from './support/bulk-data.ts';
import { dumpPipe, ours } from './support/bulk-contenders.ts';
import { findProgram } from './support/processes.ts';
import { machine, table, writeResult } from './support/report.ts';
import { column, inTurn, median, type Sample } from './support/rounds.ts';
import { manyObjects, manyPartitions, manyTables, type SchemaKind } from './support/schema-data.ts';

const { values: options } = parseArgs({
  options: {
    kinds: { type: 'string', default: 'objects,tables,partitions' },
    size: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },
    major: { type: 'string', default: '15' },
  },
});
const of = (count: number): number => Math.max(1, Math.round(count * Number(options.size)));
const kinds = [manyObjects(of(300)), manyTables(of(5000)), manyPartitions(3, of(1000))];
const major = Number(options.major);
const reference = 'pg_dump | psql';
const [psql, dump] = ['psql', 'pg_dump'].map(findProgram);
if (!psql || !dump)
  process.stdout.write(`${reference} is left out: they are neither on PATH nor in /usr/lib/postgresql\n`);

const settings = {
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '30min',
  max_locks_per_transaction: '1024',
};
for (const kind of kinds.filter(({ name }) => options.kinds.split(',').includes(name))) await compare(kind);

async function compare(kind: SchemaKind): Promise<void> {
  await using source = await LocalServer.start({ major, settings });
  await using target = await LocalServer.start({ major, settings: { ...settings, wal_level: 'replica' } });
  for (const server of [source, target]) for (const role of kind.roles) await server.query(`CREATE ROLE ${role}`);
  await source.query('CREATE DATABASE bench TEMPLATE template0');
  await kind.fill(source, 'bench');
  process.stdout.write(`${kind.name}: ${kind.what}, PostgreSQL ${major} to ${major}\n`);
  const field = { source, target, database: 'bench', expected: await shape(source, 'bench'), workers: 4 };
  const contenders = [ours(field, 'ours', 'initial_only'), ours(field, 'ours again (A/A)', 'initial_only')];
  if (psql && dump) contenders.push(dumpPipe(field, { dump, psql }));
  const samples = await inTurn(contenders, Number(options.rounds), (name, round, sample) => {
    const figures = Object.entries(sample).map(([key, value]) => `${key} ${value === null ? '-' : value.toFixed(2)}`);
    process.stdout.write(`  round ${round + 1}  ${name}: ${figures.join(', ')}\n`);
  });
  const base = column(samples.get(reference) ?? [], 'seconds');
  const header = ['', 'seconds', 'range', 'ratio', 'client CPU s', 'source CPU s', 'target CPU s'];
  const rows = contenders.map(({ name }) => rowOf(name, samples.get(name)!, base));
  process.stdout.write(`\n${table([header, ...rows])}\n`);
  await writeResult(`schema-${kind.name}`, {
    title: kind.what,
    postgres: major,
    machine: machine(),
    contenders: contenders.map(({ name, what }) => ({ name, what, samples: samples.get(name) })),
  });
}

function rowOf(name: string, samples: readonly Sample[], base: readonly number[]): string[] {
  const seconds = column(samples, 'seconds');
  const middle = (key: string): string => {
    const values = column(samples, key);
    return values.length === 0 ? '-' : median(values).toFixed(2);
  };
  return [
    name,
    middle('seconds'),
    `${Math.min(...seconds).toFixed(2)}–${Math.max(...seconds).toFixed(2)}`,
    base.length === 0 ? '-' : (median(seconds) / median(base)).toFixed(2),
    ...['cpu', 'sourceCpu', 'targetCpu'].map(middle),
  ];
}
