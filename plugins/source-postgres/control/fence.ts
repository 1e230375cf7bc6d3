import type pg from 'pg';
import type { Json } from '../../../core/api/checkpoint.ts';
import type { FenceKind, WriteFence } from '../../../core/api/source.ts';
import { qualified, quoteIdent, quoteLiteral } from '../../../core/postgres/quote.ts';
import { type SourceAccess, withClient } from '../session.ts';
import { type Grant, grantSql, readGrants, revokeSql } from './grants.ts';

/** `previous`: the database's own setting before, null for none. */
type Plan =
  | { readonly kind: 'read_only'; readonly previous: string | null }
  | { readonly kind: 'terminate' }
  | { readonly kind: 'revoke'; readonly tables: readonly string[]; readonly grants: readonly Grant[] };

/** Our own sessions on the source are known by this and are never ended. */
const ours = `application_name LIKE 'pgsluice %'`;
const setting = 'default_transaction_read_only';
const lockTimeout = '10s';

/**
 * `read_only`: the database's default, for sessions to come, and an end to those that are there. `terminate`: only the end.
 * `revoke`: the privileges to write in the replicated tables, of their owners too; superusers keep theirs.
 */
export class PostgresFence implements WriteFence {
  readonly #access: SourceAccess;

  constructor(access: SourceAccess) {
    this.#access = access;
  }

  plan(kind: FenceKind, tables: readonly { readonly schema: string; readonly name: string }[]): Promise<Json> {
    return withClient(this.#access, null, async (client): Promise<Json> => {
      if (kind === 'terminate') return { kind };
      if (kind === 'read_only') return { kind, previous: await readSetting(client) };
      const { all, grants } = await readGrants(client, tables.map(qualified));
      return { kind, tables: all, grants: grants.map((grant) => ({ ...grant })) };
    });
  }

  up(saved: Json, signal: AbortSignal): Promise<readonly string[]> {
    const plan = saved as unknown as Plan;
    return withClient(this.#access, signal, async (client) => {
      if (plan.kind === 'revoke') return revoke(client, plan);
      const done: string[] = [];
      if (plan.kind === 'read_only') {
        const database = await databaseName(client);
        await client.query(`ALTER DATABASE ${quoteIdent(database)} SET ${setting} = on`);
        done.push(`database ${database} is read-only for new sessions`);
      }
      done.push(`${await endSessions(client)} sessions ended`);
      return done;
    });
  }

  down(saved: Json): Promise<readonly string[]> {
    const plan = saved as unknown as Plan;
    return withClient(this.#access, null, async (client) => {
      if (plan.kind === 'terminate') return [];
      if (plan.kind === 'revoke') {
        for (const sql of grantSql(plan.grants)) await client.query(sql);
        return [`privileges to write in ${plan.tables.length} tables given back`];
      }
      const database = await databaseName(client);
      const back = plan.previous === null ? `RESET ${setting}` : `SET ${setting} = ${quoteLiteral(plan.previous)}`;
      await client.query(`ALTER DATABASE ${quoteIdent(database)} ${back}`);
      return [`database ${database} can be written again by new sessions`];
    });
  }
}

/** The locks wait for writers that are under way; those that come meanwhile wait for us, and then have no privilege. */
async function revoke(client: pg.Client, plan: Extract<Plan, { kind: 'revoke' }>): Promise<readonly string[]> {
  await client.query(`BEGIN; SET LOCAL lock_timeout = '${lockTimeout}'`);
  try {
    for (const table of plan.tables) await client.query(`LOCK TABLE ONLY ${table} IN SHARE ROW EXCLUSIVE MODE`);
    for (const sql of revokeSql(plan.grants)) await client.query(sql);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
  return [`privileges to write in ${plan.tables.length} tables revoked`];
}

async function databaseName(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ name: string }>('SELECT current_database()::text AS name');
  return rows[0]!.name;
}

/** ALTER DATABASE … SET is kept in pg_db_role_setting as `name=value`. */
async function readSetting(client: pg.Client): Promise<string | null> {
  const { rows } = await client.query<{ value: string }>(
    `SELECT substr(c, ${setting.length + 2}) AS value FROM pg_db_role_setting s, unnest(s.setconfig) AS c
     WHERE s.setrole = 0 AND s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND c LIKE '${setting}=%'`,
  );
  return rows[0]?.value ?? null;
}

/** Resolves when they are gone: a transaction of theirs has then ended one way or the other. */
async function endSessions(client: pg.Client): Promise<number> {
  const others = `FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                  AND backend_type = 'client backend' AND NOT ${ours}`;
  const { rows } = await client.query<{ pid: string }>(`SELECT pid ${others}`);
  const pids = rows.map((row) => row.pid);
  if (pids.length === 0) return 0;
  for (let tries = 0; ; tries++) {
    const left = await client.query<{ pid: string }>(
      `SELECT pid, pg_terminate_backend(pid) ${others} AND pid = ANY ($1::int[])`,
      [pids],
    );
    if (left.rows.length === 0 || tries === 200) return pids.length - left.rows.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
