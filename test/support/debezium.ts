import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DebeziumEngine, resolveDebezium } from '../../scripts/kafka/debezium/engine.ts';
import type { TestDatabase } from './servers.ts';

/** Why there is no Debezium here; null: there is. To be called at the top of a file. */
export async function missingDebezium(): Promise<string | null> {
  return resolveDebezium().then(
    () => null,
    (error: Error) => error.message.slice(0, 300),
  );
}

/** A Debezium on a database, started and stopped by the test; its topic prefix, slot and publication have the database's name. */
export class TestDebezium {
  readonly #source: TestDatabase;
  readonly #brokers: string;
  readonly #directory: string;
  #engine: DebeziumEngine | null = null;

  private constructor(source: TestDatabase, brokers: string, directory: string) {
    this.#source = source;
    this.#brokers = brokers;
    this.#directory = directory;
  }

  static async of(source: TestDatabase, brokers: readonly string[]): Promise<TestDebezium> {
    const directory = await mkdtemp(join(tmpdir(), 'pgsluice-debezium-'));
    const made = new TestDebezium(source, brokers.join(','), directory);
    after(async () => {
      await made.kill();
      await rm(directory, { recursive: true, force: true });
    });
    return made;
  }

  /** Resolves when it streams. */
  async start(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    const { name, url } = this.#source;
    const engine = await DebeziumEngine.start({
      directory: this.#directory,
      name,
      url,
      brokers: this.#brokers,
      // It lives for seconds: what its compiler would win later costs more at the start.
      java: ['-Xmx512m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'],
      settings: {
        'publication.name': name,
        'slot.drop.on.stop': 'false',
        // Of a pipeline beside it; there is no topic for them.
        'message.prefix.exclude.list': 'pgsluice',
        'offset.flush.interval.ms': '500',
        ...settings,
      },
    });
    this.#engine = engine;
    const active = `SELECT 1 FROM pg_replication_slots WHERE slot_name = '${name}' AND active`;
    for (const end = Date.now() + 120_000; Date.now() < end; await sleep(200)) {
      if (engine.over) break;
      if ((await this.#source.query(active)).length === 1) return;
    }
    throw new Error(`Debezium does not stream:\n${engine.log.slice(-3000)}`);
  }

  async stop(): Promise<void> {
    await this.#engine?.stop();
    this.#engine = null;
  }

  async kill(): Promise<void> {
    await this.#engine?.kill();
    this.#engine = null;
  }
}
