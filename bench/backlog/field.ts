import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalServer } from '../../core/servers/local-server.ts';
import { pgsluice, serverCpu } from '../support/processes.ts';
import type { Sample } from '../support/rounds.ts';
import { digestOf } from './digest.ts';
import { marker, type Workload } from './workloads.ts';

/** Name of slot and publication of the pipeline `bench`. */
export const slot = 'pgsluice_bench';
export const publication = slot;
const saved = 'bench_saved';
const savedText = 'bench_saved_text';

/** How the target is reached, and keys of the sink. */
export interface Way {
  readonly port?: number;
  readonly sinkKeys?: string;
}

/** What a contender leaves must be the same as the source; is told if it is not; nothing is applied. */
type Result = 'same' | 'tell' | 'none';

/**
 * Two servers with the same state and a backlog on the source behind slots that are never read themselves: every contender gets a copy of
 * a slot and a copy of the target, which holds the state of a pipeline that was stopped before the backlog was written.
 */
export class Field implements AsyncDisposable {
  readonly source: LocalServer;
  readonly target: LocalServer;
  readonly workload: Workload;
  readonly #folder: string;
  /** End of WAL behind the backlog. */
  until = '';
  /** Rows with this xmin, or a later one, are the backlog's. */
  firstXid = '';
  #expected = '';
  #copies = 0;

  private constructor(workload: Workload, servers: { source: LocalServer; target: LocalServer }, folder: string) {
    this.workload = workload;
    this.source = servers.source;
    this.target = servers.target;
    this.#folder = folder;
  }

  static async prepare(workload: Workload, major: number): Promise<Field> {
    // Autovacuum would meet one contender and not the next.
    const settings = { shared_buffers: '512MB', max_wal_size: '8GB', checkpoint_timeout: '30min', autovacuum: 'off' };
    const source = await LocalServer.start({ major, settings });
    const target = await LocalServer.start({ major, settings: { ...settings, wal_level: 'replica' } });
    const field = new Field(workload, { source, target }, await mkdtemp(join(tmpdir(), 'pgsluice-bench-')));
    await field.#prepare();
    return field;
  }

  async #prepare(): Promise<void> {
    const { source, target, workload } = this;
    for (const server of [source, target]) {
      await server.query('CREATE DATABASE start TEMPLATE template0');
      await server.query(workload.state, 'start');
      await server.query('VACUUM ANALYZE', 'start');
    }
    // Makes slot and publication, and ends at once. The rows are there on purpose.
    const skip = ['--skip-check', 'target-tables'];
    await pgsluice(['run', await this.file('start'), '--stop-at', 'now', '--log', 'json', ...skip]);
    await source.query(`SELECT pg_copy_logical_replication_slot('${slot}', '${saved}')`, 'start');
    await source.query(`SELECT pg_drop_replication_slot('${slot}')`);
    await source.query(`SELECT pg_create_logical_replication_slot('${savedText}', 'test_decoding')`, 'start');
    const [xid] = await source.query<{ xid: string }>('SELECT txid_current()::text AS xid', 'start');
    this.firstXid = xid!.xid;
    await source.query(workload.backlog, 'start');
    await source.query(`INSERT INTO ${marker} VALUES (1)`, 'start');
    await source.query('CHECKPOINT');
    const [end] = await source.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn()::text AS lsn');
    this.until = end!.lsn;
    this.#expected = await this.digest(source, 'start');
  }

  /** The pipeline file for a target database. */
  async file(database: string, { port, sinkKeys = '' }: Way = {}): Promise<string> {
    const path = join(this.#folder, `${database}.yaml`);
    const url = new URL(this.target.url(database));
    if (port !== undefined) url.port = String(port);
    await writeFile(
      path,
      `pipeline: bench
source:
  plugin: postgres
  url: ${this.source.url('start')}
  snapshot: { mode: never }
sinks:
  - plugin: postgres
    url: ${url.href}
    schema: existing
${sinkKeys}`,
    );
    return path;
  }

  /** Work on a fresh copy of target and slot; servers at rest before, the result compared after, neither counted. */
  async on(slotName: string, work: (database: string) => Promise<Sample>, result: Result = 'same'): Promise<Sample> {
    const { source, target } = this;
    const database = `copy_${++this.#copies}`;
    await target.query(`CREATE DATABASE ${database} TEMPLATE start`);
    await source.query(
      `SELECT pg_copy_logical_replication_slot('${slotName.endsWith('_text') ? savedText : saved}', '${slotName}')`,
      'start',
    );
    try {
      for (const server of [source, target]) await server.query('CHECKPOINT');
      const before = [source, target].map((server) => serverCpu(server.pid ?? 0) ?? 0);
      const sample = await work(database);
      const after = [source, target].map((server) => serverCpu(server.pid ?? 0) ?? 0);
      const difference = result === 'none' ? null : await this.#difference(database);
      if (difference !== null && result === 'same') throw new Error(difference);
      if (difference !== null) process.stdout.write(`  ${difference.replaceAll('\n', '\n    ')}\n`);
      return { ...sample, sourceCpu: after[0]! - before[0]!, targetCpu: after[1]! - before[1]! };
    } finally {
      await target.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
      await this.#dropSlot(slotName);
    }
  }

  /** Row by row: where a copy is not like the source; null: they are alike. */
  async #difference(database: string): Promise<string | null> {
    const found = await this.digest(this.target, database);
    return found === this.#expected ? null : `a replay is not like its source:\n${this.#expected}\n${found}`;
  }

  digest(server: LocalServer, database: string): Promise<string> {
    return digestOf(server, database, [...this.workload.tables, marker]);
  }

  /** The walsender may take a moment to leave. */
  async #dropSlot(name: string): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        await this.source.query(
          `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '${name}' AND active`,
        );
        await this.source.query(
          `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '${name}'`,
        );
        return;
      } catch (error) {
        if (tries === 50) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source.remove();
    await this.target.remove();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
