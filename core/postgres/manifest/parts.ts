import { type KindQuery, ctesOf, ctesOfTypes } from './catalog/kind-query.ts';
import { relationQueries } from './catalog/relations.ts';
import { tablePartQueries } from './catalog/table-parts.ts';
import { typeQueries } from './catalog/types.ts';
import { toObject } from './read.ts';
import type { Manifest, ManifestObject } from './types.ts';
import { keyOf } from './types.ts';

/** A row of a catalog's query, as {@link partsSql} gives it: booleans are `t` and `f`, numbers are text. */
export type PartRow = Readonly<Record<string, string | null>>;

/** Owners, grants and labels belong to the database, and are not reported for a table. */
function queries(major: number): readonly KindQuery[] {
  return [...relationQueries(major), ...tablePartQueries].filter(({ kind }) => kind !== 'view');
}

/**
 * SQL of the manifest of some tables: the tables, their columns and own sequences, constraints, indexes, triggers,
 * rules, policies and statistics. Columns `kind`, `part` (address in the catalog, stays through renames), `name` (the
 * last part) and `row` (jsonb). `tables` is SQL that returns oids. The source's triggers and the targets use the same
 * text, so that both describe equal parts equally.
 */
export function partsSql(major: number, tables: string): string {
  return `WITH ${ctesOf(tables)} ${queries(major).map(rowsSql).join('\nUNION ALL ')}`;
}

/** The same of some types, with their attributes and constraints. */
export function typesSql(major: number, types: string): string {
  const all = typeParts(major).map(
    (query) =>
      `${rowsSql(query)} WHERE EXISTS (SELECT FROM chosen WHERE chosen.n1 = x.v ->> 'n1' AND chosen.n2 = x.v ->> 'n2')`,
  );
  return `WITH ${ctesOfTypes(types)} ${all.join('\nUNION ALL ')}`;
}

function typeParts(major: number): readonly KindQuery[] {
  const attributes = relationQueries(major).filter(({ kind }) => kind === 'column');
  return [...typeQueries.filter(({ kind }) => kind !== 'base type'), ...attributes];
}

function rowsSql({ kind, catalog, sql }: KindQuery): string {
  const remark = `CASE WHEN x.v ? '_sub' THEN col_description((x.v ->> 'oid')::oid, (x.v ->> '_sub')::int)
      ELSE obj_description((x.v ->> 'oid')::oid, '${catalog}') END`;
  return `SELECT '${kind}' AS kind, concat_ws('.', x.v ->> 'oid', x.v ->> '_sub') AS part, coalesce(x.v ->> 'n3', x.v ->> 'n2') AS name,
      (SELECT jsonb_object_agg(e.key, CASE jsonb_typeof(e.value) WHEN 'boolean' THEN to_jsonb(left(e.value::text, 1))
        WHEN 'number' THEN to_jsonb(e.value::text) ELSE e.value END) FROM jsonb_each(x.v - 'acl' - 'owner') e)
        || jsonb_build_object('comment', ${remark}) AS row
      FROM (SELECT to_jsonb(q) AS v FROM (${sql}) q) x`;
}

export function partObject(kind: string, row: PartRow, major: number): ManifestObject {
  const query = [...queries(major), ...typeParts(major)].find((each) => each.kind === kind)!;
  const { acl: _, ...plain } = query;
  return toObject(plain, row, major);
}

export function partsManifest(
  rows: readonly { readonly kind: string; readonly row: PartRow }[],
  version: number,
): Manifest {
  const major = Math.floor(version / 10_000);
  const objects = rows.map(({ kind, row }) => partObject(kind, row, major));
  return { version, roles: new Set(), objects: new Map(objects.map((object) => [keyOf(object), object])) };
}
