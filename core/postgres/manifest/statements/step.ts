import { quoteIdent } from '../../quote.ts';
import { type Manifest, type ManifestObject, type ObjectKind, objectKey } from '../types.ts';

/**
 * Side effects of a statement. `safe`: none that others notice. `lock`: it locks a table for long, or reads or rewrites
 * it. `loses`: values or an object are lost. `source`: it is correct only with values that only the source has.
 */
export type Effect = 'safe' | 'lock' | 'loses' | 'source';

export interface Step {
  readonly sql: string;
  readonly effect: Effect;
}

/** Context for writing statements. */
export interface Writing {
  readonly there: Manifest;
  readonly wanted: Manifest;
  /** Owners are made equal, too. */
  readonly owners: boolean;
  /** Major version of the server that the statements are for. */
  readonly major: number;
  /** The target's default privileges, which every new object gets. */
  readonly defaults: readonly ManifestObject[];
  /** In their order. */
  readonly columnsOf: (manifest: Manifest, relation: readonly string[]) => readonly ManifestObject[];
  readonly constraintsOf: (manifest: Manifest, relation: readonly string[]) => readonly ManifestObject[];
}

export const safe = (sql: string): Step => ({ sql, effect: 'safe' });
export const locks = (sql: string): Step => ({ sql, effect: 'lock' });
export const loses = (sql: string): Step => ({ sql, effect: 'loses' });
export const needsSource = (sql: string): Step => ({ sql, effect: 'source' });

/** `"schema"."name"`, quoted only if necessary, as the server prints it. */
export function sqlName(...parts: readonly (string | undefined)[]): string {
  return parts.map((part) => bare(part ?? '')).join('.');
}

/**
 * Quotes everything but plain lower case; keywords are quoted according to the list of those that a name may not be.
 */
export function bare(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) && !reserved.has(name) ? name : quoteIdent(name);
}

/** Keywords that cannot name a column, table or function without quotes (pg_get_keywords, catcode R, T and C). */
const reserved = new Set(
  `all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast char character check
  coalesce collate collation column concurrently constraint create cross current_catalog current_date current_role current_schema
  current_time current_timestamp current_user dec decimal default deferrable desc distinct do else end except exists extract false fetch
  float for foreign freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect interval into
  is isnull join json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value
  lateral leading least left like limit localtime localtimestamp merge_action national natural nchar none normalize not notnull null nullif
  numeric offset on only or order out outer overlaps overlay placing position precision primary real references returning right row select
  session_user setof similar smallint some substring symmetric system_user table tablesample then time timestamp to trailing treat trim true
  union unique user using values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest
  xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable json`.split(/\s+/),
);

/** A list in a property's JSON. */
export function list<T = string>(text: string | null | undefined): readonly T[] {
  return text === null || text === undefined ? [] : (JSON.parse(text) as T[]);
}

/**
 * The object that another one belongs to, and is dropped with: the table of a column, index or trigger, the domain of
 * its constraint.
 */
export function containerOf(object: ManifestObject, manifest: Manifest): string | null {
  const { kind, name } = object;
  switch (kind) {
    case 'column':
    case 'constraint':
    case 'trigger':
    case 'rule':
    case 'policy':
      return relationKey(manifest, name);
    case 'index':
    case 'statistics':
      return relationKey(manifest, list(object.props['table']));
    case 'attribute':
      return objectKey('composite type', name.slice(0, 2));
    case 'domain constraint':
      return objectKey('domain', name.slice(0, 2));
    case 'sequence': {
      const owner = list(object.props['owned by']);
      return owner.length === 0 ? null : relationKey(manifest, owner);
    }
    default:
      return null;
  }
}

const relationKinds: readonly ObjectKind[] = ['table', 'foreign table', 'view', 'materialized view'];

/** Key of the relation of this name, whatever kind of relation it is. */
export function relationKey(manifest: Manifest, name: readonly string[]): string | null {
  const two = name.slice(0, 2);
  return relationKinds.map((kind) => objectKey(kind, two)).find((key) => manifest.objects.has(key)) ?? null;
}

export function relationOf(manifest: Manifest, name: readonly string[]): ManifestObject | null {
  const key = relationKey(manifest, name);
  return key === null ? null : manifest.objects.get(key)!;
}

export function objectOf(manifest: Manifest, kind: ObjectKind, name: readonly string[]): ManifestObject | null {
  return manifest.objects.get(objectKey(kind, name)) ?? null;
}
