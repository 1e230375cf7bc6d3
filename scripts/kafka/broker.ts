import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../../core/servers/free-port.ts';
import { watch } from '../../core/servers/watchdog.ts';
import { takesPart } from './ready.ts';
import { cacheFolder, classPath, resolveKafka } from './resolve.ts';

const run = promisify(execFile);
const small = ['-Xms96m', '-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:-UsePerfData'];

export interface BrokerSettings {
  /**
   * Lines of server.properties on top of ours. `{port}` and `{controller}` in a value are ports of the node, and so is any other
   * name in braces, see {@link LocalBroker.ports}.
   */
  readonly properties?: Readonly<Record<string, string>>;
  /** `SCRAM-SHA-256=[name=…,password=…]`, made before the first start. */
  readonly scram?: readonly string[];
}

/** One Kafka node (KRaft, broker and controller in one) on the loopback interface; ends with this process, however that ends. */
export class LocalBroker implements AsyncDisposable {
  readonly version: string;
  /** By name, as the settings have them. */
  readonly ports: ReadonlyMap<string, number>;
  readonly #directory: string;
  readonly #classPath: string;
  #process: ChildProcess | null = null;
  #watchdog: ChildProcess | null = null;

  private constructor(at: { version: string; ports: Map<string, number>; directory: string; classPath: string }) {
    this.version = at.version;
    this.ports = at.ports;
    this.#directory = at.directory;
    this.#classPath = at.classPath;
  }

  static async start(version: string, settings: BrokerSettings = {}): Promise<LocalBroker> {
    const path = await classPath(await resolveKafka(version));
    for (let tries = 3; ; tries--) {
      const directory = await mkdtemp(join(tmpdir(), 'pgsluice-kafka-'));
      const broker = new LocalBroker({ version, ports: await freePorts(settings), directory, classPath: path });
      try {
        await broker.#format(settings);
        await broker.startAgain();
        return broker;
      } catch (error) {
        const ended = broker.#process !== null && broker.#process.exitCode !== null;
        await broker.remove();
        // A node needs seconds until it listens: somebody else may have taken a port that was free. It does not say why it ends.
        if (tries === 1 || !ended) throw error;
      }
    }
  }

  get port(): number {
    return this.ports.get('port') as number;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  /** Starts the node on the data that is there and waits until it takes part in its cluster. */
  async startAgain(): Promise<void> {
    const log = await open(join(this.#directory, 'broker.log'), 'a');
    const child = spawn('java', [...small, '-cp', this.#classPath, 'kafka.Kafka', this.#properties], {
      stdio: ['ignore', log.fd, log.fd],
      cwd: this.#directory,
      detached: true,
    });
    await log.close();
    this.#process = child;
    if (child.pid === undefined) throw new Error('could not start java');
    this.#watchdog = watch(child.pid, [this.#directory]);
    child.unref();
    await this.#ready(child);
  }

  /** SIGTERM is a controlled shutdown, SIGKILL a crash. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    if (child === null) return;
    this.#process = null;
    if (child.exitCode === null && child.signalCode === null) {
      child.ref();
      child.kill(signal);
      await Promise.race([
        once(child, 'exit'),
        sleep(20_000, undefined, { ref: false }).then(() => child.kill('SIGKILL')),
      ]);
    }
    // SIGKILL, not the end of its pipe: the data must survive a restart.
    this.#watchdog?.kill('SIGKILL');
    this.#watchdog = null;
  }

  async remove(): Promise<void> {
    await this.stop('SIGKILL');
    await rm(this.#directory, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.remove();
  }

  /** Runs a command-line class of the release, such as org.apache.kafka.tools.consumer.ConsoleConsumer; returns its stdout. */
  async tool(main: string, args: readonly string[]): Promise<string> {
    const { stdout } = await run('java', [...small, '-cp', this.#classPath, main, ...args], {
      maxBuffer: 64 << 20,
      cwd: this.#directory,
    });
    return stdout;
  }

  get #properties(): string {
    return join(this.#directory, 'server.properties');
  }

  async #format(settings: BrokerSettings): Promise<void> {
    const lines: Record<string, string> = {
      'process.roles': 'broker,controller',
      'node.id': '1',
      'controller.quorum.voters': '1@127.0.0.1:{controller}',
      'controller.listener.names': 'CONTROLLER',
      listeners: 'PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}',
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      'log.dirs': join(this.#directory, 'data'),
      'num.partitions': '3',
      'default.replication.factor': '1',
      'offsets.topic.replication.factor': '1',
      'offsets.topic.num.partitions': '1',
      'transaction.state.log.replication.factor': '1',
      'transaction.state.log.num.partitions': '1',
      'transaction.state.log.min.isr': '1',
      'group.initial.rebalance.delay.ms': '0',
      'auto.create.topics.enable': 'false',
      // After a crash the controller takes the node back only when its session has ended.
      'broker.heartbeat.interval.ms': '500',
      'broker.session.timeout.ms': '3000',
      ...settings.properties,
    };
    const text = Object.entries(lines).map(([name, value]) => `${name}=${this.#withPorts(value)}\n`);
    await writeFile(this.#properties, text.join(''));
    const data = join(this.#directory, 'data');
    // What formatting writes is the same for every node without users: once per release is enough.
    const formatted = join(cacheFolder, `${this.version}.formatted`);
    if (settings.scram === undefined && (await copied(formatted, data))) return;
    const id = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url');
    const scram = (settings.scram ?? []).flatMap((user) => ['--add-scram', user]);
    const args = ['format', '-t', id, '-c', this.#properties, ...scram];
    await this.tool('kafka.tools.StorageTool', args);
    if (settings.scram === undefined) await keep(data, formatted);
  }

  #withPorts(value: string): string {
    return value.replaceAll(named, (_, name: string) => String(this.ports.get(name)));
  }

  async #ready(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + 60_000;
    const others = [...this.ports.values()].filter((port) => port !== this.port);
    while (!(await takesPart([this.port, ...others]))) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
        const log = await readFile(join(this.#directory, 'broker.log'), 'utf8');
        throw new Error(`the broker did not start:\n${log.slice(-3000)}`);
      }
      await sleep(100);
    }
  }
}

/** A port in a value of the settings. */
const named = /\{(\w+)\}/g;

async function freePorts({ properties = {} }: BrokerSettings): Promise<Map<string, number>> {
  const ports = new Map<string, number>();
  const names = Object.values(properties).flatMap((value) =>
    [...value.matchAll(named)].map(([, name]) => name as string),
  );
  for (const name of new Set(['port', 'controller', ...names])) ports.set(name, await freePort());
  return ports;
}

/** Keeps a formatted folder for nodes to come. Several processes may do so at once: the first gives it its name, whole. */
async function keep(data: string, to: string): Promise<void> {
  const fresh = `${to}.${process.pid}`;
  await cp(data, fresh, { recursive: true });
  await rename(fresh, to).catch(() => rm(fresh, { recursive: true, force: true }));
}

/** Whether there was a formatted folder to copy. */
async function copied(from: string, to: string): Promise<boolean> {
  try {
    await readFile(join(from, 'meta.properties'));
    await cp(from, to, { recursive: true });
    return true;
  } catch {
    return false;
  }
}
