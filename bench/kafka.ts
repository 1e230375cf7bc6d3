import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import kafkajs from 'kafkajs';
import { withoutNegativeTimers } from '../plugins/sink-kafka/client/kafkajs-timers.ts';
import { LocalServer } from '../core/servers/local-server.ts';
import { LocalBroker } from '../scripts/kafka/broker.ts';
import { DebeziumEngine, resolveDebezium } from '../scripts/kafka/debezium/engine.ts';
import { LocalRegistry } from '../scripts/kafka/registry.ts';
import { kafkaVersions } from '../scripts/kafka/resolve.ts';
import { processCpu, serverCpu } from './support/processes.ts';
import { type Watched, watchTopic } from './support/topic-watch.ts';

/**
 * `npm run bench:kafka [-- --rows 300000 --client platformatic,kafkajs --delivery at_least_once --compression none --partitions 6]`:
 * a table of 200-byte rows through `pgsluice run` into a broker, all servers on this machine, and then through Debezium's embedded engine
 * where Maven can be reached (`--debezium no` leaves it out). First the snapshot, then as many inserts (fifty a transaction) that wait behind the
 * slot. Both tools are watched from outside in the same way: from the moment that a twentieth of the records is in the topic to the last one, records a
 * second, CPU of the tool, of the broker and of PostgreSQL; what came before (start, topic metadata) is printed by itself.
 * `--serialization json,json_schema,avro,protobuf` measures each in turn (the last two with a registry from Maven; Debezium writes the first two).
 * `--sink 'buffer: 16MB, batch_size: 256KB'` are more options of the sink, `--trees .,../other --rounds 3` runs several checkouts in turn.
 * BENCH_NODE_OPTIONS goes to Node, for profiles.
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
    debezium: { type: 'string', default: 'yes' },
    sink: { type: 'string', default: '' },
  },
});
const rows = Number(options.rows);
const values = `SELECT i, i % 9973, 'shipped', (i % 1000) + 0.50, '2026-01-02 03:04:05.123456+00'::timestamptz,
    'order number ' || i || ' of the benchmark, with a remark that is about so long',
    '221b Baker Street, London NW1 6XE, United Kingdom of Great Britain'`;

/** A tool that is measured: started, and ended as a user ends it. */
interface Running {
  readonly pid: number;
  readonly over: boolean;
  stop(): Promise<void>;
}

interface Contender {
  readonly title: string;
  /** Database, and topic prefix. */
  readonly name: string;
  start(): Promise<Running>;
}

withoutNegativeTimers();
await using server = await LocalServer.start({ major: Number(options.major), settings: { fsync: 'off' } });
const named = process.env['KAFKA_BROKERS'];
const broker = named === undefined ? await LocalBroker.start(kafkaVersions.current) : null;
const brokers = (named ?? broker!.address).split(',');
const directory = await mkdtemp(join(tmpdir(), 'pgsluice-bench-'));
const serializations = options.serialization.split(',');
const registered = serializations.some((one) => one === 'avro' || one === 'protobuf');
const registry = registered ? await LocalRegistry.start() : null;
let made = 0;
const nameOf = (what: string) => `bench_${what}_${Date.now().toString(36)}${made++}`;

