import type pg from 'pg';
import type { Json } from '../../../core/api/checkpoint.ts';
import type {
  ChangesBeyond,
  FenceGiven,
  FenceKind,
  FenceTable,
  OpenTransaction,
  WriteFence,
} from '../../../core/api/source-control.ts';
import { closingNote, openTables } from '../../../core/postgres/open-tables.ts';
import { qualified, quoteIdent, quoteLiteral } from '../../../core/postgres/quote.ts';
import { primaryOf, replayed } from '../primary.ts';
import { type SourceAccess, ask, withClient } from '../session.ts';
import { changesBeyond } from './changes-beyond.ts';
import { openTransactions } from './transactions.ts';
import { type Closing, type ClosedTable, close, closingObstacles, tablesToClose } from './closing.ts';
import { closingNames } from './closing-sql.ts';
import { type Grant, giveBack, readGrants, takeAway } from './grants.ts';
import { proveClosed } from './prove-closed.ts';

/** `previous`: the database's own setting before, null for none. */
type Extra =
  | { readonly kind: 'triggers' }
  | { readonly kind: 'read_only'; readonly previous: string | null }
  | { readonly kind: 'terminate' }
  | { readonly kind: 'revoke'; readonly grants: readonly Grant[] };

interface Plan {
  readonly extra: Extra;
  readonly tables: readonly ClosedTable[];
  readonly admits: string | null;
}

/** Our own sessions on the source are recognised by this and are never ended. */
const ours = `application_name LIKE 'pgsluice %'`;
const setting = 'default_transaction_read_only';

/**
 * All kinds close the tables by triggers, which hold for owners, superusers and existing sessions. `read_only` also
 * sets the database's default, for later sessions, and ends existing ones. `terminate`: only ends sessions. `revoke`:
 * revokes the privileges to write, also from owners.
 */
export class PostgresFence implements WriteFence {
  readonly #source: SourceAccess;
  /** Writers are on the primary. */
  readonly #access: SourceAccess;
  readonly #pipeline: string;

  constructor(access: SourceAccess) {
    this.#source = access;
    this.#access = primaryOf(access);
    this.#pipeline = access.application.replace(/^pgsluice /, '');
  }

  obstacles(_kind: FenceKind, tables: readonly FenceTable[], signal: AbortSignal): Promise<readonly string[]> {
    return withClient(this.#access, signal, async (client) =>
      closingObstacles(client, await tablesToClose(client, tables.map(qualified))),
    );
  }

