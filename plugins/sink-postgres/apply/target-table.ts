import { firstUserOid, oidsOf } from '../../../core/postgres/oids.ts';
import type pg from 'pg';
import type { Relation } from '../../../core/postgres/relation.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import { qualified, quoteIdent } from '../../../core/postgres/quote.ts';
import { firing, ofUsers } from '../definitions/kept-off.ts';
import { applyError } from './errors.ts';

/** A column of the target table that the stream has values of. */
export interface TargetColumn {
  readonly name: string;
  /** Quoted. */
  readonly sql: string;
  /** As format_type prints it without a length, so that no cast to it cuts a value off. */
  readonly type: string;
  /** The type itself, in the target. */
  readonly oid: number;
  /** Type under all domains. */
  readonly base: number;
  /** Of intervals before 17, which read the bytes of infinity as a number of years. */
  readonly finite: boolean;
  /** In an array for unnest it travels as text and is cast: unnest flattens arrays of arrays and spreads composites. */
  readonly asText: boolean;
  /** Delimiter of array literals of this type: `;` for box. */
  readonly delimiter: string;
  /** `OPERATOR(schema.=)` of the type's default btree class; null: the type has none of its own. */
  readonly equals: string | null;
  /** Two different texts of this type are two different values, for `=` and for unique indexes. */
  readonly canonical: boolean;
  /** `=` may hold here for two values that the source tells apart: a key is the same only where its text is, too. */
  readonly coarse: boolean;
  /** GENERATED ALWAYS AS IDENTITY: an UPDATE cannot set it. */
  readonly identityAlways: boolean;
  /** The target computes it: it finds rows and is not written. */
  readonly generated: boolean;
}

/** A unique index of the target, also one that does not identify rows. */
export interface UniqueIndex {
  readonly oid: number;
  /** Names of its key columns; of an expression there is none. */
  readonly columns: readonly string[];
  /** Two rows are refused at once: not deferrable. */
  readonly immediate: boolean;
  /** Valid, ready, live. */
  readonly usable: boolean;
  /** Neither partial nor on an expression. */
  readonly plain: boolean;
  /** All of its columns are NOT NULL, and were looked through for it (18: NOT VALID). */
  readonly notNull: boolean;
  /** Its equality is that of `=` on its columns: the types' default operator classes, the columns' collations. */
  readonly comparesAsColumns: boolean;
}

/** What the target's catalog says about a table, read once per relation. */
export interface TargetTable {
  readonly name: string;
  /** Quoted and qualified. */
  readonly sql: string;
  /** The same with ONLY where rows of inheritance children must not be touched. */
  readonly only: string;
  readonly partitioned: boolean;
  /** By position of the relation's columns. */
  readonly columns: readonly TargetColumn[];
  readonly hasIdentity: boolean;
  /** Quoted names of the columns that the stream does not fill, apart from generated ones. */
  readonly more: readonly string[];
  readonly unique: readonly UniqueIndex[];
  readonly oid: number;
  /** Triggers, rules or row-level security act on what this session writes there. */
  readonly acts: boolean;
}

interface CatalogColumn {
  readonly name: string;
  readonly type: string;
  readonly oid: number;
  readonly base: number;
  readonly finite: boolean;
  readonly kind: string;
  readonly array: boolean;
  readonly noarray: boolean;
  readonly delimiter: string;
  readonly generated: string;
  readonly identity: string;
  readonly deterministic: boolean;
  readonly operator: string | null;
  readonly operatorSchema: string | null;
}
interface CatalogTable {
  readonly kind: string;
  readonly columns: readonly CatalogColumn[] | null;
  readonly unique: readonly (Omit<UniqueIndex, 'columns'> & { readonly columns: readonly string[] | null })[] | null;
  readonly oid: number;
  readonly acts: boolean;
}

/**
 * `base` walks up domains; the equality operator is the default btree operator class's (strategy 3), since with our
 * search_path a bare `=` on an extension's type could mean another type's operator.
 */
