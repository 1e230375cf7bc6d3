import { after } from 'node:test';
import pg from 'pg';
import { dropDatabase, type TestDatabase } from './servers.ts';

/** What managed services give: an owner who may replicate on the source, one who may make databases and roles on the target. */
export const sourceOwner = 'LOGIN REPLICATION';
export const targetOwner = 'LOGIN CREATEDB CREATEROLE';

export interface OwnedDatabase extends TestDatabase {
  readonly role: string;
}

/** The same database as a role of its own sees it, which owns it and is no superuser; both are gone at the end of the file. */
export async function ownedBy(database: TestDatabase, attributes: string): Promise<OwnedDatabase> {
  const { name, server } = database;
  const role = `owner_${name}`;
  await database.query(
    `CREATE ROLE ${role} ${attributes} PASSWORD 'local-only'; ALTER DATABASE ${name} OWNER TO ${role}; GRANT ALL ON SCHEMA public TO ${role}`,
  );
  after(async () => {
    await dropDatabase(database);
    await server.query(`DROP ROLE IF EXISTS ${role}`);
  });
  const url = server.url(name, role);
  return { name, server, url, role, query: (sql) => queryAs(url, sql) };
}

async function queryAs<T extends pg.QueryResultRow>(url: string, sql: string): Promise<T[]> {
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
