/**
 * `npm run bench:lanes -- [--workloads tpcb,indexed] [--transactions 20000] [--rows 100000] [--lanes 1,2,4,8] [--by key]
 * [--delays 0,10] [--rounds 1]`: a backlog behind a slot, replayed by so many lanes into a target on the loopback
 * interface and behind a proxy that keeps every byte back for so many milliseconds each way. Every result is compared with the source
 * row by row.
 */
import { parseArgs } from 'node:util';
import { ours } from './backlog/contenders.ts';
import { Field } from './backlog/field.ts';
import { indexedUpdates, tpcb, type Workload } from './backlog/workloads.ts';
import { Delay } from './support/delay.ts';
import { machine, table, writeResult } from './support/report.ts';
import { column, inTurn, median, type Sample } from './support/rounds.ts';

const { values: options } = parseArgs({
  options: {
    workloads: { type: 'string', default: 'tpcb,indexed' },
    transactions: { type: 'string', default: '20000' },
    rows: { type: 'string', default: '100000' },
    scale: { type: 'string', default: '5' },
    lanes: { type: 'string', default: '1,2,4,8' },
    by: { type: 'string', default: 'key' },
    delays: { type: 'string', default: '0,10' },
    rounds: { type: 'string', default: '1' },
    major: { type: 'string', default: '17' },
  },
});
const numbers = (text: string) => text.split(',').map(Number);
const made: Readonly<Record<string, () => Workload>> = {
  tpcb: () => tpcb(Number(options.transactions), Number(options.scale)),
  indexed: () => indexedUpdates(Number(options.rows)),
};

for (const name of options.workloads.split(',')) {
  const make = made[name.trim()];
  if (make === undefined) throw new Error(`unknown workload ${name}; there are: ${Object.keys(made).join(', ')}`);
  await measure(make());
}

async function measure(workload: Workload): Promise<void> {
  process.stdout.write(`\n${workload.what}, PostgreSQL ${options.major}, by ${options.by}\n`);
  await using field = await Field.prepare(workload, Number(options.major));
  for (const delay of numbers(options.delays)) {
    await using line = delay === 0 ? null : await Delay.start(field.target.port, delay);
    const contenders = numbers(options.lanes).map((lanes) => {
      const apply = lanes === 1 ? '' : `    apply: { lanes: ${lanes}, by: ${options.by} }\n`;
      return ours(field, String(lanes), { ...(line === null ? {} : { port: line.port }), sinkKeys: apply });
    });
    const samples = await inTurn(contenders, Number(options.rounds), (contender, round, sample) => {
      const figures = Object.entries(sample).map(([key, value]) => `${key} ${value === null ? '-' : value.toFixed(2)}`);
      process.stdout.write(`  ${delay} ms, round ${round + 1}, lanes ${contender}: ${figures.join(', ')}\n`);
    });
    const header = [
      'lanes',
      's in stream',
      'changes/s',
      'to one',
      'µs CPU a change: Node',
      'source',
      'target',
      'RSS MB',
    ];
    process.stdout.write(`\n${delay} ms each way\n${table([header, ...lines(samples, workload)])}`);
    const path = await writeResult(`lanes-${workload.name}-${delay}ms`, {
      workload: { what: workload.what, changes: workload.changes, by: options.by, delay },
      machine: machine(),
      samples: Object.fromEntries(samples),
    });
    process.stdout.write(`\n${path}\n`);
  }
}

function lines(samples: ReadonlyMap<string, readonly Sample[]>, { changes }: Workload): string[][] {
  const middle = (of: readonly Sample[], key: string) => median(column(of, key));
  const one = [...samples.values()][0]!;
  return [...samples].map(([lanes, of]) => {
    const stream = middle(of, 'stream');
    const cpu = (key: string) => ((middle(of, key) / changes) * 1e6).toFixed(1);
    return [
      lanes,
      stream.toFixed(2),
      String(Math.round(changes / stream)),
      `${(middle(one, 'stream') / stream).toFixed(2)}×`,
      cpu('cpu'),
      cpu('sourceCpu'),
      cpu('targetCpu'),
      String(Math.round(Math.max(...column(of, 'rss')) / 1e6)),
    ];
  });
}