  plan({ kind, tables, admits }: FenceGiven, signal: AbortSignal): Promise<Json> {
    return withClient(this.#access, signal, async (client): Promise<Json> => {
      const closed = await tablesToClose(client, tables.map(qualified));
      const plain = closed.map(({ schema, name, hasRows }) => ({ schema, name, hasRows }));
      const extra = await extraOf(client, kind, plain);
      return { extra: extra as unknown as Json, tables: plain, admits };
    });
  }

  up(
    saved: Json,
    signal: AbortSignal,
  ): Promise<{ readonly done: readonly string[]; readonly waitsFor: readonly OpenTransaction[] }> {
    const { extra, tables, admits } = saved as unknown as Plan;
    return withClient(this.#access, signal, async (client) => {
      const done: string[] = [];
      if (extra.kind === 'read_only') {
        const database = await databaseName(client);
        await client.query(`ALTER DATABASE ${quoteIdent(database)} SET ${setting} = on`);
        done.push(`database ${database} is read-only for new sessions`);
      }
      if (extra.kind === 'revoke') {
        await takeAway(client, extra.grants);
        done.push(`privileges to write in ${tables.length} tables revoked`);
      }
      if (extra.kind === 'read_only' || extra.kind === 'terminate') {
        done.push(`${await endSessions(client)} sessions ended`);
      }
      const waitsFor = await close(client, this.#closing(tables, admits), this.#access.application);
      return { done: [...done, `${tables.length} tables closed to writes`], waitsFor };
    });
  }

  prove(
    saved: Json,
    signal: AbortSignal,
  ): Promise<{ readonly open: readonly string[]; readonly roles: readonly string[] }> {
    const { tables, admits } = saved as unknown as Plan;
    return withClient(this.#access, signal, (client) => proveClosed(client, this.#closing(tables, admits)));
  }

  down(saved: Json, signal: AbortSignal): Promise<readonly string[]> {
    const { extra } = saved as unknown as Plan;
    return withClient(this.#access, signal, async (client) => {
      const done: string[] = [];
      const opened = await openTables(client, closingNames(this.#access.slot).function);
      if (opened > 0) done.push(`${opened} tables opened to writes again`);
      if (extra.kind === 'revoke') {
        const instead = await giveBack(client, extra.grants);
        done.push('privileges to write given back', ...instead.map((sql) => `by the owner: ${sql}`));
      }
      if (extra.kind === 'read_only') {
        const database = await databaseName(client);
        const back = extra.previous === null ? `RESET ${setting}` : `SET ${setting} = ${quoteLiteral(extra.previous)}`;
        await client.query(`ALTER DATABASE ${quoteIdent(database)} ${back}`);
        done.push(`database ${database} can be written again by new sessions`);
      }
      return done;
    });
  }

  transactions(tables: readonly FenceTable[], signal: AbortSignal): Promise<readonly OpenTransaction[]> {
    return ask(this.#access, signal, (client) => openTransactions(client, tables, this.#access.application));
  }

  async changesBeyond(at: bigint, signal: AbortSignal): Promise<readonly ChangesBeyond[]> {
    await replayed(this.#source, signal);
    return withClient(this.#source, signal, (client) => changesBeyond(client, this.#access, at));
  }

  /** The comment on the function proves its owner. What `revoke` took is known only to the lost note. */
  standing(
    take: boolean,
    signal: AbortSignal,
  ): Promise<{ readonly removed: readonly string[]; readonly left: readonly string[] }> {
    return withClient(this.#access, signal, async (client) => {
      const { function: name } = closingNames(this.#access.slot);
      const closed = await closedBy(client, name, this.#pipeline);
      if (closed === null) return { removed: [], left: [] };
      if (!take) {
        const drop = `DROP FUNCTION ${name}() CASCADE;`;
        const why = 'the slot is gone, so the cutover has had its GO';
        return { removed: [], left: [`fence of ${closed} tables: ${why}; to write here again: ${drop}`] };
      }
      await openTables(client, name);
      const reset = `ALTER DATABASE ${quoteIdent(await databaseName(client))} RESET ${setting};`;
      const readOnly = (await readSetting(client)) === 'on';
      return {
        removed: [`fence of ${closed} tables, which can be written again`],
        left: readOnly ? [`${setting} = on of the database; if the fence set it: ${reset}`] : [],
      };
    });
  }

  #closing(tables: readonly ClosedTable[], admits: string | null): Closing {
    return { slot: this.#access.slot, note: { pipeline: this.#pipeline, admits }, tables };
  }
}

async function extraOf(client: pg.Client, kind: FenceKind, tables: readonly ClosedTable[]): Promise<Extra> {
  if (kind === 'read_only') return { kind, previous: await readSetting(client) };
  if (kind === 'revoke') return { kind, grants: (await readGrants(client, tables.map(qualified))).grants };
  return { kind };
}

/** How many tables the function closes; null: it does not exist, or is not of this pipeline. */
async function closedBy(client: pg.Client, name: string, pipeline: string): Promise<number | null> {
  const { rows } = await client.query<{ note: string | null; tables: string }>(
    `SELECT obj_description(p.oid, 'pg_proc') AS note,
            (SELECT count(DISTINCT tgrelid) FROM pg_trigger WHERE tgfoid = p.oid) AS tables
     FROM pg_proc p WHERE p.oid = to_regproc($1)`,
    [name],
  );
  const [found] = rows;
  return found !== undefined && closingNote(found.note)?.pipeline === pipeline ? Number(found.tables) : null;
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

/** Resolves when the sessions have ended: their transactions are then committed or rolled back. */
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