function pgsluice(tree: string, how: { readonly client: string; readonly serialization: string }): Contender {
  const name = nameOf(how.client);
  const file = join(directory, `${name}.yaml`);
  const start = async () => {
    await writeFile(file, pipelineOf(name, how));
    const node = (process.env['BENCH_NODE_OPTIONS'] ?? '').split(' ').filter(Boolean);
    const verb = [join(tree, 'bin', 'pgsluice.js'), 'run', file, '--log', 'json'];
    const child = spawn(process.execPath, [...node, ...verb], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.on('close', (code) => void (code === 0 || process.stderr.write(said)));
    return running(child, () => child.kill('SIGTERM'));
  };
  const title = `pgsluice (${how.client}, ${options.delivery}, ${options.compression}, ${options.format}, ${how.serialization}), of ${tree}`;
  return { title, name, start };
}

function pipelineOf(name: string, { client, serialization }: { client: string; serialization: string }): string {
  const at = registry === null ? '' : `    registry: { url: "${registry.url}" }\n`;
  // Options that older checkouts do not have are left out where they are the default.
  const as =
    serialization === 'json' ? '' : `    key_format: ${serialization}\n    value_format: ${serialization}\n${at}`;
  const more = options.sink.split(',').filter(Boolean);
  return `pipeline: ${name}
source: { plugin: postgres, url: "${server.url(name)}", snapshot: { workers: 2, chunk_size: 16MB } }
sinks:
  - plugin: kafka
    brokers: [${brokers.map((one) => `"${one}"`).join(', ')}]
    client: ${client}
    delivery: ${options.delivery}
    compression: ${options.compression}
    partitions: ${options.partitions}
    format: ${options.format}
${as}${more.map((line) => `    ${line.trim()}\n`).join('')}checkpoint: { plugin: file }
`;
}

/** Batches and queues are larger than its defaults, as whoever measures it sets them. */
function debezium(serialization: string): Contender {
  const name = nameOf('debezium');
  const own = join(directory, name);
  const start = async () => {
    await mkdir(own, { recursive: true });
    const engine = await DebeziumEngine.start({
      directory: own,
      name,
      url: server.url(name),
      brokers: brokers.join(','),
      settings: {
        'publication.autocreate.mode': 'filtered',
        'max.batch.size': '8192',
        'max.queue.size': '32768',
        'snapshot.fetch.size': '10240',
        'schemas.enable': String(serialization === 'json_schema'),
        'kafka.batch.size': '524288',
        'kafka.linger.ms': '5',
        'kafka.buffer.memory': '67108864',
        'kafka.compression.type': options.compression,
      },
    });
    return {
      pid: engine.pid,
      stop: () => engine.stop(),
      get over() {
        return engine.over;
      },
    };
  };
  return { title: `Debezium 3.7.0 (embedded engine, ${serialization})`, name, start };
}

function running(child: ChildProcess, ask: () => void): Running {
  const ended = once(child, 'close');
  return {
    pid: child.pid!,
    get over() {
      return child.exitCode !== null || child.signalCode !== null;
    },
    async stop() {
      ask();
      await ended;
    },
  };
}

async function phase(contender: Contender, what: string, before: number): Promise<Watched> {
  const tool = await contender.start();
  try {
    const of = (pid: number | null | undefined) => (pid ? (serverCpu(pid) ?? 0) : 0);
    const watched = await watchTopic({
      brokers,
      topic: `${contender.name}.public.orders`,
      before,
      expected: rows,
      pid: tool.pid,
      cpu: () => ({ tool: processCpu(tool.pid), broker: of(broker?.pid), postgres: of(server.pid) }),
      alive: () => !tool.over,
    });
    report(what, watched);
    return watched;
  } finally {
    await tool.stop();
  }
}

function report(what: string, { start, perSecond, each, rss }: Watched): void {
  const rate = Math.round(perSecond).toLocaleString('en');
  const used = Object.entries(each).map(([who, micros]) => `${who} ${micros.toFixed(1)}`);
  const begun = `start ${start.seconds.toFixed(1)} s with ${start.cpu.toFixed(1)} s of CPU`;
  process.stdout.write(
    `  ${what}: ${rate}/s (µs of CPU each: ${used.join(', ')}; ${Math.round(rss / (1 << 20))} MB resident at most; ${begun})\n`,
  );
}

async function measure(contender: Contender): Promise<{ readonly snapshot: Watched; readonly stream: Watched }> {
  const { name, title } = contender;
  await server.query(`CREATE DATABASE ${name}`);
  await server.query(
    `CREATE TABLE orders (id bigint PRIMARY KEY, customer int, state text, amount numeric(12,2), placed_at timestamptz, note text, address text);
       INSERT INTO orders ${values} FROM generate_series(1, ${rows}) i`,
    name,
  );
  // Beforehand, for both: Debezium leaves it to the broker.
  const admin = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: `${name}.public.orders`, numPartitions: Number(options.partitions) }] });
  await admin.disconnect();
  process.stdout.write(`${title}\n`);
  const snapshot = await phase(contender, 'snapshot rows', 0);
  await server.query(
    `DO $$ BEGIN FOR n IN 0..${Math.ceil(rows / 50) - 1} LOOP
         INSERT INTO orders ${values} FROM generate_series(${rows} + n * 50 + 1, ${rows} + n * 50 + 50) i; COMMIT;
       END LOOP; END $$`,
    name,
  );
  return { snapshot, stream: await phase(contender, 'changes', rows) };
}

/** Both in this run. */
function compare(ours: Watched, theirs: Watched, what: string): void {
  const times = (a: number, b: number) => `${(a / b).toFixed(1)} times`;
  process.stdout.write(
    `  ${what} beside Debezium: ${times(ours.perSecond, theirs.perSecond)} its records a second, CPU ${times(theirs.each['tool']!, ours.each['tool']!)} less, memory ${times(theirs.rss, ours.rss)} less\n`,
  );
}

const withDebezium =
  options.debezium !== 'no' &&
  (await resolveDebezium().then(
    () => true,
    () => false,
  ));
if (!withDebezium) process.stdout.write('Debezium is left out\n');
try {
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const serialization of serializations) {
      const ours = [];
      const how = options.client
        .split(',')
        .flatMap((client) => options.trees.split(',').map((tree) => ({ client, tree })));
      for (const { client, tree } of how) ours.push(await measure(pgsluice(resolve(tree), { client, serialization })));
      if (!withDebezium || !['json', 'json_schema'].includes(serialization)) continue;
      const theirs = await measure(debezium(serialization));
      compare(ours[0]!.snapshot, theirs.snapshot, 'snapshot');
      compare(ours[0]!.stream, theirs.stream, 'stream');
    }
  }
} finally {
  await broker?.remove();
  await registry?.remove();
  await rm(directory, { recursive: true, force: true });
}
