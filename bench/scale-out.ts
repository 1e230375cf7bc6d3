/**
 * `npm run bench:scale-out -- [--appliers 1,2,4] [--delays 0,10] [--rows 240000] [--tables 12] [--rounds 1]`: a backlog behind a slot
 * goes through a journal of as many partitions as tables, into a target on the loopback interface and behind a proxy that keeps every byte
 * back for so many milliseconds each way. The appliers wait when the reader begins. Every result is compared with the source row by row.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LocalServer } from '../core/servers/local-server.ts';
import { partitionOf } from '../plugins/sink-kafka/murmur2.ts';
import { LocalBroker } from '../scripts/kafka/broker.ts';
import { kafkaVersions } from '../scripts/kafka/resolve.ts';
import { timeOf } from './backlog/contenders.ts';
import { digestOf } from './backlog/digest.ts';
import { spread } from './backlog/workloads.ts';
import { Delay } from './support/delay.ts';
import { pgsluice, processCpu, serverCpu } from './support/processes.ts';
import { machine, table, writeResult } from './support/report.ts';
import { column, inTurn, median, type Sample } from './support/rounds.ts';

const { values: options } = parseArgs({
  options: {
    appliers: { type: 'string', default: '1,2,4' },
    delays: { type: 'string', default: '0,10' },
    rows: { type: 'string', default: '240000' },
    tables: { type: 'string', default: '12' },
    rounds: { type: 'string', default: '1' },
    major: { type: 'string', default: '17' },
  },
});
const numbers = (text: string) => text.split(',').map(Number);
const workload = spread(Number(options.rows), onePerPartition(Number(options.tables)));
const bin = fileURLToPath(new URL('../bin/pgsluice.js', import.meta.url));
const settings = { shared_buffers: '512MB', max_wal_size: '8GB', checkpoint_timeout: '30min', autovacuum: 'off' };

await using made = new AsyncDisposableStack();
const folder = await mkdtemp(join(tmpdir(), 'pgsluice-bench-'));
made.defer(() => rm(folder, { recursive: true, force: true }));
const server = async () => {
  const one = await LocalServer.start({
    major: Number(options.major),
    settings: { ...settings, max_replication_slots: '60' },
  });
  made.defer(() => one.remove());
  return one;
};
const [source, target] = [await server(), await server()];
const broker = await LocalBroker.start(kafkaVersions.current);
made.defer(() => broker.remove());

/** A reader of its own, with its slot in front of the backlog. */
async function reader(name: string): Promise<string> {
  const path = join(folder, `${name}.yaml`);
  const sink = `{ plugin: kafka, brokers: ["${broker.address}"], format: pgsluice, partitions: ${options.tables}, compression: lz4 }`;
  await writeFile(
    path,
    `pipeline: ${name}
source: { plugin: postgres, url: "${source.url('start')}", snapshot: { mode: never } }
sinks: [${sink}]
checkpoint: { plugin: file, path: ${name}.json }
`,
  );
  await pgsluice(['run', path, '--stop-at', 'now', '--log', 'json']);
  return path;
}

async function applier(name: string, url: string): Promise<string> {
  const path = join(folder, `${name}-apply.yaml`);
  await writeFile(
    path,
    `pipeline: ${name}_apply
source: { plugin: kafka, brokers: ["${broker.address}"], topics: ["${name}.journal"], format: pgsluice, tables_from: "${url}" }
sinks: [{ plugin: postgres, url: "${url}", schema: existing }]
`,
  );
  return path;
}

/** A process that runs until it is told to end. */
class Running implements AsyncDisposable {
  readonly child: ChildProcess;
  #stdout = '';
  #stderr = '';

