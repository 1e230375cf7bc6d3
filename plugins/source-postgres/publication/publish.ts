import pg from 'pg';
import type { PublishedTable } from '../../../core/api/source-control.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { qualified, quoteIdent, quoteLiteral } from '../../../core/postgres/quote.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import type { PgsluiceError } from '../../../core/base/error.ts';
import { sourceError } from '../errors.ts';
import type { SourceAccess } from '../session.ts';
import { isOurPublication, makerOf, markPublication, publicationKey } from '../ownership/publication-proof.ts';
import { type Definition, readDefinition } from './definition.ts';
import { type Problem, definitionProblems, findProblems, serverVersion } from './publishable.ts';

/**
 * Parameters of every publication of ours. On 18 stored generated columns are published, so that a table with REPLICA
 * IDENTITY FULL, or with a key that includes one, can be written to (I10), also if the column is added later.
 */
export function parametersOf(version: number): string {
  const generated = version >= 180_000 ? ', publish_generated_columns = stored' : '';
  return `publish = 'insert, update, delete, truncate', publish_via_partition_root = false${generated}`;
}

/**
 * Creates or alters the publication to exactly these tables, in one transaction: after a refusal the source is
 * unchanged. Nothing is altered if the publication is right already, as ALTER PUBLICATION makes every session read the
 * tables' definitions again. A publication that this pipeline did not make is refused; if it may be `given`, it is used
 * if it is exactly what is wanted.
 */
export async function publish(
  client: pg.Client,
  access: SourceAccess,
  tables: readonly PublishedTable[],
  given: boolean,
): Promise<void> {
  const version = await serverVersion(client);
  if (version < 150_000 && tables.some((table) => table.where !== null || table.columns !== null)) {
    throw sourceError('PGS2106', 'row filters and column lists in a publication need a source of version 15 or later');
  }
  // I10: before anything is changed.
  refuse('PGS2103', await findProblems(client, tables, version));
  const name = access.publication;
  try {
    await client.query('BEGIN');
    const there = await readDefinition(client, name);
    if (there === null) {
      if (given) await refuseOlderSlot(client, access);
      await client.query(createSql(name, tables, version));
      await markPublication(client, name, access.owner);
    } else if (!isOurPublication(there, name, access.owner)) {
      if (!given) throw notOurs(access, there);
      const fits = there.whole ? await holdsAll(client, there, { name, tables }) : isSame(there, tables, null);
      if (!fits) throw notAsGiven(access, there, tables);
    } else if (!isSame(there, tables, version)) await client.query(alterSql(name, tables, version));
    const made = (await readDefinition(client, name))!;
    const oids = made.tables.map(({ oid }) => oid);
    refuse('PGS2106', await definitionProblems(client, made, { version, tables: oids }));
    await client.query('COMMIT');
    if (there === null) await access.owner.ownership?.note(publicationKey(name), made.oid);
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw publicationError(access, error);
  }
}

export function notOurs({ name, publication }: SourceAccess, there: Definition): PgsluiceError {
  return sourceError('PGS2180', `publication "${publication}" exists already: ${makerOf(there)}`, {
    where: { connection: name, object: `publication ${publication}` },
    remedy: `Choose another name with publication.name; or, if nobody needs it: DROP PUBLICATION ${quoteIdent(publication)};`,
  });
}

function notAsGiven(
  { name, publication }: SourceAccess,
  there: Definition,
  tables: readonly PublishedTable[],
): PgsluiceError {
  const what = there.whole ? 'all tables of the file' : 'just the tables of the file';
  const message = `publication "${publication}", which is taken as it is, does not publish ${what} with all that is done to them`;
  const list = tables.map(({ relation }) => `ONLY ${qualified(relation)}`).join(', ');
  const set = `publish = '${allActions}', publish_via_partition_root = false`;
  const alter = `ALTER PUBLICATION ${quoteIdent(publication)}`;
  return sourceError('PGS2180', message, {
    where: { connection: name, object: `publication ${publication}` },
    remedy: there.whole
      ? `${alter} SET (${set}); or choose another name with publication.name.`
      : `${alter} SET TABLE ${list}; ${alter} SET (${set}); or choose another name with publication.name.`,
  });
}

