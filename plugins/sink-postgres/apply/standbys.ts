import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { applyError } from './errors.ts';

/** Milliseconds that standbys may take before the run says so and tries again. */
const patience = 60_000;

/** Physical ones: a walsender that decodes keeps nothing. Null for a role that may not see them. */
const flushed = `
  SELECT count(*) FILTER (WHERE r.flush_lsn >= $1::pg_lsn) AS there, count(*) AS all, count(r.flush_lsn) AS seen
  FROM pg_stat_replication r
  WHERE NOT EXISTS (SELECT FROM pg_replication_slots s WHERE s.active_pid = r.pid AND s.slot_type = 'logical')`;

/** Until this many standbys have on their disks what the target has written so far. */
export async function flushedByStandbys(
  client: pg.Client,
  { count, name }: { readonly count: number; readonly name: string },
): Promise<void> {
  const { rows } = await client.query<{ at: string }>('SELECT pg_current_wal_insert_lsn() AS at');
  for (const deadline = Date.now() + patience; ; ) {
    const found = await client.query<Record<'there' | 'all' | 'seen', string>>(flushed, [rows[0]!.at]);
    const { there, all, seen } = found.rows[0]!;
    if (Number(there) >= count) return;
    if (Date.now() > deadline) {
      const blind = Number(seen) < Number(all) ? '; the role may not see how far they are (GRANT pg_monitor)' : '';
      throw applyError(
        'PGS3195',
        `${there} of ${count} standbys have flushed what was applied, ${all} are connected${blind}`,
        {
          where: { connection: name },
        },
      );
    }
    await sleep(20);
  }
}
