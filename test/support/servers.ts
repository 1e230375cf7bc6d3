import { randomBytes } from 'node:crypto';
import { after } from 'node:test';
import pg from 'pg';
import { LocalServer } from '../../core/servers/local-server.ts';

/**
 * Servers for tests. A whole run (test/support/run.ts) starts one per major and names them in PGSLUICE_TEST_SERVERS; a
 * file that is run alone starts its own. Tests of one server share it and have databases of their own; a test that stops
 * or kills its server asks for one with {@link ownServer}.
 */
export interface TestServer {
  readonly major: number;
  url(database?: string, user?: string, password?: string): string;
  query<T extends pg.QueryResultRow = Record<string, unknown>>(sql: string, database?: string): Promise<T[]>;
}

/** A server of the whole run. With `standby`, pipelines read that one (test/support/standby-source.ts). */
export interface SharedServer {
  readonly major: number;
  readonly port: number;
  readonly standby: number | null;
}

const started = new Map<number, Promise<LocalServer>>();

/** By the major that tests ask for. */
export function shared(): Readonly<Record<string, SharedServer>> {
  return JSON.parse(process.env['PGSLUICE_TEST_SERVERS'] ?? '{}') as Record<string, SharedServer>;
}

/** The shared server of a major. */
export async function server(major = 17): Promise<TestServer> {
  const given = shared()[String(major)];
  if (given !== undefined) return remote(given);
  let own = started.get(major);
  if (own === undefined) {
    own = LocalServer.start({ major, settings: testSettings });
    // Not ended by a hook: a hook set inside a test runs at that test's end. The watchdog ends it with this process.
    started.set(major, own);
  }
  return own;
}

/** Settings of test servers: durability is tested by killing processes, not by pulling plugs. */
export const testSettings: Readonly<Record<string, string>> = { fsync: 'off', wal_sender_timeout: '20s' };

/** A server for one test file alone, removed at its end. */
export async function ownServer(major = 17, settings: Readonly<Record<string, string>> = {}): Promise<LocalServer> {
  const own = await LocalServer.start({ major, settings: { ...testSettings, ...settings } });
  after(() => own.remove());
  return own;
}

/** An empty database of a random name, dropped (with its slots) at the end of the file. `options`: more of CREATE DATABASE. */
export async function database(on: TestServer, prefix = 't', options = ''): Promise<TestDatabase> {
  const name = `${prefix}_${randomBytes(5).toString('hex')}`;
  await on.query(`CREATE DATABASE ${name} TEMPLATE template0 ${options}`);
  const made: TestDatabase = {
    name,
    url: on.url(name),
    server: on,
    query: (sql) => on.query(sql, name),
  };
  after(() => dropDatabase(made));
  return made;
}

export interface TestDatabase {
  readonly name: string;
  readonly url: string;
  readonly server: TestServer;
  query<T extends pg.QueryResultRow = Record<string, unknown>>(sql: string): Promise<T[]>;
}

/** With its slots; nothing happens where it is gone. For hooks that take away what databases depend on. */
export async function dropDatabase({ server: on, name }: TestDatabase): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await on.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`);
      await on.query(
        `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '${name}' AND NOT active`,
      );
      await on.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      return;
    } catch (error) {
      // A server of this file alone may have gone as a whole before this.
      if ((error as { code?: unknown }).code === 'ECONNREFUSED') return;
      if (tries === 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function remote({ major, port, standby }: SharedServer): TestServer {
  const url = (database = 'postgres', user = 'postgres', password = 'local-only') =>
    `postgres://${user}:${password}@127.0.0.1:${port}/${database}`;
  return {
    major,
    url,
    async query<T extends pg.QueryResultRow>(sql: string, database = 'postgres'): Promise<T[]> {
      const rows = await queryAt<T>(url(database), sql);
      if (standby === null || !ofTheServer.test(sql)) return rows;
      const more = await queryAt<T>(url(database).replace(`:${port}/`, `:${standby}/`), sql);
      const known = new Set(rows.map((row) => JSON.stringify(row)));
      return [...rows, ...more.filter((row) => !known.has(JSON.stringify(row)))];
    },
  };
}

/** What each server of a pair has of its own: the slots and sessions of a pipeline are on the standby. */
const ofTheServer = /pg_replication_slots|pg_stat_activity|pg_stat_replication/;

async function queryAt<T extends pg.QueryResultRow>(url: string, sql: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    const result = (await client.query<T>(sql)) as pg.QueryResult<T> | pg.QueryResult<T>[];
    return Array.isArray(result) ? (result.at(-1)?.rows ?? []) : result.rows;
  } finally {
    await client.end().catch(() => {});
  }
}
