import type pg from 'pg';
import type { PublishedTable } from '../../../core/api/source-control.ts';
import { qualified, quoteIdent } from '../../../core/postgres/quote.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import { type TableKeys, readKeys } from '../catalog/identity.ts';
import type { DefinedTable, Definition } from './definition.ts';
import { type Entry, type Publishes, type Refusal, refusalOf } from './refusal.ts';
import { type TableFacts, readFacts } from './table-facts.ts';

/** Why a table must not be published in its present state, and the statement that mends it. */
export interface Problem {
  readonly oid: number;
  readonly table: string;
  readonly kind: 'unlogged' | 'replica-identity' | 'row-filter' | 'column-list' | 'generated-column';
  readonly what: string;
  readonly remedy: string;
}

/**
 * I10: a published table whose old rows cannot be identified makes UPDATE and DELETE fail on the source. Reads the
 * present catalog, not that of planning. An unlogged table cannot be in a publication at all. The columns of a row
 * filter are judged once it is in the catalog ({@link definitionProblems}).
 */
export async function findProblems(
  client: pg.Client,
  tables: readonly PublishedTable[],
  version: number,
): Promise<readonly Problem[]> {
  const asked = new Map(tables.map((table) => [table.relation.oid, table]));
  const publishes = { changes: true, generated: version >= 180_000 };
  return problemsOf(client, [...asked.keys()], { publishes, version, entryOf: (facts) => planned(facts, asked) });
}

function planned(facts: TableFacts, asked: ReadonlyMap<number, PublishedTable>): Entry {
  const columns = asked.get(facts.oid)?.columns ?? null;
  if (columns === null) return { list: null, filter: [] };
  const attnums = [...facts.names].filter(([, name]) => columns.includes(name)).map(([attnum]) => attnum);
  return { list: attnums, filter: [] };
}

/**
 * Those tables of a publication that it must not have in their present state (including leaf partitions of published
 * parents).
 */
export async function definitionProblems(
  client: pg.Client,
  definition: Definition,
  of: { readonly version: number; readonly tables: readonly number[] },
): Promise<readonly Problem[]> {
  const entries = new Map(definition.tables.map((table): [number, DefinedTable] => [table.oid, table]));
  const publishes = { changes: /update|delete/.test(definition.publish), generated: definition.generated };
  const entryOf = ({ oid }: TableFacts): Entry => entries.get(oid) ?? { list: null, filter: [] };
  return problemsOf(client, of.tables, { publishes, version: of.version, entryOf });
}

/** For tables that are to be published completely, as in a publication of ours. */
export async function problemsOfTables(
  client: pg.Client,
  oids: readonly number[],
): Promise<ReadonlyMap<number, Problem>> {
  const version = await serverVersion(client);
  const publishes = { changes: true, generated: version >= 180_000 };
  const found = await problemsOf(client, oids, { publishes, version, entryOf: () => ({ list: null, filter: [] }) });
  return new Map(found.map((problem) => [problem.oid, problem]));
}

export async function serverVersion(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ server_version_num: string }>('SHOW server_version_num');
  return Number(rows[0]!.server_version_num);
}

interface Judged {
  readonly publishes: Publishes;
  readonly version: number;
  readonly entryOf: (facts: TableFacts) => Entry;
}

async function problemsOf(client: pg.Client, oids: readonly number[], judged: Judged): Promise<readonly Problem[]> {
  const facts = await readFacts(client, oids);
  const bad: { facts: TableFacts; refusal: Refusal | 'unlogged' }[] = [];
  for (const oid of oids) {
    const found = facts.get(oid);
    if (found === undefined) continue; // Dropped since: CREATE PUBLICATION says so.
    const { publishes, version, entryOf } = judged;
    const refusal = found.unlogged ? 'unlogged' : refusalOf(found, entryOf(found), publishes, version);
    if (refusal !== null) bad.push({ facts: found, refusal });
  }
  if (bad.length === 0) return [];
  const keys = await readKeys(
    client,
    bad.map(({ facts: { oid } }) => oid),
  );
  return bad.map(({ facts: found, refusal }) => problem(found, refusal, keys.get(found.oid)));
}

function problem(facts: TableFacts, refusal: Refusal | 'unlogged', keys: TableKeys | undefined): Problem {
  const { oid } = facts;
  const table = relationName(facts);
  const alter = `ALTER TABLE ${qualified(facts)}`;
  if (refusal === 'unlogged') {
    const what = `${table} is unlogged, so it has no changes to stream`;
    const remedy = `${alter} SET LOGGED; or leave it out with tables.exclude.`;
    return { oid, table, kind: 'unlogged', what, remedy };
  }
  const names = 'columns' in refusal ? refusal.columns.map((at) => facts.names.get(at) ?? '?').join(', ') : '';
  const identity = identityRemedy(facts, keys);
  switch (refusal.kind) {
    case 'identity':
      return { oid, table, kind: 'replica-identity', what: `${table} ${lacks(facts, keys)}`, remedy: identity };
    case 'filter': {
      const what = `the row filter of ${table} reads ${names}, which is not in its replica identity`;
      const remedy =
        facts.virtual.length > 0 ? 'change the filter to columns of the key.' : `${alter} REPLICA IDENTITY FULL;`;
      return { oid, table, kind: 'row-filter', what, remedy };
    }
    case 'list': {
      const what =
        names === ''
          ? `${table} has REPLICA IDENTITY FULL, which a column list rules out`
          : `the column list of ${table} leaves out ${names} of its replica identity`;
      return {
        oid,
        table,
        kind: 'column-list',
        what,
        remedy: names === '' ? identity : `have \`columns\` of the file keep ${names}.`,
      };
    }
    case 'generated': {
      const what = `the replica identity of ${table} has ${names}, a generated column that is not published`;
      return { oid, table, kind: 'generated-column', what, remedy: identity };
    }
    default:
      return refusal satisfies never;
  }
}

function lacks({ identity }: TableFacts, keys: TableKeys | undefined): string {
  if (identity === 'n') return 'has REPLICA IDENTITY NOTHING';
  if (identity === 'i') return 'has a REPLICA IDENTITY index that is gone or not usable';
  if ((keys?.primaryKey.length ?? 0) > 0) return 'has a DEFERRABLE primary key, which is no replica identity';
  return 'has no primary key';
}

/** FULL covers every column, and a virtual generated one is never published: for such a table only a key helps. */
function identityRemedy(facts: TableFacts, keys: TableKeys | undefined): string {
  const identity = `ALTER TABLE ${qualified(facts)} REPLICA IDENTITY`;
  if (facts.identity !== 'd' && keys?.primaryKeyUsable === true) return `${identity} DEFAULT;`;
  const candidate = keys?.candidate ?? null;
  if (candidate !== null) return `${identity} USING INDEX ${quoteIdent(candidate)};`;
  if (facts.virtual.length === 0) return `${identity} FULL;`;
  return 'give it a primary key and REPLICA IDENTITY DEFAULT, or a unique index over NOT NULL columns as its replica identity; or leave it out with tables.exclude.';
}
