import type pg from 'pg';
import type { SchemaObject } from '../../../core/api/snapshot.ts';
import { qualified, quoteIdent, quoteLiteral, thisDatabase } from '../../../core/postgres/quote.ts';
import { settingSql } from '../../../core/postgres/roles.ts';
import { settingOf } from '../roles.ts';

/** Rows of one statement. */
const perObject = 500;

/**
 * Contents of the database that are not in a dump of its schema: rows that extensions keep for their users (manual:
 * "Extension Configuration Tables"), settings of the database and of roles in it, its comment and its grants. Each is
 * an object of the schema; the rows come before the indexes, as columns of tables may need them.
 */
export async function besideDump(client: pg.Client, snapshot: string | null): Promise<readonly SchemaObject[]> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  if (snapshot !== null) await client.query(`SET TRANSACTION SNAPSHOT ${quoteLiteral(snapshot)}`);
  const objects = [...(await configuration(client)), ...(await ofDatabase(client))];
  await client.query('COMMIT');
  return objects;
}

/** After the last object that is created before the rows. */
export function withBeside(objects: readonly SchemaObject[], beside: readonly SchemaObject[]): readonly SchemaObject[] {
  const at = objects.findIndex(({ section }) => section === 'post-data');
  const before = at === -1 ? objects : objects.slice(0, at);
  return [
    ...before,
    ...beside.filter(({ section }) => section === 'pre-data'),
    ...objects.slice(before.length),
    ...beside.filter(({ section }) => section === 'post-data'),
  ];
}

async function configuration(client: pg.Client): Promise<SchemaObject[]> {
  const { rows } = await client.query<
    Record<'extension' | 'schema' | 'name' | 'kind' | 'condition' | 'columns', string>
  >(
    `SELECT e.extname AS extension, n.nspname AS schema, c.relname AS name, c.relkind AS kind, coalesce(t.condition, '') AS condition,
            (SELECT json_agg(a.attname ORDER BY a.attnum)::text FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns
     FROM pg_extension e, unnest(e.extconfig, e.extcondition) WITH ORDINALITY AS t (oid, condition, i)
     JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'S') ORDER BY e.oid, t.i`,
  );
  const objects: SchemaObject[] = [];
  for (const { extension, schema, name, kind, condition, columns } of rows) {
    const statements =
      kind === 'S'
        ? await sequenceStatement(client, { schema, name })
        : await rowStatements(client, { schema, name, condition, columns: JSON.parse(columns ?? '[]') as string[] });
    for (let at = 0; at < statements.length; at += perObject) {
      const sql = statements.slice(at, at + perObject).join('\n');
      objects.push({ type: 'EXTENSION CONFIGURATION', schema, name, owner: extension, section: 'pre-data', sql });
    }
  }
  return objects;
}

async function sequenceStatement(client: pg.Client, name: { schema: string; name: string }): Promise<string[]> {
  const { rows } = await client.query<{ last: string; called: string }>(
    `SELECT last_value AS last, is_called::text AS called FROM ${qualified(name)}`,
  );
  return rows.map(
    ({ last, called }) => `SELECT pg_catalog.setval(${quoteLiteral(qualified(name))}, ${last}, ${called});`,
  );
}

/** Rows that the extension creates itself exist already. */
async function rowStatements(
  client: pg.Client,
  of: {
    readonly schema: string;
    readonly name: string;
    readonly condition: string;
    readonly columns: readonly string[];
  },
): Promise<string[]> {
  if (of.columns.length === 0) return [];
  const columns = of.columns.map(quoteIdent);
  const values = columns.map((column) => `quote_nullable(${column}::text)`).join(`, `);
  const { rows } = await client.query<{ row: string }>(
    `SELECT concat_ws(', ', ${values}) AS row FROM ${qualified(of)} ${of.condition}`,
  );
  const into = `INSERT INTO ${qualified(of)} (${columns.join(', ')}) OVERRIDING SYSTEM VALUE VALUES`;
  return rows.map(({ row }) => `${into} (${row}) ON CONFLICT DO NOTHING;`);
}

interface Setting {
  readonly role: string | null;
  readonly settings: string;
}

async function ofDatabase(client: pg.Client): Promise<SchemaObject[]> {
  const object = (type: string, name: string, sql: string): SchemaObject => {
    return { type, schema: null, name, owner: null, section: 'post-data', sql };
  };
  const { rows: settings } = await client.query<Setting & pg.QueryResultRow>(
    `SELECT r.rolname AS role, to_json(s.setconfig)::text AS settings FROM pg_db_role_setting s
     JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole
     WHERE d.datname = current_database() AND (s.setrole = 0 OR r.oid IS NOT NULL) ORDER BY r.rolname NULLS FIRST`,
  );
  const { rows } = await client.query<{ comment: string | null }>(
    `SELECT shobj_description(oid, 'pg_database') AS comment FROM pg_database WHERE datname = current_database()`,
  );
  const comment = rows[0]!.comment;
  const grants = await databaseGrants(client);
  return [
    ...settings.flatMap(({ role, settings: list }) =>
      (JSON.parse(list) as string[])
        .map(settingOf)
        // A fence of a cutover, or of a user who is about to switch over.
        .filter(({ name }) => role !== null || name !== 'default_transaction_read_only')
        .map((setting) => {
          if (role === null)
            return object(
              'DATABASE SETTING',
              setting.name,
              `ALTER DATABASE ${thisDatabase} SET ${settingSql(setting)};`,
            );
          const sql = `ALTER ROLE ${quoteIdent(role)} IN DATABASE ${thisDatabase} SET ${settingSql(setting)};`;
          return object('ROLE SETTING', `${role} ${setting.name}`, sql);
        }),
    ),
    ...(comment === null
      ? []
      : [
          object(
            'DATABASE COMMENT',
            'the database',
            `COMMENT ON DATABASE ${thisDatabase} IS ${quoteLiteral(comment)};`,
          ),
        ]),
    ...(grants.length === 0 ? [] : [object('ACL', 'DATABASE', grants.join('\n'))]),
  ];
}

/** Differences from the privileges that every new database has. */
async function databaseGrants(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<Record<'verb' | 'privilege' | 'grantee' | 'grantable', string>>(
    `WITH d AS (SELECT datdba, datacl, acldefault('d', datdba) AS own FROM pg_database WHERE datname = current_database()),
     has AS (SELECT x.* FROM d, aclexplode(datacl) x WHERE x.grantee <> datdba),
     had AS (SELECT x.* FROM d, aclexplode(own) x WHERE x.grantee <> datdba AND datacl IS NOT NULL),
     changed AS (
       SELECT 'REVOKE' AS verb, privilege_type, grantee, false AS grantable FROM had
       WHERE NOT EXISTS (SELECT FROM has WHERE has.grantee = had.grantee AND has.privilege_type = had.privilege_type)
       UNION ALL SELECT 'GRANT', privilege_type, grantee, is_grantable FROM has
       WHERE is_grantable OR NOT EXISTS (SELECT FROM had WHERE has.grantee = had.grantee AND has.privilege_type = had.privilege_type))
     SELECT verb, privilege_type AS privilege, grantable::text AS grantable,
            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee
     FROM changed ORDER BY verb DESC, 4, 2`,
  );
  return rows.map(({ verb, privilege, grantee, grantable }) =>
    verb === 'REVOKE'
      ? `REVOKE ${privilege} ON DATABASE ${thisDatabase} FROM ${grantee};`
      : `GRANT ${privilege} ON DATABASE ${thisDatabase} TO ${grantee}${grantable === 'true' ? ' WITH GRANT OPTION' : ''};`,
  );
}
