import type pg from 'pg';
import type { PluginContext } from '../../../core/api/context.ts';
import type { ClaimedRange, OpenRange, TakenRange } from '../../../core/api/shared-copy.ts';
import { failpoint } from '../../../core/base/failpoint.ts';
import { formatLsn, type SnapshotLsn } from '../../../core/postgres/lsn.ts';
import type { Tuple } from '../../../core/postgres/tuple.ts';
import { loadWithin, withPlace } from '../load/load.ts';
import type { Sessions } from '../sessions.ts';
import type { Owner } from '../state.ts';

interface Claim {
  readonly range: ClaimedRange;
  readonly n: string;
  readonly source: string;
  readonly types: readonly number[];
}

export interface TakeMore {
  readonly owner: Owner;
  readonly context: PluginContext;
  readonly signal: AbortSignal;
}

/** See RangeSink.take. The claim is the lock of the range's row, so it ends with the transaction, however that ends. */
export async function takeRange(
  sessions: Sessions,
  ledgers: readonly string[],
  { exactAt, open }: { readonly exactAt: SnapshotLsn; readonly open: OpenRange },
  more: TakeMore,
): Promise<TakenRange | null> {
  return sessions.query(async (client) => {
    await client.query('BEGIN');
    const claim = await firstFree(client, more.owner, { ledgers, exactAt: formatLsn(exactAt) });
    if (claim === null) {
      await client.query('COMMIT');
      return null;
    }
    const { plan, copy } = await open(claim.range);
    try {
      const result = await loadWithin(client, plan, copy, { ...more, types: claim.types });
      await finish(client, more.owner, claim, { ...result, exactAt: formatLsn(copy.chunk.exactAt!) });
      await client.query('COMMIT');
      failpoint('loaded');
      return { ...result, ledger: claim.range.ledger };
    } catch (error) {
      throw withPlace(error, plan, copy, more.context);
    }
  });
}

/**
 * The table's row is locked as well, against {@link closeBelow}: after it had to wait, the condition on `least` is judged by the row as it
 * is then. The other condition keeps those away that would come as the lock is handed from one to the next.
 */
const free = `
  SELECT r.n, r.chunk, r.keys, r.bytes, r.source, to_json(t.columns)::text AS columns, to_json(t.types::bigint[])::text AS types,
    EXISTS (SELECT FROM pgsluice.chunk c WHERE (c.pipeline, c.sink, c.source, c.chunk) = (r.pipeline, r.sink, r.source, r.chunk))::text AS loaded
  FROM pgsluice.work_range r JOIN pgsluice.work_table t USING (pipeline, sink, source, ledger)
  WHERE r.pipeline = $1 AND r.sink = $2 AND r.ledger = $3 AND t.least <= $4::pg_lsn
    AND NOT EXISTS (SELECT FROM pgsluice.work w WHERE w.pipeline = $1 AND w.sink = $2 AND w.least > $4::pg_lsn)
  ORDER BY r.n LIMIT 1 FOR UPDATE OF r SKIP LOCKED FOR SHARE OF t SKIP LOCKED`;

type FreeRow = Readonly<Record<'n' | 'chunk' | 'keys' | 'bytes' | 'source' | 'columns' | 'types' | 'loaded', string>>;

async function firstFree(
  client: pg.Client,
  owner: Owner,
  { ledgers, exactAt }: { readonly ledgers: readonly string[]; readonly exactAt: string },
): Promise<Claim | null> {
  for (const ledger of ledgers) {
    for (;;) {
      const { rows } = await client.query<FreeRow>(free, [owner.pipeline, owner.sink, ledger, exactAt]);
      const [row] = rows;
      if (row === undefined) break;
      if (row.loaded === 'false') return claimOf(ledger, row);
      // A run gave its ranges out while another process finished this one.
      await client.query(
        'DELETE FROM pgsluice.work_range WHERE pipeline = $1 AND sink = $2 AND ledger = $3 AND n = $4',
        [owner.pipeline, owner.sink, ledger, row.n],
      );
    }
  }
  return null;
}

function claimOf(ledger: string, { n, source, chunk, ...row }: FreeRow): Claim {
  const [from, to] = JSON.parse(row.keys) as [Tuple | null, Tuple | null];
  const range = { ledger, chunk, from, to, bytes: Number(row.bytes), columns: JSON.parse(row.columns) as string[] };
  return { range, n, source, types: JSON.parse(row.types) as number[] };
}

/** I4: the position of a range commits with its rows, and with that it waits no longer. */
async function finish(
  client: pg.Client,
  owner: Owner,
  { range, n, source }: Claim,
  of: { readonly rows: bigint; readonly bytes: number; readonly exactAt: string },
): Promise<void> {
  await client.query(
    `WITH gone AS (DELETE FROM pgsluice.work_range WHERE pipeline = $1 AND sink = $2 AND ledger = $8 AND n = $9)
     INSERT INTO pgsluice.chunk (pipeline, sink, source, chunk, exact_at, rows, bytes) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [owner.pipeline, owner.sink, source, range.chunk, of.exactAt, String(of.rows), of.bytes, range.ledger, n],
  );
}

/** See RangeSink.closeBelow. Whoever has claimed a range holds the row of its table, which is waited for. */
export async function closeBelow(sessions: Sessions, { pipeline, sink }: Owner, at: SnapshotLsn): Promise<void> {
  const mine = 'WHERE pipeline = $1 AND sink = $2 AND least < $3::pg_lsn';
  const values = [pipeline, sink, formatLsn(at)];
  await sessions.query((client) => client.query(`UPDATE pgsluice.work SET least = $3::pg_lsn ${mine}`, values));
  await sessions.query((client) => client.query(`UPDATE pgsluice.work_table SET least = $3::pg_lsn ${mine}`, values));
}

/** See RangeSink.waiting. */
export async function waitingLedgers(
  client: pg.Client,
  owner: Owner,
  ledgers: readonly string[],
): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ ledger: string }>(
    `SELECT l.ledger FROM unnest($3::text[]) l (ledger)
     WHERE EXISTS (SELECT FROM pgsluice.work_range r WHERE r.pipeline = $1 AND r.sink = $2 AND r.ledger = l.ledger)`,
    [owner.pipeline, owner.sink, ledgers],
  );
  return new Set(rows.map(({ ledger }) => ledger));
}

/** See RangeSink.progress. */
export async function progressOf(
  client: pg.Client,
  owner: Owner,
  ledgers: readonly string[],
): Promise<ReadonlyMap<string, { readonly rows: bigint; readonly bytes: number }>> {
  const { rows } = await client.query<Record<'ledger' | 'rows' | 'bytes', string>>(
    `SELECT t.ledger, coalesce(sum(c.rows), 0)::bigint AS rows, coalesce(sum(c.bytes), 0)::bigint AS bytes
     FROM pgsluice.work_table t JOIN pgsluice.chunk c USING (pipeline, sink, source)
     WHERE pipeline = $1 AND sink = $2 AND t.ledger = ANY($3::text[]) AND c.exact_at IS NOT NULL GROUP BY t.ledger`,
    [owner.pipeline, owner.sink, ledgers],
  );
  return new Map(rows.map((row) => [row.ledger, { rows: BigInt(row.rows), bytes: Number(row.bytes) }]));
}