function refuse(code: 'PGS2103' | 'PGS2106', problems: readonly Problem[]): void {
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

/** ONLY applies to each name: `FOR TABLE ONLY a, ONLY b`; a plain name would include inheriting tables, too. */
function tableList(tables: readonly PublishedTable[]): string {
  return tables.map((table) => `ONLY ${tableSql(table)}`).join(', ');
}

function createSql(name: string, tables: readonly PublishedTable[], version: number): string {
  const list = tables.length === 0 ? '' : ` FOR TABLE ${tableList(tables)}`;
  return `CREATE PUBLICATION ${quoteIdent(name)}${list} WITH (${parametersOf(version)})`;
}

function alterSql(name: string, tables: readonly PublishedTable[], version: number): string {
  const set = `ALTER PUBLICATION ${quoteIdent(name)} SET (${parametersOf(version)})`;
  if (tables.length > 0) return `ALTER PUBLICATION ${quoteIdent(name)} SET TABLE ${tableList(tables)}; ${set}`;
  return `DO ${quoteLiteral(`DECLARE t regclass; BEGIN FOR t IN SELECT r.prrelid FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE p.pubname = ${quoteLiteral(name)} LOOP EXECUTE format('ALTER PUBLICATION %I DROP TABLE ONLY %s', ${quoteLiteral(name)}, t); END LOOP; END`)}; ${set}`;
}

export const allActions = 'insert, update, delete, truncate';

/**
 * Only publications without filters and lists on both sides count as equal. `version` null: whatever it says about
 * generated columns.
 */
function isSame(there: Definition, tables: readonly PublishedTable[], version: number | null): boolean {
  if (tables.some((table) => table.where !== null || table.columns !== null)) return false;
  if (there.tables.some((table) => table.list !== null || table.filtered)) return false;
  const options = !there.whole && there.publish === allActions && !there.viaRoot;
  if (!options || (version !== null && there.generated !== version >= 180_000)) return false;
  const sorted = (oids: readonly number[]) => [...oids].sort((a, b) => a - b).join(',');
  return sorted(there.tables.map(({ oid }) => oid)) === sorted(tables.map(({ relation }) => relation.oid));
}

/**
 * An existing slot decodes earlier WAL with the catalog of that time, which does not have a publication that is created
 * now: before 18 that is an error, and since then the changes are skipped silently. Harmless if nothing was written
 * since.
 */
async function refuseOlderSlot(client: pg.Client, { name, slot, publication }: SourceAccess): Promise<void> {
  const { rows } = await client.query(
    `SELECT FROM pg_replication_slots WHERE slot_name = $1 AND catalog_xmin::text::int8 <> txid_snapshot_xmax(txid_current_snapshot()) % (1::int8 << 32)`,
    [slot],
  );
  if (rows.length === 0) return;
  const message = `replication slot "${slot}" is there, and publication "${publication}" is not: what was written since the slot's position would not be sent`;
  throw sourceError('PGS2190', message, {
    where: { connection: name, object: `publication ${publication}` },
    remedy: `Name the publication by which the slot was read with publication.name; or, to start from now: SELECT pg_drop_replication_slot(${quoteLiteral(slot)});`,
  });
}

/** One FOR ALL TABLES, as Debezium creates it by default: the stream skips the other tables that it publishes. */
async function holdsAll(
  client: pg.Client,
  { publish: actions, viaRoot }: Definition,
  { name, tables }: { readonly name: string; readonly tables: readonly PublishedTable[] },
): Promise<boolean> {
  if (actions !== allActions || viaRoot) return false;
  if (tables.some((table) => table.where !== null || table.columns !== null)) return false;
  const { rows } = await client.query<{ schema: string; name: string }>(
    `SELECT schemaname AS schema, tablename AS name FROM pg_publication_tables p WHERE pubname = $1
      AND EXISTS (SELECT FROM pg_publication a WHERE a.pubname = p.pubname AND a.puballtables)`,
    [name],
  );
  const published = new Set(rows.map(relationName));
  const leaves = tables.filter(({ relation }) => relation.kind !== 'partitioned');
  return leaves.every(({ relation }) => published.has(relationName(relation)));
}

function publicationError(access: SourceAccess, error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  const object = `publication ${access.publication}`;
  const details = { where: { connection: access.name, object, sqlstate: error.code ?? '' }, cause: error };
  if (error.code === '42501') return sourceError('PGS2104', error.message, details);
  if (error.code === '55000') return sourceError('PGS2105', error.message, details);
  return fromPg(error, { connection: access.name, object });
}
