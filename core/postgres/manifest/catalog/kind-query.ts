import type { ObjectKind } from '../types.ts';

/**
 * One set-wise query for the objects of a kind (or of several: then a column `_kind` says which). Columns: `oid` of the object in
 * `catalog`, `n1`, `n2`, `n3` its name; `acl` raw; names that begin with `_` are facts; `_sub` is an objsubid; all others are compared.
 */
export interface KindQuery {
  readonly kind: ObjectKind;
  readonly catalog: string;
  /** SQL that begins with `SELECT`; it may read {@link sharedCtes}. */
  readonly sql: string;
  /** Type letter of acldefault. */
  readonly acl?: string;
}

/** `n`: schemas of users; `ext`: members of extensions. Parameters: $1 names of schemas that are left out. */
export const sharedCtes = (except: readonly string[]): string => `
  n AS MATERIALIZED (SELECT oid, nspname FROM pg_namespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast'${except.map((name) => `, '${name.replaceAll("'", "''")}'`).join('')})
      AND nspname !~ '^pg_(temp|toast_temp)_'),
  ext AS MATERIALIZED (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
  rel AS MATERIALIZED (SELECT c.*, n.nspname FROM pg_class c JOIN n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c')
      AND NOT EXISTS (SELECT FROM ext WHERE ext.classid = 'pg_class'::regclass AND ext.objid = c.oid))`;

/**
 * The same names for some tables and their own sequences, without reading the whole catalog. `tables`: SQL that returns
 * oids.
 */
export const ctesOf = (tables: string): string => `
  n AS MATERIALIZED (SELECT oid, nspname FROM pg_namespace),
  ext AS MATERIALIZED (SELECT classid, objid FROM pg_depend WHERE false),
  chosen (oid) AS MATERIALIZED (${tables}),
  rel AS MATERIALIZED (SELECT c.*, n.nspname FROM pg_class c JOIN n ON n.oid = c.relnamespace
    WHERE c.oid IN (SELECT oid FROM chosen UNION ALL SELECT d.objid FROM chosen JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass
        AND d.refobjid = chosen.oid AND d.refobjsubid > 0 AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
      JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'))`;

/** The same for types: `rel` has the attributes of those that are composite. */
export const ctesOfTypes = (types: string): string => `
  n AS MATERIALIZED (SELECT oid, nspname FROM pg_namespace),
  ext AS MATERIALIZED (SELECT classid, objid FROM pg_depend WHERE false),
  chosen (n1, n2, typrelid) AS MATERIALIZED (SELECT tn.nspname, t.typname, t.typrelid FROM pg_type t JOIN pg_namespace tn ON tn.oid = t.typnamespace
    WHERE t.oid IN (${types})),
  rel AS MATERIALIZED (SELECT c.*, n.nspname FROM pg_class c JOIN n ON n.oid = c.relnamespace WHERE c.oid IN (SELECT typrelid FROM chosen))`;

export const notOfExtension = (catalog: string, oid: string): string =>
  `NOT EXISTS (SELECT FROM ext WHERE ext.classid = '${catalog}'::regclass AND ext.objid = ${oid})`;

/** A qualified name of a catalog's row as JSON [schema, name]; null for oid 0. */
export const nameOf = (catalog: string, prefix: string, oid: string): string =>
  `(SELECT json_build_array(xn.nspname, x.${prefix}name) FROM ${catalog} x JOIN pg_namespace xn ON xn.oid = x.${prefix}namespace WHERE x.oid = ${oid})::text`;

/** text[] of options as a sorted JSON list: their order has no meaning. */
export const sortedList = (array: string): string => `(SELECT json_agg(o ORDER BY o) FROM unnest(${array}) AS o)::text`;

/** A function as SQL: `schema.name`, from regproc; null for none. */
export const functionName = (oid: string): string => `CASE WHEN ${oid} <> 0 THEN ${oid}::oid::regproc::text END`;
