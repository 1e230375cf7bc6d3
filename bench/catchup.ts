/**
 * `npm run bench:catchup -- [--workloads tpcb,inserts,updates] [--transactions 20000] [--rows 200000] [--scale 5] [--rounds 5]
 * [--major 15] [--only ours,native]`: a backlog behind slots, replayed on to the same starting state by us, by a native
 * subscription, by the target alone (the floor: one statement a table for the net changes) and, where it is on PATH, pgcopydb, in turn, with an A/A control (ours twice); every result is compared
 * with the source row by row.
 * `--workloads single --rows 5000000`: one transaction, for its memory.
 */
import { parseArgs } from 'node:util';
import { native, ours, receiveOnly } from './backlog/contenders.ts';
import { Field } from './backlog/field.ts';
import { floor } from './backlog/floor.ts';
import { followsTestDecoding, pgcopydb } from './backlog/pgcopydb.ts';
import { oneTransaction, tpcb, wideInserts, wideUpdates, type Workload } from './backlog/workloads.ts';
import { findProgram } from './support/processes.ts';
import { machine, table, writeResult } from './support/report.ts';
import { column, inTurn, median, type Sample } from './support/rounds.ts';

const { values: options } = parseArgs({
  options: {
    workloads: { type: 'string', default: 'tpcb,inserts,updates' },
    transactions: { type: 'string', default: '20000' },
    rows: { type: 'string', default: '200000' },
    scale: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '5' },
    major: { type: 'string', default: '15' },
    only: { type: 'string' },
  },
});
const rows = Number(options.rows);
const made: Readonly<Record<string, () => Workload>> = {
  tpcb: () => tpcb(Number(options.transactions), Number(options.scale)),
  inserts: () => wideInserts(rows),
  updates: () => wideUpdates(rows),
  single: () => oneTransaction(rows),
};

for (const name of options.workloads.split(',')) {
  const make = made[name.trim()];
  if (make === undefined) throw new Error(`unknown workload ${name}; there are: ${Object.keys(made).join(', ')}`);
  await measure(make());
}

async function measure(workload: Workload): Promise<void> {
  process.stdout.write(`\n${workload.what}, PostgreSQL ${options.major} to ${options.major}\n`);
  await using field = await Field.prepare(workload, Number(options.major));
  const all = [ours(field, 'ours'), native(field), receiveOnly(field), floor(field), ours(field, 'ours again (A/A)')];
  const copydb = findProgram('pgcopydb');
  if (copydb !== null && followsTestDecoding(copydb)) all.push(pgcopydb(field, copydb));
  else process.stdout.write('  left out: pgcopydb (none that reads test_decoding is on PATH)\n');
  const only = options.only?.split(',').map((one) => one.trim());
  const contenders = only === undefined ? all : all.filter((contender) => only.includes(contender.name));
  const samples = await inTurn(contenders, Number(options.rounds), (contender, round, sample) => {
    const figures = Object.entries(sample).map(([key, value]) => `${key} ${value === null ? '-' : short(value)}`);
    process.stdout.write(`  round ${round + 1}  ${contender}: ${figures.join(', ')}\n`);
  });
  const header = [
    '',
    's in stream',
    'range',
    'to last row',
    's in all',
    'changes/s',
    'to native',
    'to receive',
    'to floor',
    'Node CPU s',
  ];
  const lines = contenders.map((contender) => line(contender.name, samples, workload));
  process.stdout.write(`\n${table([[...header, 'RSS MB', 'source CPU s', 'target CPU s'], ...lines])}`);
  const path = await writeResult(`catchup-${workload.name}-${workload.changes}`, {
    workload: { what: workload.what, changes: workload.changes, transactions: workload.transactions },
    postgres: Number(options.major),
    machine: machine(),
    contenders: contenders.map(({ name, what }) => ({ name, what, samples: samples.get(name) })),
  });
  process.stdout.write(`\n${path}\n`);
}

/** Rates and ratios are by the time from the start of the stream to everything durable; `to last row` is until it is seen. */
function line(name: string, samples: ReadonlyMap<string, readonly Sample[]>, workload: Workload): string[] {
  const of = samples.get(name) ?? [];
  const stream = column(of, 'stream');
  if (stream.length === 0) return [name, 'failed', ...Array<string>(11).fill('-')];
  const middle = (key: string) => {
    const values = column(of, key);
    return values.length === 0 ? '-' : short(median(values));
  };
  const faster = (than: string) => {
    const other = column(samples.get(than) ?? [], 'stream');
    return other.length === 0 ? '-' : `${short(median(other) / median(stream))}×`;
  };
  const rss = column(of, 'rss');
  return [
    name,
    short(median(stream)),
    `${short(Math.min(...stream))}–${short(Math.max(...stream))}`,
    middle('visible'),
    middle('process'),
    String(Math.round(workload.changes / median(stream))),
    faster('native'),
    faster('receive only'),
    faster('floor'),
    middle('cpu'),
    rss.length === 0 ? '-' : String(Math.round(Math.max(...rss) / 1e6)),
    middle('sourceCpu'),
    middle('targetCpu'),
  ];
}

function short(value: number): string {
  return value >= 1000 ? String(Math.round(value)) : value.toFixed(2);
}
