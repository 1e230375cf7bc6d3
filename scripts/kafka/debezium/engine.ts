import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { watch } from '../../../core/servers/watchdog.ts';

const run = promisify(execFile);
const cache = join(import.meta.dirname, '..', '..', '..', '.cache', 'debezium');
/** The release of the connector. */
export const debeziumVersion = '3.7.0.Final';

/** Folder with Debezium's jars and our programs beside it, resolved with Maven; of several processes the first gives it its name. */
export async function resolveDebezium(version = debeziumVersion): Promise<string> {
  const folder = join(cache, version);
  const there = () =>
    access(join(folder, 'Consumer.class')).then(
      () => true,
      () => false,
    );
  if (await there()) return folder;
  const fresh = `${folder}.${process.pid}`;
  await mkdir(fresh, { recursive: true });
  try {
    const jars = join(fresh, 'jars');
    const maven = ['-B', '-q', '-f', join(import.meta.dirname, 'pom.xml'), `-Ddebezium.version=${version}`];
    await run('mvn', [...maven, 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${jars}`]);
    const programs = ['Engine.java', 'Consumer.java'].map((name) => join(import.meta.dirname, name));
    await run('javac', ['-cp', join(jars, '*'), '-d', fresh, ...programs]);
    await rename(fresh, folder);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    if (await there()) return folder;
    throw new Error(`Maven cannot resolve Debezium ${version}`, { cause: error });
  }
  return folder;
}

/** The records of topics, one topic after the other, as a consumer with Debezium's own deserializers reads them (Consumer.java). */
export async function readWithDebezium(brokers: string, topics: readonly string[]): Promise<readonly unknown[][]> {
  const folder = await resolveDebezium();
  const classPath = `${join(folder, 'jars', '*')}:${folder}`;
  const args = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-cp', classPath, 'Consumer', brokers, ...topics];
  const { stdout } = await run('java', args, { maxBuffer: 256 << 20 });
  const lines = stdout.split('\n').filter((line) => line.startsWith('['));
  return lines.map((line) => JSON.parse(line) as unknown[]);
}

export interface DebeziumOptions {
  /** Where its settings, its offsets and its log are kept; the same one goes on where an earlier one was stopped. */
  readonly directory: string;
  /** Topic prefix, name of the connector. */
  readonly name: string;
  readonly url: string;
  readonly brokers: string;
  /** Of the virtual machine; default: a heap of 512 MB. */
  readonly java?: readonly string[];
  /** Settings of the connector and, with `kafka.` before them, of the producer. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A Debezium that writes into Kafka; ends with this process, however that ends. */
export class DebeziumEngine implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #watchdog: ChildProcess;
  readonly #log: string[] = [];

  private constructor(child: ChildProcess) {
    this.#process = child;
    this.#watchdog = watch(child.pid!, []);
    child.stderr?.on('data', (chunk: Buffer) => this.#log.push(chunk.toString()));
  }

  static async start(options: DebeziumOptions): Promise<DebeziumEngine> {
    const folder = await resolveDebezium();
    const file = join(options.directory, 'debezium.properties');
    await writeFile(file, properties(options));
    const classPath = `${join(folder, 'jars', '*')}:${folder}`;
    const child = spawn('java', [...(options.java ?? ['-Xmx512m']), '-cp', classPath, 'Engine', file], {
      stdio: ['pipe', 'ignore', 'pipe'],
      env: { ...process.env, TZ: 'UTC' },
      detached: true,
    });
    if (child.pid === undefined) throw new Error('could not start java');
    return new DebeziumEngine(child);
  }

  get pid(): number {
    return this.#process.pid!;
  }
  get log(): string {
    return this.#log.join('');
  }
  get over(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** As a worker ends it: its offsets are kept. */
  async stop(): Promise<void> {
    if (!this.over) {
      const ended = once(this.#process, 'exit');
      this.#process.stdin?.end('\n');
      await ended;
    }
    this.#watchdog.kill('SIGKILL');
  }

  async kill(): Promise<void> {
    if (!this.over) {
      const ended = once(this.#process, 'exit');
      this.#process.kill('SIGKILL');
      await ended;
    }
    this.#watchdog.kill('SIGKILL');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

function properties({ directory, name, url, brokers, settings }: DebeziumOptions): string {
  const at = new URL(url);
  return Object.entries({
    name,
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'offset.storage': 'org.apache.kafka.connect.storage.FileOffsetBackingStore',
    'offset.storage.file.filename': join(directory, 'offsets.dat'),
    'database.hostname': at.hostname,
    'database.port': at.port,
    'database.user': decodeURIComponent(at.username),
    'database.password': decodeURIComponent(at.password),
    'database.dbname': at.pathname.slice(1),
    'topic.prefix': name,
    'slot.name': name,
    'plugin.name': 'pgoutput',
    'kafka.bootstrap.servers': brokers,
    'kafka.acks': 'all',
    ...settings,
  })
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}
