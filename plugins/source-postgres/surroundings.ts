import type pg from 'pg';
import type { Surroundings } from '../../core/api/check.ts';
import type { SourceCatalog } from '../../core/api/source.ts';
import { readRoles } from './roles.ts';

/** The properties of a server, beside the schema itself, that the chosen tables' schema needs. */
export async function readSurroundings(
  client: pg.Client,
  { tables, identity, excluded }: SourceCatalog,
  schemasExcept: readonly string[],
): Promise<Surroundings> {
  const list = async (sql: string, values: unknown[] = []): Promise<string[]> => {
    const { rows } = await client.query<{ name: string }>(sql, values);
    return rows.map(({ name }) => name);
  };
  const oids = [`{${tables.map(({ relation }) => relation.oid).join(',')}}`];
  const { rows: extensions } = await client.query<{ name: string; version: string }>(
    `SELECT extname AS name, extversion AS version FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1`,
  );
  const { rows } = await client.query<{ encoding: string; locale: string }>(
    `SELECT pg_encoding_to_char(encoding) AS encoding, datcollate || ' / ' || datctype AS locale
     FROM pg_database WHERE datname = current_database()`,
  );
  return {
    version: identity.version,
    encoding: rows[0]!.encoding,
    locale: rows[0]!.locale,
    schemas: await list(
      // Each object in a schema depends on it; the members of an extension are created with the extension.
      `SELECT DISTINCT nspname::text COLLATE "C" AS name FROM pg_depend d JOIN pg_namespace n ON n.oid = d.refobjid
       WHERE d.refclassid = 'pg_namespace'::regclass AND d.deptype = 'n' AND nspname !~ '^(pg_|information_schema$)' AND nspname <> ALL ($1)
         AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e')
       ORDER BY 1`,
      [schemasExcept],
    ),
    extensions,
    ...(await readRoles(client, excluded)),
    collations: await list(
      `SELECT DISTINCT l.collname AS name FROM pg_attribute a JOIN pg_collation l ON l.oid = a.attcollation
       WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
         AND l.collnamespace = 'pg_catalog'::regnamespace AND l.collname NOT IN ('default', 'C', 'POSIX') ORDER BY 1`,
      oids,
    ),
    bytes: tables.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
