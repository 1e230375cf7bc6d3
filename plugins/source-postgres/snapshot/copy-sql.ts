import type { CopyFormat, SnapshotQuery } from '../../../core/api/plan.ts';
import type { Column } from '../../../core/postgres/relation.ts';
import type { CopyChunk, KeyRange } from '../../../core/api/snapshot.ts';
import type { Tuple } from '../../../core/postgres/tuple.ts';
import { qualified, quoteIdent, quoteLiteral } from '../../../core/postgres/quote.ts';
import { typesSql } from '../../../core/postgres/types-sql.ts';

/**
 * The COPY of one chunk. ONLY: children by inheritance are tables of their own. A page range is a TID range scan (14 and
 * later). Plain COPY TO reads a table without its children, too, and saves the executor; it refuses generated columns.
 */
export function copySql(chunk: CopyChunk, query: SnapshotQuery, format: CopyFormat): string {
  const table = qualified(chunk.relation);
  const options = format === 'binary' ? ' WITH (FORMAT binary)' : '';
  if (query.plain !== null && query.plain.length > 0 && chunk.range === null && !namesGenerated(chunk, query.plain)) {
    return `COPY ${table} (${query.plain.map(quoteIdent).join(', ')}) TO STDOUT${options}`;
  }
  const conditions = [...(query.where === null ? [] : [`(${query.where})`]), ...rangeConditions(chunk)];
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  return `COPY (SELECT ${query.select.join(', ')} FROM ONLY ${table}${where}) TO STDOUT${options}`;
}

function namesGenerated(chunk: CopyChunk, names: readonly string[]): boolean {
  return chunk.relation.columns.some((column) => column.generated !== 'never' && names.includes(column.name));
}

function rangeConditions({ range }: CopyChunk): string[] {
  if (range === null) return [];
  if ('columns' in range) return keyConditions(range);
  const { fromPage, toPage } = range;
  return [
    ...(fromPage === 0 ? [] : [`ctid >= '(${fromPage},0)'::tid`]),
    ...(toPage === null ? [] : [`ctid < '(${toPage},0)'::tid`]),
  ];
}

/** A row comparison is what a btree over these columns scans a range for (manual: "Row and Array Comparisons"). */
function keyConditions({ columns, from, to }: KeyRange): string[] {
  const key = `(${columns.map(quoteIdent).join(', ')})`;
  const side = (operator: string, cells: Tuple) =>
    `${key} ${operator} (${cells.map((cell) => quoteLiteral(cell!)).join(', ')})`;
  return [...(from === null ? [] : [side('>=', from)]), ...(to === null ? [] : [side('<', to)])];
}

/** What the question of {@link guardSql} is answered with; all but `go` end the copy. */
export const guardAnswers = { go: 'g', rewritten: 'r', altered: 'a' } as const;

/**
 * Goes before the COPY in one message: holds the table, and asks whether it is still the file that the snapshot knows.
 * ALTER TABLE that rewrites leaves rows that an older snapshot does not see (manual: "Caveats" of MVCC): without this
 * question they would be lost in silence. pg_class is read under the snapshot, pg_relation_filenode is now's.
 * It asks whether the names are still those of the same table and columns, as the COPY finds them by their names of now, and of a binary
 * copy for the types, too: they say what the bytes mean.
 */
export function guardSql(chunk: CopyChunk, query: SnapshotQuery, format: CopyFormat): string {
  const { relation } = chunk;
  const columns = columnsRead(chunk, query);
  const types = format === 'binary' ? ` OR NOT ${typesSql(relation, columns)}` : '';
  return (
    `LOCK TABLE ONLY ${qualified(relation)} IN ACCESS SHARE MODE; ` +
    `SELECT CASE WHEN NOT ${namesSql(relation)}${types} THEN '${guardAnswers.altered}' ` +
    `WHEN (SELECT pg_catalog.pg_relation_filenode(oid) = relfilenode FROM pg_catalog.pg_class WHERE oid = ${relation.oid}) ` +
    `THEN '${guardAnswers.go}' ELSE '${guardAnswers.rewritten}' END`
  );
}

/** True while the table has its name, and its columns theirs, and no other. Functions on names look at the catalog of now. */
function namesSql({ oid, schema, name, columns }: CopyChunk['relation']): string {
  const conditions = [`${quoteLiteral(qualified({ schema, name }))}::regclass = ${oid}::oid`];
  const numbered = columns.filter(({ attnum }) => attnum !== undefined);
  if (numbered.length > 0) {
    const names = numbered.map((column) => quoteLiteral(column.name)).join(', ');
    const numbers = numbered.map(({ attnum }) => attnum).join(', ');
    conditions.push(
      `(SELECT pg_catalog.bool_and(a.objsubid = u.n) FROM unnest(ARRAY[${names}], ARRAY[${numbers}]) AS u (c, n), ` +
        `pg_catalog.pg_get_object_address('table column', ARRAY[${quoteLiteral(schema)}, ${quoteLiteral(name)}, u.c], '{}') AS a)`,
      // Numbers are given in order, and never again.
      `(SELECT i.identity IS NULL FROM pg_catalog.pg_class c, ` +
        `pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, c.oid, c.relnatts + 1) AS i WHERE c.oid = ${oid})`,
    );
  }
  return `(${conditions.join(' AND ')})`;
}

/** Columns that the expressions may read: those whose names are in them. Others may be dropped meanwhile. */
function columnsRead({ relation }: CopyChunk, query: SnapshotQuery): readonly Column[] {
  const { plain } = query;
  if (plain !== null) return relation.columns.filter(({ name }) => plain.includes(name));
  const text = query.select.join(' ');
  return relation.columns.filter(({ name }) => text.includes(name.replaceAll('"', '""')));
}