  constructor(file: string) {
    this.child = spawn(process.execPath, [bin, 'run', file, '--log', 'json'], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout!.on('data', (chunk: Buffer) => (this.#stdout += chunk.toString()));
    this.child.stderr!.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
  }

  async streaming(): Promise<void> {
    while (!this.#stdout.includes('"stream-started"')) {
      if (this.child.exitCode !== null) throw new Error(`an applier ended: ${this.#stderr}`);
      await sleep(20);
    }
  }

  get cpu(): number {
    return processCpu(this.child.pid!);
  }

  /** Peak resident bytes (Linux). */
  async rss(): Promise<number> {
    const status = await readFile(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await ended;
  }
}

/** Names of tables of which each partition of the journal gets one. */
function onePerPartition(count: number): readonly string[] {
  const names = new Map<number, string>();
  for (let i = 0; names.size < count; i++) {
    const at = partitionOf(Buffer.from(`public.part_${i}`), count);
    if (!names.has(at)) names.set(at, `part_${i}`);
  }
  return [...names.values()];
}

let copies = 0;

async function measure(
  count: number,
  port: number | null,
  file: { readonly path: string; readonly name: string },
): Promise<Sample> {
  const database = `copy_${++copies}`;
  await target.query(`CREATE DATABASE ${database} TEMPLATE start`);
  const url = new URL(target.url(database));
  if (port !== null) url.port = String(port);
  await using all = new AsyncDisposableStack();
  const path = await applier(file.name, url.href);
  const running = Array.from({ length: count }, () => all.use(new Running(path)));
  await Promise.all(running.map((one) => one.streaming()));
  // The group divides the partitions once more when the last one has come.
  await sleep(5000);
  for (const one of [source, target]) await one.query('CHECKPOINT');
  const before = {
    own: running.map(({ cpu }) => cpu),
    source: serverCpu(source.pid!),
    target: serverCpu(target.pid!),
    broker: processCpu(broker.pid!),
  };
  const read = await pgsluice(['run', file.path, '--stop-at', 'now', '--log', 'json']);
  const from = timeOf(read.stdout, 'stream-started');
  const done = await applied(database);
  const cpu = running.reduce((sum, one, i) => sum + one.cpu - before.own[i]!, 0);
  const rss = Math.max(...(await Promise.all(running.map((one) => one.rss()))));
  const sample = {
    seconds: (done - from) / 1000,
    read: (timeOf(read.stdout, 'run-ended') - from) / 1000,
    readerCpu: read.cpu,
    cpu,
    sourceCpu: serverCpu(source.pid!)! - before.source!,
    brokerCpu: processCpu(broker.pid!) - before.broker,
    targetCpu: serverCpu(target.pid!)! - before.target!,
    rss,
  };
  const [want, got] = [
    await digestOf(source, 'start', workload.tables),
    await digestOf(target, database, workload.tables),
  ];
  if (want !== got) throw new Error(`a replay is not like its source:\n${want}\n${got}`);
  return sample;
}

/** Each table's last update is the one of its highest row. */
async function applied(database: string): Promise<number> {
  const last = workload.tables.map((name) => `(SELECT n FROM ${name} ORDER BY id DESC LIMIT 1)`).join(' + ');
  for (;;) {
    const [row] = await target.query<{ all: string }>(`SELECT (${last})::text AS all`, database);
    if (Number(row!.all) === workload.tables.length) return Date.now();
    await sleep(10);
  }
}

for (const one of [source, target]) {
  await one.query('CREATE DATABASE start TEMPLATE template0');
  await one.query(workload.state, 'start');
  await one.query('VACUUM ANALYZE', 'start');
}
const rounds = Number(options.rounds);
const ways = numbers(options.delays).flatMap((delay) =>
  numbers(options.appliers).map((appliers) => ({ delay, appliers })),
);
const files = new Map<string, { path: string; name: string }[]>();
for (const { delay, appliers } of ways) {
  const some: { path: string; name: string }[] = [];
  for (let round = 0; round < rounds; round++) {
    const name = `b_${delay}_${appliers}_${round}`;
    some.push({ path: await reader(name), name });
  }
  files.set(`${delay} ${appliers}`, some);
}
await source.query(workload.backlog, 'start');
process.stdout.write(`\n${workload.what}, PostgreSQL ${options.major}\n`);
for (const delay of numbers(options.delays)) {
  await using line = delay === 0 ? null : await Delay.start(target.port, delay);
  const contenders = numbers(options.appliers).map((appliers) => ({
    name: String(appliers),
    what: `${appliers} processes`,
    run: () => measure(appliers, line?.port ?? null, files.get(`${delay} ${appliers}`)!.shift()!),
  }));
  const samples = await inTurn(contenders, rounds, (contender, round, sample) => {
    const figures = Object.entries(sample).map(([key, value]) => `${key} ${value === null ? '-' : value.toFixed(2)}`);
    process.stdout.write(`  ${delay} ms, round ${round + 1}, appliers ${contender}: ${figures.join(', ')}\n`);
  });
  const header = [
    'appliers',
    's',
    'changes/s',
    'to one',
    'µs CPU a change: source',
    'reader',
    'broker',
    'appliers',
    'target',
    'RSS MB',
  ];
  process.stdout.write(`\n${delay} ms each way\n${table([header, ...lines(samples)])}`);
  const content = { workload: { what: workload.what, changes: workload.changes, delay }, machine: machine() };
  process.stdout.write(
    `\n${await writeResult(`scale-out-${delay}ms`, { ...content, samples: Object.fromEntries(samples) })}\n`,
  );
}

function lines(samples: ReadonlyMap<string, readonly Sample[]>): string[][] {
  const middle = (of: readonly Sample[], key: string) => median(column(of, key));
  const one = [...samples.values()][0]!;
  return [...samples].map(([appliers, of]) => {
    const seconds = middle(of, 'seconds');
    const cpu = (key: string) => ((middle(of, key) / workload.changes) * 1e6).toFixed(1);
    return [
      appliers,
      seconds.toFixed(2),
      String(Math.round(workload.changes / seconds)),
      `${(middle(one, 'seconds') / seconds).toFixed(2)}×`,
      cpu('sourceCpu'),
      cpu('readerCpu'),
      cpu('brokerCpu'),
      cpu('cpu'),
      cpu('targetCpu'),
      String(Math.round(middle(of, 'rss') / 1e6)),
    ];
  });
}
