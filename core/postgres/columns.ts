import type pg from 'pg';
import type { Column, Oid, TypeKind } from './relation.ts';
import { isBinarySafe } from './types.ts';

/**
 * Columns of many tables in one set-wise query, in table order without dropped ones. `attnums` holds the attribute
 * number of each column at the same position, for indexes and constraints that name columns by number.
 */
export interface TableColumns {
  readonly columns: readonly Column[];
  readonly attnums: readonly number[];
}

/**
 * The types that a SELECT names; domains are followed to their base type, also a domain over a domain. Never all types:
 * each table has two of its own.
 */
export const baseTypes = (select: string): string => `
  WITH RECURSIVE base AS (
    SELECT t.oid, t.oid AS under, t.typtype, t.typbasetype, t.typtypmod, -1 AS typmod FROM pg_type t WHERE t.oid IN (${select})
    UNION ALL
    SELECT b.oid, t.oid, t.typtype, t.typbasetype, t.typtypmod, b.typtypmod FROM base b JOIN pg_type t ON t.oid = b.typbasetype
    WHERE b.typtype = 'd'
  ), enums AS (
    -- Read once: as a question for each column it costs the whole catalog each time.
    SELECT enumtypid, json_agg(enumlabel ORDER BY enumsortorder)::text AS labels FROM pg_enum GROUP BY enumtypid
  ), resolved AS (
    SELECT b.oid, b.under, u.typtype AS under_kind, b.typmod AS under_typmod, format_type(b.under, b.typmod) AS under_name,
           CASE WHEN u.typsubscript = 'array_subscript_handler'::regproc THEN u.typelem ELSE 0 END AS element, u.typdelim AS delimiter,
           (SELECT e.typtype FROM pg_type e WHERE e.oid = u.typelem) AS element_kind,
           l.labels
    FROM base b JOIN pg_type u ON u.oid = b.under
    LEFT JOIN enums l ON l.enumtypid = CASE u.typtype WHEN 'e' THEN u.oid ELSE u.typelem END
    WHERE b.typtype <> 'd'
  )`;

/** Columns of `resolved` (as r), beside which t is the type itself; read by {@link typeFacts}. */
export const typeFactsSql = `t.typtype, t.typsubscript = 'array_subscript_handler'::regproc, r.under, r.under_kind, r.under_typmod,
         r.under_name, r.element, r.element_kind, r.labels, r.delimiter`;

/** What pg_type says of a column's type. */
export type TypeFacts = Pick<
  Column,
  'typeKind' | 'baseType' | 'binarySafe' | 'under' | 'elementKind' | 'delimiter' | 'labels'
>;

export function typeFacts(row: readonly (string | null)[]): TypeFacts {
  const [kind, isArray, under, underKind, underTypmod, underName, element, elementKind, labels, delimiter] = row as [
    string,
    ...string[],
  ];
  const overArray = element !== '0';
  return {
    typeKind: typeKind(kind, isArray === 't'),
    baseType: Number(under),
    binarySafe: isBinarySafe({ baseType: Number(under), baseKind: underKind!, element: Number(element) }),
    ...(kind === 'd'
      ? { under: { typmod: Number(underTypmod), typeName: underName!, typeKind: typeKind(underKind!, overArray) } }
      : {}),
    ...(overArray ? { elementKind: typeKind(elementKind!, false) } : {}),
    ...(overArray && delimiter !== ',' ? { delimiter: delimiter! } : {}),
    ...(labels === null || labels === undefined ? {} : { labels: JSON.parse(labels) as string[] }),
  };
}

/** Of a column `a` of a type `t`. */
export const collationSql = `CASE WHEN a.attcollation <> t.typcollation AND a.attcollation <> 0 THEN
  (SELECT format('%I.%I', cn.nspname, co.collname) FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace
   WHERE co.oid = a.attcollation) END`;

const query = `${baseTypes('SELECT atttypid FROM pg_attribute WHERE attrelid = ANY($1::oid[]) AND attnum > 0')}
  SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod),
         a.attnotnull, a.attgenerated, a.attidentity, pg_get_expr(d.adbin, d.adrelid),
         ${collationSql}, ${typeFactsSql}
  FROM pg_attribute a
  JOIN pg_type t ON t.oid = a.atttypid
  JOIN resolved r ON r.oid = a.atttypid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = ''
  WHERE a.attrelid = ANY($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
  ORDER BY a.attrelid, a.attnum`;

/** The connection must have search_path pg_catalog, so that type names of users come out qualified. */
export async function readColumns(client: pg.Client, tables: readonly Oid[]): Promise<ReadonlyMap<Oid, TableColumns>> {
  const found = new Map<Oid, { columns: Column[]; attnums: number[] }>();
  for (const oid of tables) found.set(oid, { columns: [], attnums: [] });
  // Some of thousands of tables at a time, as the text of all columns is much larger than what is kept of it.
  for (let at = 0; at < tables.length; at += 1000) {
    const { rows } = await client.query<string[]>({
      text: query,
      values: [`{${tables.slice(at, at + 1000).join(',')}}`],
      rowMode: 'array',
    } as unknown as pg.QueryArrayConfig);
    for (const row of rows as readonly (string | null)[][]) {
      const entry = found.get(Number(row[0]))!;
      entry.attnums.push(Number(row[1]));
      entry.columns.push(toColumn(row));
    }
  }
  return found;
}

function toColumn(row: readonly (string | null)[]): Column {
  const [, attnum, name, type, typmod, typeName, notNull, generated, identity, expression, collation, ...facts] = row;
  return {
    name: name!,
    type: Number(type),
    typmod: Number(typmod),
    attnum: Number(attnum),
    collation: collation ?? null,
    typeName: typeName!,
    ...typeFacts(facts),
    ...columnTraits({ notNull, generated, identity, expression }),
  };
}

/** attnotnull, attgenerated, attidentity and the default in words. */
export function columnTraits(row: {
  readonly notNull: string | null | undefined;
  readonly generated: string | null | undefined;
  readonly identity: string | null | undefined;
  readonly expression: string | null | undefined;
}): Pick<Column, 'notNull' | 'generated' | 'identity' | 'default'> {
  const { notNull, generated, identity, expression } = row;
  return {
    notNull: notNull === 't',
    generated: generated === 's' ? 'stored' : generated === 'v' ? 'virtual' : 'never',
    identity: identity === 'a' ? 'always' : identity === 'd' ? 'default' : 'never',
    ...(expression === null || expression === undefined ? {} : { default: expression }),
  };
}

/** pg_type.typtype in words; arrays are base types there. */
export function typeKind(typtype: string, isArray: boolean): TypeKind {
  switch (typtype) {
    case 'e':
      return 'enum';
    case 'd':
      return 'domain';
    case 'c':
      return 'composite';
    case 'r':
      return 'range';
    case 'm':
      return 'multirange';
    case 'p':
      return 'pseudo';
    default:
      return isArray ? 'array' : 'base';
  }
}
