import pg from 'pg';
import type { PublishedTable } from '../../core/api/source.ts';
import { fromPg } from '../../core/postgres/pg-error.ts';
import { qualified, quoteIdent, quoteLiteral } from '../../core/postgres/quote.ts';
import { sourceError } from './errors.ts';
import { filterProblems, findProblems } from './publishable.ts';
import type { SourceAccess } from './session.ts';

const parameters = `publish = 'insert, update, delete, truncate', publish_via_partition_root = false`;

/**
 * Creates or alters the publication to exactly these tables, in one transaction: a refusal leaves the source as it was.
 * Nothing is altered where it is so already, as ALTER PUBLICATION makes every session read the tables' definitions anew.
 */
export async function publish(
  client: pg.Client,
  access: SourceAccess,
  tables: readonly PublishedTable[],
): Promise<void> {
  const version = await serverVersion(client);
  if (version < 150_000 && tables.some((table) => table.where !== null || table.columns !== null)) {
    throw sourceError('PGS2106', 'row filters and column lists in a publication need a source of version 15 or later');
  }
  // I10: before anything is changed.
  refuse('PGS2103', await findProblems(client, tables));
  const name = access.publication;
  try {
    await client.query('BEGIN');
    const { rows } = await client.query('SELECT FROM pg_publication WHERE pubname = $1', [name]);
    if (rows.length === 0) await client.query(createSql(name, tables));
    else if (!(await isSame(client, name, tables))) await client.query(alterSql(name, tables));
    if (version >= 150_000) refuse('PGS2106', await filterProblems(client, name));
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw publicationError(access, error);
  }
}

function refuse(code: 'PGS2103' | 'PGS2106', problems: readonly { what: string; remedy: string }[]): void {
  if (problems.length === 0) return;
  const [first] = problems;
  if (problems.length === 1) throw sourceError(code, first!.what, { remedy: first!.remedy });
  const message = problems.map(({ what, remedy }) => `${what}: ${remedy}`).join(' · ');
  throw sourceError(code, message, { remedy: 'Run the statements on the source.' });
}

function tableSql({ relation, where, columns }: PublishedTable): string {
  const list = columns === null ? '' : ` (${columns.map(quoteIdent).join(', ')})`;
  return `${qualified(relation)}${list}${where === null ? '' : ` WHERE (${where})`}`;
}

/** ONLY holds for each name: `FOR TABLE ONLY a, ONLY b`; a plain name would take children by inheritance, too. */
function tableList(tables: readonly PublishedTable[]): string {
  return tables.map((table) => `ONLY ${tableSql(table)}`).join(', ');
}

function createSql(name: string, tables: readonly PublishedTable[]): string {
  const list = tables.length === 0 ? '' : ` FOR TABLE ${tableList(tables)}`;
  return `CREATE PUBLICATION ${quoteIdent(name)}${list} WITH (${parameters})`;
}

function alterSql(name: string, tables: readonly PublishedTable[]): string {
  const set = `ALTER PUBLICATION ${quoteIdent(name)} SET (${parameters})`;
  if (tables.length > 0) return `ALTER PUBLICATION ${quoteIdent(name)} SET TABLE ${tableList(tables)}; ${set}`;
  return `DO ${quoteLiteral(`DECLARE t regclass; BEGIN FOR t IN SELECT r.prrelid FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE p.pubname = ${quoteLiteral(name)} LOOP EXECUTE format('ALTER PUBLICATION %I DROP TABLE ONLY %s', ${quoteLiteral(name)}, t); END LOOP; END`)}; ${set}`;
}

/** Only a publication without filters and lists on both sides is called the same. */
async function isSame(client: pg.Client, name: string, tables: readonly PublishedTable[]): Promise<boolean> {
  if (tables.some((table) => table.where !== null || table.columns !== null)) return false;
  const { rows } = await client.query<{ all: string; oids: string | null; plain: string }>(
    `SELECT p.puballtables::text AS all,
            (SELECT string_agg(r.prrelid::text, ',' ORDER BY r.prrelid) FROM pg_publication_rel r WHERE r.prpubid = p.oid)
              AS oids,
            (p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate AND NOT p.pubviaroot
             AND NOT EXISTS (SELECT FROM pg_publication_rel r
                             WHERE r.prpubid = p.oid AND (to_jsonb(r) ->> 'prqual' IS NOT NULL
                                                          OR to_jsonb(r) ->> 'prattrs' IS NOT NULL)))::text AS plain
     FROM pg_publication p WHERE p.pubname = $1`,
    [name],
  );
  const row = rows[0]!;
  const wanted = tables.map(({ relation }) => relation.oid).sort((a, b) => a - b);
  return row.all === 'false' && row.plain === 'true' && (row.oids ?? '') === wanted.join(',');
}

async function serverVersion(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ server_version_num: string }>('SHOW server_version_num');
  return Number(rows[0]!.server_version_num);
}

function publicationError(access: SourceAccess, error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  const object = `publication ${access.publication}`;
  const more = { where: { connection: access.name, object, sqlstate: error.code ?? '' }, cause: error };
  if (error.code === '42501') return sourceError('PGS2104', error.message, more);
  if (error.code === '55000') return sourceError('PGS2105', error.message, more);
  return fromPg(error, { connection: access.name, object });
}
