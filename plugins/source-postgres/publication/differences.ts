import type pg from 'pg';
import type { Json } from '../../../core/api/checkpoint.ts';
import type { PublicationTrouble } from '../../../core/api/source-control.ts';
import { qualified, quoteIdent } from '../../../core/postgres/quote.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import { sourceError } from '../errors.ts';
import type { SourceAccess } from '../session.ts';
import type { Definition } from './definition.ts';
import { problemsOfTables } from './publishable.ts';
import { type TableFacts, readFacts } from './table-facts.ts';

/**
 * The note about a publication after it was created or altered, so that any change by others shows, even if they undo
 * it.
 */
export interface Noted {
  readonly oid: number;
  readonly written: string;
  readonly owner: string;
  readonly whole: boolean;
  readonly publish: string;
  readonly viaRoot: boolean;
  readonly generated: boolean;
  /** pg_publication_rel.oid by that of the table. */
  readonly entries: { readonly [table: string]: number };
}

export function noteOf({ tables, comment: _, ...rest }: Definition): Json {
  return { ...rest, entries: Object.fromEntries(tables.map(({ oid, entry }) => [String(oid), entry])) };
}

interface Difference {
  readonly what: string;
  /** The statement that restores it; null: there is none. */
  readonly mend: string | null;
  /** Tables whose changes were missed; null: all tables. */
  readonly tables: readonly string[] | null;
}

/** `added`: tables may be added without the pipeline's knowledge, as its event triggers do. */
export async function differences(
  client: pg.Client,
  access: SourceAccess,
  of: { readonly noted: Noted; readonly now: Definition | null; readonly added: boolean },
): Promise<readonly PublicationTrouble[]> {
  const { noted, now, added } = of;
  const { publication, name } = access;
  const where = { connection: name, object: `publication ${publication}` };
  if (now === null || now.oid !== noted.oid) {
    const what = now === null ? 'was dropped' : 'was dropped and made again';
    const message = `publication "${publication}" ${what} by somebody else: what was written in between was never sent`;
    const remedy = 'Run `pgsluice cleanup`, empty the target, and start over.';
    return [{ kind: 'gone', error: sourceError('PGS2182', message, { where, remedy }), tables: null }];
  }
  const found = [
    ...ofOptions(publication, noted, now),
    ...(await ofTables(client, publication, { noted, now, added })),
  ];
  return found.map(({ what, mend, tables }) => {
    const names = tables === null ? `'*.*'` : tables.join(' ');
    const copy =
      names === '' ? '' : `${mend === null ? 'C' : ' Then c'}opy what was missed: pgsluice resync FILE ${names}`;
    const remedy = `${mend ?? ''}${copy}`;
    const [table] = tables?.length === 1 ? tables : [];
    const at = table === undefined ? where : { ...where, table };
    const error = sourceError('PGS2182', `publication "${publication}" ${what}`, { where: at, remedy });
    return { kind: 'changed', error, tables };
  });
}

function ofOptions(publication: string, noted: Noted, now: Definition): readonly Difference[] {
  const alter = `ALTER PUBLICATION ${quoteIdent(publication)}`;
  const found: Difference[] = [];
  const set = (what: string, option: string) => found.push({ what, mend: `${alter} SET (${option});`, tables: null });
  if (now.publish !== noted.publish)
    set(`publishes ${now.publish || 'nothing'} instead of ${noted.publish}`, `publish = '${noted.publish}'`);
  if (now.viaRoot !== noted.viaRoot)
    set(`has publish_via_partition_root = ${now.viaRoot}`, `publish_via_partition_root = ${noted.viaRoot}`);
  if (now.generated !== noted.generated)
    set(
      `has publish_generated_columns = ${now.generated ? 'stored' : 'none'}`,
      `publish_generated_columns = ${noted.generated ? 'stored' : 'none'}`,
    );
  if (now.whole !== noted.whole)
    found.push({ what: 'publishes whole schemas, too', mend: `${alter} DROP TABLES IN SCHEMA …;`, tables: [] });
  // A change of owner changes the writing transaction, too, and nothing of what is published.
  if (found.length === 0 && now.written !== noted.written && now.owner === noted.owner)
    found.push({ what: 'was altered by somebody else, and set back', mend: null, tables: null });
  return found;
}

async function ofTables(
  client: pg.Client,
  publication: string,
  { noted, now, added }: { readonly noted: Noted; readonly now: Definition; readonly added: boolean },
): Promise<readonly Difference[]> {
  const entries = new Map(now.tables.map(({ oid, entry }) => [oid, entry]));
  const then = new Map(Object.entries(noted.entries).map(([oid, entry]) => [Number(oid), entry]));
  const gone = [...then.keys()].filter((oid) => !entries.has(oid));
  const changed = [...then]
    .filter(([oid, entry]) => entries.has(oid) && entries.get(oid) !== entry)
    .map(([oid]) => oid);
  const extra = added ? [] : [...entries.keys()].filter((oid) => !then.has(oid));
  if (gone.length + changed.length + extra.length === 0) return [];
  // A dropped table is reported elsewhere.
  const facts = await readFacts(client, [...gone, ...changed, ...extra]);
  const problems = await problemsOfTables(client, gone);
  const alter = `ALTER PUBLICATION ${quoteIdent(publication)}`;
  const each = (oids: readonly number[], of: (table: TableFacts) => Difference) =>
    oids.flatMap((oid) => {
      const table = facts.get(oid);
      return table === undefined ? [] : [of(table)];
    });
  return [
    ...each(gone, (table) => {
      // Must not be added again before it can be published: writes to it would fail (I10).
      const problem = problems.get(table.oid);
      return {
        what: `lacks ${relationName(table)}, which was taken out${problem === undefined ? '' : `: ${problem.what}`}`,
        mend: problem?.remedy ?? `${alter} ADD TABLE ONLY ${qualified(table)};`,
        tables: [relationName(table)],
      };
    }),
    ...each(changed, (table) => ({
      what: `has ${relationName(table)} otherwise than it was put in: taken out and put in again, or with another filter or list of columns`,
      mend: null,
      tables: [relationName(table)],
    })),
    ...each(extra, (table) => ({
      what: `has ${relationName(table)}, which this pipeline did not put in`,
      mend: `${alter} DROP TABLE ONLY ${qualified(table)};`,
      tables: [],
    })),
  ];
}
