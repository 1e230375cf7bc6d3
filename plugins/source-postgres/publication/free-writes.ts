import type pg from 'pg';
import type { PublicationTrouble } from '../../../core/api/source-control.ts';
import { qualified, quoteIdent } from '../../../core/postgres/quote.ts';
import { sourceError } from '../errors.ts';
import { isOurPublication } from '../ownership/publication-proof.ts';
import type { SourceAccess } from '../session.ts';
import { type Definition, readDefinition } from './definition.ts';
import { type Problem, definitionProblems, serverVersion } from './publishable.ts';

/** Milliseconds that removing a table may wait for a VACUUM or an index build of it, while writes fail. */
const patience = 2000;

export interface Suspected {
  readonly publication: string;
  readonly tables: readonly number[];
}

/**
 * I10: a table whose updates the server refuses because of our publication is removed from it at once. The pipeline
 * then stops: a stopped pipeline is better than failing writes in production.
 */
export async function freeWrites(
  client: pg.Client,
  access: SourceAccess,
  { publication, tables }: Suspected,
): Promise<readonly PublicationTrouble[]> {
  const definition = await readDefinition(client, publication);
  if (definition === null) return [];
  const version = await serverVersion(client);
  const problems = await definitionProblems(client, definition, { version, tables });
  if (problems.length === 0) return [];
  const done = isOurPublication(definition, publication, access.owner)
    ? await takeOut(client, publication, { definition, problems })
    : 'the publication is not ours to alter, so they still do';
  return problems.map((problem) => trouble(access, publication, { problem, done }));
}

function trouble(
  access: SourceAccess,
  publication: string,
  { problem, done }: { readonly problem: Problem; readonly done: string },
): PublicationTrouble {
  const { table, what, remedy } = problem;
  const error = sourceError('PGS2181', `${what}: UPDATE and DELETE on it failed, as it is published; ${done}`, {
    where: { connection: access.name, table, object: `publication ${publication}` },
    remedy: `${remedy.startsWith('ALTER ') ? `Run on the source: ${remedy}` : sentence(remedy)} Then copy what it missed: pgsluice resync FILE ${table}`,
  });
  return { kind: 'freed', error, tables: [table] };
}

function sentence(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** Returns what it did, in words. */
async function takeOut(
  client: pg.Client,
  name: string,
  { definition, problems }: { readonly definition: Definition; readonly problems: readonly Problem[] },
): Promise<string> {
  const alter = `ALTER PUBLICATION ${quoteIdent(name)}`;
  const entries = await entriesOf(client, definition, problems);
  try {
    await client.query(`SET lock_timeout = ${patience}; ${alter} DROP TABLE ${entries.join(', ')}`);
    return 'it was taken out of the publication';
  } catch {
    // Needs no lock on a table.
    await client.query(`${alter} SET (publish = 'insert, truncate')`);
    return 'as something holds a lock on it, the publication as a whole no longer publishes UPDATE and DELETE';
  } finally {
    await client.query('RESET lock_timeout');
  }
}

/** As ALTER PUBLICATION expects them: the tables, or the partitioned parents through which they are published. */
async function entriesOf(
  client: pg.Client,
  { tables }: Definition,
  problems: readonly Problem[],
): Promise<readonly string[]> {
  const { rows } = await client.query<{ schema: string; name: string }>(
    `WITH RECURSIVE up (oid) AS (
       SELECT unnest($1::oid[]) UNION SELECT i.inhparent FROM up JOIN pg_class c ON c.oid = up.oid AND c.relispartition
       JOIN pg_inherits i ON i.inhrelid = up.oid)
     SELECT DISTINCT n.nspname AS schema, c.relname AS name FROM up JOIN pg_class c USING (oid)
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ($2::oid[])`,
    [`{${problems.map(({ oid }) => oid).join(',')}}`, `{${tables.map(({ oid }) => oid).join(',')}}`],
  );
  return rows.map((row) => `ONLY ${qualified(row)}`);
}
