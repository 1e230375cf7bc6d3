import type pg from 'pg';
import { relationName } from '../../core/postgres/relation.ts';
import type { PublishedTable } from '../../core/api/source.ts';
import { qualified, quoteIdent } from '../../core/postgres/quote.ts';
import { type TableKeys, readKeys } from './catalog/identity.ts';

/** Why a table must not be published as it is, and the statement that mends it. */
export interface Problem {
  readonly table: string;
  readonly kind: 'unlogged' | 'replica-identity' | 'column-list';
  readonly what: string;
  readonly remedy: string;
}

/**
 * I10: a published table whose old rows cannot be told makes UPDATE and DELETE fail on the source. Reads the catalog as
 * it is now, not as it was at planning. An unlogged table cannot be in a publication at all.
 */
export async function findProblems(client: pg.Client, tables: readonly PublishedTable[]): Promise<readonly Problem[]> {
  const oids = tables.map(({ relation }) => relation.oid);
  const keys = await readKeys(client, oids);
  const { rows } = await client.query<string[]>({
    text: 'SELECT oid, relpersistence, relreplident FROM pg_class WHERE oid = ANY($1::oid[])',
    values: [`{${oids.join(',')}}`],
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  const now = new Map(rows.map(([oid, persistence, identity]) => [Number(oid), { persistence, identity: identity! }]));
  const problems: Problem[] = [];
  for (const table of tables) {
    const found = now.get(table.relation.oid);
    if (found === undefined) continue; // Dropped since: CREATE PUBLICATION says so.
    const name = relationName(table.relation);
    if (found.persistence === 'u') problems.push(unlogged(table, name));
    else if (!isUsable(found.identity, keys.get(table.relation.oid))) {
      problems.push(noIdentity(table, name, found.identity, keys.get(table.relation.oid)));
    } else if (table.columns !== null) problems.push(...listProblems(table, name));
  }
  return problems;
}

function isUsable(identity: string, keys: TableKeys | undefined): boolean {
  if (identity === 'f') return true;
  if (identity === 'd') return keys?.primaryKeyUsable === true;
  return identity === 'i' && keys !== undefined && keys.replicaIndex !== null;
}

function unlogged(table: PublishedTable, name: string): Problem {
  return {
    table: name,
    kind: 'unlogged',
    what: `${name} is unlogged, so it has no changes to stream`,
    remedy: `ALTER TABLE ${qualified(table.relation)} SET LOGGED; or leave it out with tables.exclude.`,
  };
}

function noIdentity(table: PublishedTable, name: string, identity: string, keys: TableKeys | undefined): Problem {
  const why =
    identity === 'n'
      ? 'has REPLICA IDENTITY NOTHING'
      : identity === 'i'
        ? 'has a REPLICA IDENTITY index that is gone or not usable'
        : (keys?.primaryKey.length ?? 0) > 0
          ? 'has a DEFERRABLE primary key, which is no replica identity'
          : 'has no primary key';
  return {
    table: name,
    kind: 'replica-identity',
    what: `${name} ${why}`,
    remedy: `ALTER TABLE ${qualified(table.relation)} REPLICA IDENTITY ${remedyIdentity(identity, keys)};`,
  };
}

function remedyIdentity(identity: string, keys: TableKeys | undefined): string {
  if (identity !== 'd' && keys?.primaryKeyUsable === true) return 'DEFAULT';
  const candidate = keys?.candidate ?? null;
  return candidate === null ? 'FULL' : `USING INDEX ${quoteIdent(candidate)}`;
}

/** A column list must hold the whole replica identity (manual: "Column Lists"). */
function listProblems({ relation, columns }: PublishedTable, name: string): Problem[] {
  const { identity } = relation;
  const missing =
    identity.kind === 'key'
      ? identity.positions.map((at) => relation.columns[at]!.name).filter((column) => !columns!.includes(column))
      : relation.columns.map((column) => column.name).filter((column) => !columns!.includes(column));
  if (missing.length === 0) return [];
  const what = `the column list of ${name} leaves out ${missing.join(', ')} of its replica identity`;
  return [{ table: name, kind: 'column-list', what, remedy: 'keep these columns.' }];
}

/**
 * Columns that a row filter of the publication reads outside of the replica identity: UPDATE and DELETE would fail on the
 * source (manual: "Row Filters", restrictions). The server notes in pg_depend what a filter reads, and once more each column
 * of a column list. For 15 and later.
 */
export async function filterProblems(
  client: pg.Client,
  publication: string,
): Promise<readonly { readonly what: string; readonly remedy: string }[]> {
  const { rows } = await client.query<Record<'schema' | 'name' | 'column', string>>(
    `SELECT n.nspname AS schema, c.relname AS name, a.attname AS column
     FROM pg_publication p
     JOIN pg_publication_rel r ON r.prpubid = p.oid
     JOIN pg_class c ON c.oid = r.prrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_depend d ON d.classid = 'pg_publication_rel'::regclass AND d.objid = r.oid
                     AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid > 0
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
     WHERE p.pubname = $1 AND c.relreplident <> 'f' AND NOT EXISTS (
       SELECT FROM pg_index i WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
         AND (CASE c.relreplident WHEN 'd' THEN i.indisprimary ELSE i.indisreplident END))
     GROUP BY 1, 2, 3, a.attnum, r.prattrs HAVING count(*) > (CASE WHEN a.attnum = ANY (r.prattrs) THEN 1 ELSE 0 END)`,
    [publication],
  );
  return rows.map(({ schema, name, column }) => ({
    what: `the row filter of ${schema}.${name} reads ${column}, which is not in its replica identity`,
    remedy: `ALTER TABLE ${qualified({ schema, name })} REPLICA IDENTITY FULL;`,
  }));
}
