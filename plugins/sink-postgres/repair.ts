import type pg from 'pg';
import type { DigestQuery } from '../../core/postgres/digest-query.ts';
import type { RepairSink, Replacement } from '../../core/api/sink.ts';
import { boundsSql, hashOf, nameSql, tableOf } from '../../core/postgres/digest-sql.ts';
import { formatLsn } from '../../core/postgres/lsn.ts';
import { stateSchema } from '../../core/postgres/state-schema.ts';
import { bulkError } from './errors.ts';
import type { Sessions } from './sessions.ts';

/**
 * Replaces rows that a verification found to differ. The sink's sessions disable triggers and foreign keys if they may.
 * Otherwise triggers and rules are kept off by their tables, as for the stream, and foreign keys act: a row that others
 * refer to cannot be deleted for a moment, or would take them along.
 */
export class PostgresRepair implements RepairSink {
  readonly #sessions: Sessions;
  readonly #of: { readonly pipeline: string; readonly name: string };

  constructor(sessions: Sessions, of: { readonly pipeline: string; readonly name: string }) {
    this.#sessions = sessions;
    this.#of = of;
  }

  async replace(query: DigestQuery, change: Replacement, signal: AbortSignal): Promise<boolean> {
    const table = `${query.schema}.${query.table}`;
    if (!(await this.#sessions.powers()).replica && (await this.#sessions.query((c) => isReferenced(c, query)))) {
      throw bulkError('PGS3024', `${table} cannot be repaired row by row`, { where: { table } });
    }
    return this.#sessions.transaction(async (client) => {
      if (change.standing !== undefined && !(await this.#stands(client, change.standing))) return false;
      await client.query(await deleteSql(client, query), [change.names]);
      const insert = insertSql(query);
      for (const row of change.rows) {
        signal.throwIfAborted();
        await client.query(insert, row.slice(0, row.length - (query.computed ?? 0)));
      }
      return true;
    }, true);
  }

  /**
   * Whether nothing beyond this position was applied. The position rows of all lanes stay locked until the end, so that
   * later changes are committed after this (I2, I4). An applying session and a repairing one may wait for each other:
   * the repairing one gives up first.
   */
  async #stands(client: pg.Client, standing: bigint | null): Promise<boolean> {
    const { pipeline, name } = this.#of;
    await client.query(`SET LOCAL lock_timeout = '900ms'`);
    const { rows } = await client.query<{ beyond: string }>(
      `SELECT (coalesce(lsn, '0/0') > $3::pg_lsn)::text AS beyond FROM ${stateSchema}.position
       WHERE pipeline = $1 AND (sink = $2 OR starts_with(sink, $2 || '#')) ORDER BY sink FOR UPDATE`,
      [pipeline, name, standing === null ? null : formatLsn(standing)],
    );
    return rows.length > 0 && rows.every(({ beyond }) => beyond === 'false');
  }
}

/** Whether a foreign key refers to the table or to a partition of it. */
async function isReferenced(client: pg.Client, query: DigestQuery): Promise<boolean> {
  const { rows } = await client.query<{ found: string }>(
    `WITH RECURSIVE tree AS (
       SELECT $1::regclass::oid AS oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid
     ) SELECT EXISTS (SELECT FROM pg_constraint k JOIN tree ON k.confrelid = tree.oid WHERE k.contype = 'f')::text AS found`,
    [tableOf(query)],
  );
  return rows[0]!.found === 'true';
}

/** First all rows of a name are deleted, so that values which two rows exchange under a unique index do not collide. */
async function deleteSql(client: pg.Client, query: DigestQuery): Promise<string> {
  const { rows } = await client.query<{ encoding: string }>(`SELECT current_setting('server_encoding') AS encoding`);
  const name = nameSql(query, hashOf(rows[0]!.encoding));
  const conditions = [`${name} = ANY ($1::text[])`, ...boundsSql(query, query.key)];
  return `DELETE FROM ${query.only ? 'ONLY ' : ''}${tableOf(query)} WHERE ${conditions.join(' AND ')}`;
}

function insertSql(query: DigestQuery): string {
  const written = query.columns.slice(0, query.columns.length - (query.computed ?? 0));
  if (written.length === 0) return `INSERT INTO ${tableOf(query)} DEFAULT VALUES`;
  const values = written.map((_, i) => `$${i + 1}`).join(', ');
  const columns = written.join(', ');
  // A column GENERATED ALWAYS AS IDENTITY takes the source's value, too.
  return `INSERT INTO ${tableOf(query)} (${columns}) OVERRIDING SYSTEM VALUE VALUES (${values})`;
}