const catalogQuery = `
WITH RECURSIVE wanted AS (
  SELECT w.i, c.oid, c.relkind FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(s, t, i)
  JOIN pg_catalog.pg_namespace n ON n.nspname = w.s
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.t
), tree AS (
  SELECT i, oid FROM wanted
  UNION SELECT w.i, p.relid FROM wanted w, pg_catalog.pg_partition_tree(w.oid) p
)
SELECT w.i, pg_catalog.jsonb_build_object('kind', w.relkind,
  'columns', (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, -1), 'oid', a.atttypid::int8, 'base', b.oid::int8, 'kind', b.typtype,
      'finite', b.oid IN (1186, 1187) AND pg_catalog.current_setting('server_version_num')::int4 < 170000,
      'array', b.typcategory = 'A' AND b.typelem <> 0 AND t.typtype = 'b', 'noarray', t.typarray = 0,
      'delimiter', t.typdelim, 'generated', a.attgenerated, 'identity', a.attidentity,
      'deterministic', coalesce(co.collisdeterministic, true),
      'operator', e.oprname, 'operatorSchema', e.nspname))
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    CROSS JOIN LATERAL (
      WITH RECURSIVE up AS (
        SELECT t.oid, t.typtype, t.typbasetype, t.typcategory, t.typelem
        UNION ALL SELECT n.oid, n.typtype, n.typbasetype, n.typcategory, n.typelem
        FROM up JOIN pg_catalog.pg_type n ON n.oid = up.typbasetype WHERE up.typtype = 'd'
      ) SELECT * FROM up WHERE typtype <> 'd' LIMIT 1) b
    LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation
    LEFT JOIN LATERAL (
      SELECT o.oprname, ns.nspname FROM pg_catalog.pg_opclass k
      JOIN pg_catalog.pg_am am ON am.oid = k.opcmethod AND am.amname = 'btree'
      JOIN pg_catalog.pg_amop s ON s.amopfamily = k.opcfamily AND s.amopstrategy = 3
        AND s.amoplefttype = k.opcintype AND s.amoprighttype = k.opcintype
      JOIN pg_catalog.pg_operator o ON o.oid = s.amopopr
      JOIN pg_catalog.pg_namespace ns ON ns.oid = o.oprnamespace
      WHERE k.opcdefault AND k.opcintype = CASE b.oid WHEN 1043 THEN 25::oid ELSE b.oid END LIMIT 1) e ON true
    WHERE a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped),
  'unique', (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('oid', x.indexrelid::int8, 'immediate', x.indimmediate,
      'usable', x.indisvalid AND x.indisready AND x.indislive, 'plain', x.indpred IS NULL AND x.indexprs IS NULL,
      'columns', k.columns, 'notNull', coalesce(k.notnull, false), 'comparesAsColumns', coalesce(k.alike, false)) ORDER BY x.indexrelid)
    FROM pg_catalog.pg_index x
    CROSS JOIN LATERAL (
      SELECT pg_catalog.jsonb_agg(a.attname ORDER BY k.o) AS columns,
        pg_catalog.bool_and(a.attnotnull AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint n
          WHERE n.conrelid = a.attrelid AND n.contype = 'n' AND n.conkey = ARRAY[a.attnum] AND NOT n.convalidated)) AS notnull,
        pg_catalog.bool_and(o.opcdefault AND (x.indcollation[k.o::int4 - 1] = a.attcollation
          OR coalesce(ic.collisdeterministic, true) AND coalesce(ac.collisdeterministic, true))) AS alike
      FROM pg_catalog.unnest(x.indkey::int2[]) WITH ORDINALITY k(n, o)
      JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.n
      LEFT JOIN pg_catalog.pg_opclass o ON o.oid = x.indclass[k.o::int4 - 1]
      LEFT JOIN pg_catalog.pg_collation ic ON ic.oid = x.indcollation[k.o::int4 - 1]
      LEFT JOIN pg_catalog.pg_collation ac ON ac.oid = a.attcollation
      WHERE k.o <= x.indnkeyatts) k
    WHERE x.indrelid = w.oid AND x.indisunique),
  'oid', w.oid::int8, 'acts', EXISTS (SELECT FROM tree WHERE tree.i = w.i AND (pg_catalog.row_security_active(tree.oid)
    OR EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = tree.oid AND ${ofUsers} AND g.tgenabled = ANY(${firing}))
    OR EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = tree.oid AND r.ev_type <> '1' AND r.ev_enabled = ANY(${firing}))))
) FROM wanted w`;

/**
 * Types (by oid) of which two texts are equal exactly when the values are: what the net change per key may rest on.
 * timestamptz is, as our sessions print UTC.
 */
// biome-ignore format: names read better in rows
const canonicalTypes = oidsOf(
  'bool', 'bytea', 'char', 'name', 'int8', 'int2', 'int4', 'text', 'oid', 'varchar', 'date', 'timestamp',
  'timestamptz', 'uuid',
);
const families: readonly ReadonlySet<number>[] = [oidsOf('int8', 'int2', 'int4', 'oid'), oidsOf('text', 'varchar')];

