import type pg from 'pg';
import type { PlacedTable, SchemaStep, TableName } from '../../../core/api/schema-change.ts';
import type { TreeSink } from '../../../core/api/sink.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import type { Sessions } from '../sessions.ts';
import { type ExecuteOptions, executeStep } from './execute.ts';

/** The trees of the target: partitions and inheriting tables. */
export class PostgresTrees implements TreeSink {
  readonly #sessions: Sessions;
  readonly #options: ExecuteOptions;
  #disturbed = 0;

  constructor(sessions: Sessions, options: ExecuteOptions) {
    this.#sessions = sessions;
    this.#options = options;
  }

  get disturbed(): number {
    return this.#disturbed;
  }

  /** Takes a partition out of its tree. */
  async detach(table: TableName, signal: AbortSignal): Promise<readonly string[]> {
    const ran = await this.place([{ kind: 'detach', table, from: null }], signal);
    if (ran.length > 0) this.#disturbed++;
    return ran;
  }

  places(signal: AbortSignal): Promise<readonly PlacedTable[]> {
    signal.throwIfAborted();
    return this.#sessions.query(readPlaces);
  }

  async place(steps: readonly SchemaStep[], signal: AbortSignal): Promise<readonly string[]> {
    signal.throwIfAborted();
    const ran: string[] = [];
    await this.#sessions.transaction(async (client) => {
      for (const step of steps) {
        try {
          ran.push(...(await executeStep(client, step, this.#options)));
        } catch (error) {
          throw fromPg(error, { table: `${step.table.schema}.${step.table.name}` });
        }
      }
    }, true);
    return ran;
  }
}

/** A partition that is being detached (DETACH CONCURRENTLY) is no longer a member, as on the source. */
async function readPlaces(client: pg.Client): Promise<readonly PlacedTable[]> {
  const { rows } = await client.query<
    Record<'schema' | 'name' | 'partitioned', string> & Record<'parents' | 'bound', string | null>
  >(
    `SELECT n.nspname AS schema, c.relname AS name, (c.relkind = 'p')::text AS partitioned, pg_get_expr(c.relpartbound, c.oid) AS bound,
       (SELECT json_agg(json_build_object('schema', pn.nspname, 'name', p.relname) ORDER BY i.inhseqno)::text
        FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
        WHERE i.inhrelid = c.oid AND NOT i.inhdetachpending) AS parents
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
       AND n.nspname NOT IN ('information_schema', 'pgsluice')`,
  );
  return rows.map(({ schema, name, partitioned, parents, bound }) => ({
    schema,
    name,
    partitioned: partitioned === 'true',
    parents: JSON.parse(parents ?? '[]') as TableName[],
    bound: parents === null ? null : bound,
  }));
}
