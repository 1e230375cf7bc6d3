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
 * The types that a SELECT names: domains are followed to the type under them; a domain over a domain is, too. Never all types: each
 * table has two of its own.
 */
export const baseTypes = (select: string): string => `
  WITH RECURSIVE base AS (
    SELECT t.oid, t.oid AS under, t.typtype, t.typbasetype FROM pg_type t WHERE t.oid IN (${select})
    UNION ALL
    SELECT b.oid, t.oid, t.typtype, t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.typbasetype
    WHERE b.typtype = 'd'
  ), resolved AS (
    SELECT b.oid, b.under, u.typtype AS under_kind, u.typelem, u.typsubscript
    FROM base b JOIN pg_type u ON u.oid = b.under WHERE b.typtype <> 'd'
  )`;

const query = `${baseTypes('SELECT atttypid FROM pg_attribute WHERE attrelid = ANY($1::oid[]) AND attnum > 0')}
  SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod),
         t.typtype, r.under, r.under_kind,
         CASE WHEN r.typsubscript = 'array_subscript_handler'::regproc THEN r.typelem ELSE 0 END,
         a.attnotnull, a.attgenerated, a.attidentity,
         t.typsubscript = 'array_subscript_handler'::regproc
  FROM pg_attribute a
  JOIN pg_type t ON t.oid = a.atttypid
  JOIN resolved r ON r.oid = a.atttypid
  WHERE a.attrelid = ANY($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
  ORDER BY a.attrelid, a.attnum`;

/** The connection must have search_path pg_catalog, so that type names of users come out qualified. */
export async function readColumns(client: pg.Client, tables: readonly Oid[]): Promise<ReadonlyMap<Oid, TableColumns>> {
  const found = new Map<Oid, { columns: Column[]; attnums: number[] }>();
  for (const oid of tables) found.set(oid, { columns: [], attnums: [] });
  // Of thousands of tables some at a time, as the text of all columns is much more than what is kept of it.
  for (let at = 0; at < tables.length; at += 1000) {
    const { rows } = await client.query<string[]>({
      text: query,
      values: [`{${tables.slice(at, at + 1000).join(',')}}`],
      rowMode: 'array',
    } as unknown as pg.QueryArrayConfig);
    for (const row of rows) {
      const entry = found.get(Number(row[0]))!;
      entry.attnums.push(Number(row[1]));
      entry.columns.push(toColumn(row));
    }
  }
  return found;
}

function toColumn(row: readonly string[]): Column {
  const [, , name, type, typmod, typeName, kind, under, underKind, element, notNull, generated, identity, isArray] =
    row as unknown as [string, ...string[]];
  return {
    name: name!,
    type: Number(type),
    typmod: Number(typmod),
    typeName: typeName!,
    typeKind: typeKind(kind!, isArray === 't'),
    baseType: Number(under),
    notNull: notNull === 't',
    generated: generated === 's' ? 'stored' : generated === 'v' ? 'virtual' : 'never',
    identity: identity === 'a' ? 'always' : identity === 'd' ? 'default' : 'never',
    binarySafe: isBinarySafe({ baseType: Number(under), baseKind: underKind!, element: Number(element) }),
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