/** Reads the catalog for several relations in one round trip. Throws PGS3105 where the stream does not fit. */
export async function readTargetTables(
  client: pg.Client,
  relations: readonly Relation[],
): Promise<ReadonlyMap<Relation, TargetTable>> {
  const result = await client.query<[string, string]>({
    text: catalogQuery,
    values: [relations.map((r) => r.schema), relations.map((r) => r.name)],
    rowMode: 'array',
  } as unknown as pg.QueryConfig);
  const found = new Map((result.rows as unknown as [string, string][]).map(([i, json]) => [Number(i), json]));
  const tables = new Map<Relation, TargetTable>();
  for (const [i, relation] of relations.entries()) {
    const json = found.get(i + 1);
    if (json === undefined) {
      throw applyError('PGS3105', `the target has no table ${relationName(relation)}`, {
        where: { table: relationName(relation) },
        remedy: `Create the table ${qualified(relation)} on the target, or leave it out with source.tables.exclude.`,
      });
    }
    tables.set(relation, fit(relation, JSON.parse(json) as CatalogTable));
  }
  return tables;
}

function fit(relation: Relation, catalog: CatalogTable): TargetTable {
  const byName = new Map((catalog.columns ?? []).map((column) => [column.name, column]));
  const columns = relation.columns.map((column) => {
    const target = byName.get(column.name);
    if (target === undefined) throw missingColumn(relation, column);
    byName.delete(column.name);
    if (target.generated === '' || column.generated !== 'never') return toColumn(target, column.baseType);
    throw applyError('PGS3105', `column ${column.name} is generated on the target but not on the source`, {
      where: { table: relationName(relation) },
      remedy: `ALTER TABLE ${qualified(relation)} ALTER COLUMN ${quoteIdent(column.name)} DROP EXPRESSION; or drop the column with the \`columns\` transform.`,
    });
  });
  const sql = qualified(relation);
  return {
    name: relationName(relation),
    sql,
    only: catalog.kind === 'r' ? `ONLY ${sql}` : sql,
    partitioned: catalog.kind === 'p',
    columns,
    hasIdentity: (catalog.columns ?? []).some((column) => column.identity !== ''),
    more: [...byName.values()].filter((column) => column.generated === '').map((column) => quoteIdent(column.name)),
    unique: (catalog.unique ?? []).map((index) => ({ ...index, columns: index.columns ?? [] })),
    oid: catalog.oid,
    acts: catalog.acts,
  };
}

function toColumn(column: CatalogColumn, sourceBase: number): TargetColumn {
  return {
    name: column.name,
    sql: quoteIdent(column.name),
    type: column.type,
    oid: column.oid,
    base: column.base,
    finite: column.finite,
    asText: column.array || column.noarray || column.kind === 'c',
    delimiter: column.delimiter,
    equals:
      column.operator === null ? null : `OPERATOR(${quoteIdent(column.operatorSchema as string)}.${column.operator})`,
    canonical: isCanonical(column, sourceBase),
    coarse: !column.deterministic || !sameFamily(column.base, sourceBase),
    identityAlways: column.identity === 'a',
    generated: column.generated !== '',
  };
}

function isCanonical(column: CatalogColumn, sourceBase: number): boolean {
  if (!column.deterministic) return false;
  if (column.kind === 'e') return true;
  if (!canonicalTypes.has(column.base)) return false;
  return sameFamily(column.base, sourceBase);
}

function sameFamily(a: number, b: number): boolean {
  return a === b || families.some((family) => family.has(a) && family.has(b));
}

function missingColumn(relation: Relation, column: Relation['columns'][number]): Error {
  return applyError('PGS3105', `the target table has no column ${column.name}`, {
    where: { table: relationName(relation) },
    remedy: `ALTER TABLE ${qualified(relation)} ADD COLUMN ${quoteIdent(column.name)} ${column.typeName};`,
  });
}

/** The bytes of one type read as another are a wrong value without an error. Throws PGS3115. */
export function refuseOtherForms(relation: Relation, table: TargetTable): void {
  for (const [i, column] of relation.columns.entries()) {
    const target = table.columns[i];
    if (target === undefined) continue;
    const same =
      column.baseType < firstUserOid || target.base < firstUserOid
        ? column.baseType === target.base
        : column.typeName.replace(/\(.*\)$/, '') === target.type;
    if (column.binarySafe && same && !target.finite) continue;
    throw applyError('PGS3115', `column ${column.name} has no binary form that both sides share`, {
      where: { table: table.name },
    });
  }
}
