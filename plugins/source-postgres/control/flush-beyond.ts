import { formatLsn } from '../../../core/postgres/lsn.ts';
import { quoteLiteral } from '../../../core/postgres/quote.ts';
import { primaryOf } from '../primary.ts';
import { type SourceAccess, withClient } from '../session.ts';
import { heartbeatContent } from './heartbeat.ts';

/** WAL pages (xlog_internal.h: XLOG_BLCKSZ). */
const page = 8192n;

/**
 * Makes the stream pass a position that is written but that it does not reach by itself. The WAL writer flushes whole
 * pages (XLogBackgroundFlush), so a flushed position may lie within a record that continues on the next page; the
 * walsender reads that record only when the rest is flushed, and on an idle server nothing does that until the
 * background writer logs its running transactions, every 15 seconds. A message of ours after it does it at once.
 */
export async function flushBeyond(access: SourceAccess, until: bigint): Promise<void> {
  await withClient(primaryOf(access), null, async (client) => {
    const { rows } = await client.query<{ written: string; flushed: string }>(
      `SELECT CASE WHEN pg_is_in_recovery() THEN false ELSE pg_current_wal_insert_lsn() >= $1::pg_lsn END AS written,
              CASE WHEN pg_is_in_recovery() THEN true ELSE pg_current_wal_flush_lsn() >= $1::pg_lsn END AS flushed`,
      [formatLsn(until)],
    );
    const { written, flushed } = rows[0]!;
    if (written !== 't' || (flushed === 't' && until % page !== 0n)) return;
    const message = `pg_logical_emit_message(true, 'pgsluice', ${quoteLiteral(heartbeatContent)})`;
    // Without waiting for a standby, which may not be connected.
    await client.query(`BEGIN; SET LOCAL synchronous_commit = local; SELECT ${message}; COMMIT`);
  });
}
