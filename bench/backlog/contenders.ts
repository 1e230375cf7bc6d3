import { fileURLToPath } from 'node:url';
import type { Contender, Sample } from '../support/rounds.ts';
import { nodeProgram, pgsluice } from '../support/processes.ts';
import { type Field, publication, slot, type Way } from './field.ts';
import { arrived, since, Watch } from './watch.ts';

/** `pgsluice run --stop-at now`, going on from the state that the copied target holds. */
export function ours(field: Field, name: string, way: Way = {}): Contender {
  const run = () =>
    field.on(slot, async (database): Promise<Sample> => {
      const file = await field.file(database, way);
      await using watch = await Watch.on(field.target.url(database));
      const from = Date.now();
      const seen = watch.for(arrived);
      const used = await pgsluice(['run', file, '--stop-at', 'now', '--log', 'json']).finally(() => watch.giveUp());
      const visible = await seen;
      const started = timeOf(used.stdout, 'stream-started');
      return {
        process: used.seconds,
        start: since(started, from),
        visible: since(visible, started),
        stream: since(timeOf(used.stdout, 'run-ended'), started),
        cpu: used.cpu,
        rss: used.rss,
      };
    });
  return { name, what: 'pgsluice run --stop-at now from a prepared checkpoint', run };
}

/** Milliseconds since 1970 at which the log has the event. */
export function timeOf(log: string, event: string): number {
  for (const line of log.split('\n')) {
    if (!line.startsWith('{')) continue;
    const entry = JSON.parse(line) as { event?: string; time?: string };
    if (entry.event === event) return Date.parse(entry.time ?? '');
  }
  throw new Error(`the log has no ${event}:\n${log.slice(0, 2000)}`);
}

/** PostgreSQL's own subscription on a copy of the slot. Its stream starts when it is enabled. */
export function native(field: Field): Contender {
  const name = 'bench_native';
  const run = () =>
    field.on(name, async (database): Promise<Sample> => {
      await using target = await Watch.on(field.target.url(database));
      await using source = await Watch.on(field.source.url());
      const query = (sql: string) => field.target.query(sql, database);
      await query(`CREATE SUBSCRIPTION s CONNECTION '${field.source.url('start')}' PUBLICATION ${publication}
        WITH (create_slot = false, slot_name = '${name}', copy_data = false, enabled = false)`);
      const from = Date.now();
      await query('ALTER SUBSCRIPTION s ENABLE');
      const visible = await target.for(arrived);
      const durable = await source.for(
        `SELECT 1 FROM pg_replication_slots WHERE slot_name = '${name}' AND confirmed_flush_lsn >= '${field.until}'`,
      );
      await query('ALTER SUBSCRIPTION s DISABLE');
      await query('ALTER SUBSCRIPTION s SET (slot_name = NONE)');
      await query('DROP SUBSCRIPTION s');
      return { visible: since(visible, from), stream: since(durable, from) };
    });
  return { name: 'native', what: 'CREATE SUBSCRIPTION on a copy of the slot, copy_data = false', run };
}

const program = fileURLToPath(new URL('./receive-only.ts', import.meta.url));

/** Received and decoded, not applied: what the source's walsender allows. */
export function receiveOnly(field: Field): Contender {
  const name = 'bench_receive';
  const run = () =>
    field.on(
      name,
      async (): Promise<Sample> => {
        const used = await nodeProgram(program, [field.source.url('start'), name, publication, field.until]);
        const { stream, changes } = JSON.parse(used.stdout) as { stream: number; changes: number };
        if (changes !== field.workload.changes + 1) throw new Error(`received ${changes} changes`);
        return { process: used.seconds, stream, visible: stream, cpu: used.cpu, rss: used.rss };
      },
      'none',
    );
  return { name: 'receive only', what: 'received and decoded by pgsluice, not applied', run };
}
