import type pg from 'pg';
import type { DigestQuery } from '../../core/postgres/digest-query.ts';
import type { RepairSink } from '../../core/api/sink.ts';
import { hashOf, nameSql, tableOf } from '../../core/postgres/digest-sql.ts';
import { bulkError } from './errors.ts';
import type { Sessions } from './sessions.ts';

/** Replaces rows that a verification found to differ. Sessions of the sink keep triggers and foreign keys out where they may. */
export class PostgresRepair implements RepairSink {
  readonly #sessions: Sessions;

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  async replace(
    query: DigestQuery,
    change: { readonly names: readonly string[]; readonly rows: readonly (readonly (string | null)[])[] },
    signal: AbortSignal,
  ): Promise<void> {
    const table = `${query.schema}.${query.table}`;
    if (!(await this.#sessions.powers()).replica) {
      throw bulkError('PGS3024', `${table} cannot be repaired row by row`, { where: { table } });
    }
    await this.#sessions.transaction(async (client) => {
      await client.query(await deleteSql(client, query), [change.names]);
      const insert = insertSql(query);
      for (const row of change.rows) {
        signal.throwIfAborted();
        await client.query(insert, row.slice(0, row.length - (query.computed ?? 0)));
      }
    }, true);
  }
}

/** All of one name first, so that values which two rows exchange under a unique index do not meet. */
async function deleteSql(client: pg.Client, query: DigestQuery): Promise<string> {
  const { rows } = await client.query<{ encoding: string }>(`SELECT current_setting('server_encoding') AS encoding`);
  const name = nameSql(query, hashOf(rows[0]!.encoding));
  return `DELETE FROM ${query.only ? 'ONLY ' : ''}${tableOf(query)} WHERE ${name} = ANY ($1::text[])`;
}

function insertSql(query: DigestQuery): string {
  const written = query.columns.slice(0, query.columns.length - (query.computed ?? 0));
  if (written.length === 0) return `INSERT INTO ${tableOf(query)} DEFAULT VALUES`;
  const values = written.map((_, i) => `$${i + 1}`).join(', ');
  const columns = written.join(', ');
  // An identity column that is always generated takes the source's value, too.
  return `INSERT INTO ${tableOf(query)} (${columns}) OVERRIDING SYSTEM VALUE VALUES (${values})`;
}
