import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { serverCpu } from './support/processes.ts';
import { LocalServer } from '../core/servers/local-server.ts';
import { LocalBroker } from '../scripts/kafka/broker.ts';
import { LocalRegistry } from '../scripts/kafka/registry.ts';
import { kafkaVersions } from '../scripts/kafka/resolve.ts';

/**
 * `npm run bench:kafka [-- --rows 300000 --client platformatic,kafkajs --delivery at_least_once --compression none --partitions 6]`:
 * a table of 200-byte rows through `pgsluice run` into a broker, all servers on this machine. First the snapshot, then as
 * many inserts (fifty a transaction) that wait behind the slot: rows a second from the start of the copy, or of the stream,
 * to everything acknowledged, with the CPU time of pgsluice, of the broker and of PostgreSQL, and the largest resident memory of
 * pgsluice. `--serialization json,json_schema,avro,protobuf` measures each in turn (the last two with a registry from Maven). `--sink 'buffer: 16MB, batch_size: 256KB'` are more options of the sink, `--trees .,../other --rounds 3` runs several checkouts
 * in turn. BENCH_NODE_OPTIONS goes to Node, for profiles.
 */
const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '300000' },
    client: { type: 'string', default: 'platformatic' },
    delivery: { type: 'string', default: 'at_least_once' },
    compression: { type: 'string', default: 'none' },
    partitions: { type: 'string', default: '6' },
    format: { type: 'string', default: 'debezium' },
    major: { type: 'string', default: '17' },
    trees: { type: 'string', default: join(import.meta.dirname, '..') },
    rounds: { type: 'string', default: '1' },
    serialization: { type: 'string', default: 'json' },
    sink: { type: 'string', default: '' },
  },
});
const rows = Number(options.rows);

const values = `SELECT i, i % 9973, 'shipped', (i % 1000) + 0.50, '2026-01-02 03:04:05.123456+00'::timestamptz,
    'order number ' || i || ' of the benchmark, with a remark that is about so long',
    '221b Baker Street, London NW1 6XE, United Kingdom of Great Britain'`;

interface Ended {
  readonly events: readonly { readonly event: string; readonly time: string | number }[];
  /** Seconds. */
  readonly cpu: { readonly pgsluice: number; readonly broker: number; readonly postgres: number };
  readonly rss: number;
}

async function pgsluice(tree: string, file: string, directory: string): Promise<Ended> {
  const usage = join(directory, 'usage.json');
  const node = (process.env['BENCH_NODE_OPTIONS'] ?? '').split(' ').filter(Boolean);
  const preload = join(import.meta.dirname, 'support', 'usage-at-exit.ts');
  const verb = [join(tree, 'bin', 'pgsluice.js'), 'run', file, '--stop-at', 'now', '--log', 'json'];
  const before = servers();
  const child = spawn(process.execPath, [...node, '--import', preload, ...verb], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, BENCH_USAGE: usage },
  });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`pgsluice ended with ${code}`);
  const after = servers();
  const { cpu, rss } = JSON.parse(await readFile(usage, 'utf8')) as { cpu: number; rss: number };
  const lines = out.split('\n').filter((line) => line.startsWith('{'));
  return {
    events: lines.map((line) => JSON.parse(line) as Ended['events'][number]),
    cpu: { pgsluice: cpu, broker: after.broker - before.broker, postgres: after.postgres - before.postgres },
    rss,
  };
}

/** CPU seconds so far; 0 where it cannot be told. */
function servers(): { broker: number; postgres: number } {
  const of = (pid: number | null | undefined) => (pid ? (serverCpu(pid) ?? 0) : 0);
  return { broker: of(broker?.pid), postgres: of(server.pid) };
}

function seconds(ended: Ended, from: string, to: string): number {
  const at = (name: string) => new Date(ended.events.find(({ event }) => event === name)?.time ?? Number.NaN).getTime();
  return (at(to) - at(from)) / 1000;
}

function report(what: string, took: number, { cpu, rss }: Ended): void {
  const rate = Math.round(rows / took).toLocaleString('en');
  const each = Object.entries(cpu).map(([who, used]) => `${who} ${((used / rows) * 1e6).toFixed(1)}`);
  const memory = `${Math.round(rss / (1 << 20))} MB resident at most`;
  process.stdout.write(`  ${what}: ${rate}/s (µs of CPU each: ${each.join(', ')}; ${memory})\n`);
}

await using server = await LocalServer.start({ major: Number(options.major), settings: { fsync: 'off' } });
const named = process.env['KAFKA_BROKERS'];
const broker = named === undefined ? await LocalBroker.start(kafkaVersions.current) : null;
const brokers = named ?? broker?.address ?? '';
const directory = await mkdtemp(join(tmpdir(), 'pgsluice-bench-'));
const serializations = options.serialization.split(',');
const registered = serializations.some((one) => one === 'avro' || one === 'protobuf');
const registry = registered ? await LocalRegistry.start() : null;

/** Options that older checkouts do not have are left out where they are the default. */
function serializing(as: string): string {
  if (as === 'json') return '';
  const at = registry === null ? '' : `    registry: { url: "${registry.url}" }\n`;
  return `    key_format: ${as}\n    value_format: ${as}\n${at}`;
}

async function measure(
  tree: string,
  { client, serialization }: Record<'client' | 'serialization', string>,
): Promise<void> {
  const name = `bench_${client}_${Date.now().toString(36)}`;
  await server.query(`CREATE DATABASE ${name}`);
  await server.query(
    `CREATE TABLE orders (id bigint PRIMARY KEY, customer int, state text, amount numeric(12,2), placed_at timestamptz, note text, address text);
       INSERT INTO orders ${values} FROM generate_series(1, ${rows}) i`,
    name,
  );
  const file = join(directory, `${name}.yaml`);
  await writeFile(
    file,
    `pipeline: ${name}
source: { plugin: postgres, url: "${server.url(name)}", snapshot: { workers: 2, chunk_size: 16MB } }
sinks:
  - plugin: kafka
    brokers: [${brokers
      .split(',')
      .map((one) => `"${one}"`)
      .join(', ')}]
    client: ${client}
    delivery: ${options.delivery}
    compression: ${options.compression}
    partitions: ${options.partitions}
    format: ${options.format}
${serializing(serialization)}${options.sink
  .split(',')
  .filter(Boolean)
  .map((line) => `    ${line.trim()}\n`)
  .join('')}checkpoint: { plugin: file }
`,
  );
  const what = [client, options.delivery, options.compression, options.format, serialization].join(', ');
  process.stdout.write(`${what}, of ${tree}\n`);
  const copied = await pgsluice(tree, file, directory);
  report('snapshot rows', seconds(copied, 'copy-started', 'table-copied'), copied);
  await server.query(
    `DO $$ BEGIN FOR n IN 0..${Math.ceil(rows / 50) - 1} LOOP
         INSERT INTO orders ${values} FROM generate_series(${rows} + n * 50 + 1, ${rows} + n * 50 + 50) i; COMMIT;
       END LOOP; END $$`,
    name,
  );
  const followed = await pgsluice(tree, file, directory);
  report('changes', seconds(followed, 'stream-started', 'run-ended'), followed);
}

const runs = options.client
  .split(',')
  .flatMap((client) => serializations.map((serialization) => ({ client, serialization })))
  .flatMap((how) => options.trees.split(',').map((tree) => ({ ...how, tree: resolve(tree) })));
try {
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const { tree, ...how } of runs) await measure(tree, how);
  }
} finally {
  await broker?.remove();
  await registry?.remove();
  await rm(directory, { recursive: true, force: true });
}
