import type { Expr, SqlType } from './expr.ts';
import type { Oid } from '../postgres/relation.ts';

/**
 * Types that expressions decode. Oids and categories are those of pg_type.dat, the same on every server.
 * `preferred` and `category` drive the choice of overloads (manual: "Operator Type Resolution").
 */
export interface TypeInfo {
  readonly name: TypeName;
  readonly oid: Oid;
  readonly array: Oid;
  readonly category: 'B' | 'N' | 'S' | 'D' | 'U' | 'T';
  readonly preferred: boolean;
  /** As format_type prints it. */
  readonly label: string;
}

const rows = [
  ['bool', 16, 1000, 'B', true, 'boolean'],
  ['bytea', 17, 1001, 'U', false, 'bytea'],
  ['name', 19, 1003, 'S', false, 'name'],
  ['int8', 20, 1016, 'N', false, 'bigint'],
  ['int2', 21, 1005, 'N', false, 'smallint'],
  ['int4', 23, 1007, 'N', false, 'integer'],
  ['text', 25, 1009, 'S', true, 'text'],
  ['oid', 26, 1028, 'N', true, 'oid'],
  ['float4', 700, 1021, 'N', false, 'real'],
  ['float8', 701, 1022, 'N', true, 'double precision'],
  ['bpchar', 1042, 1014, 'S', false, 'character'],
  ['varchar', 1043, 1015, 'S', false, 'character varying'],
  ['date', 1082, 1182, 'D', false, 'date'],
  ['timestamp', 1114, 1115, 'D', false, 'timestamp without time zone'],
  ['timestamptz', 1184, 1185, 'D', true, 'timestamp with time zone'],
  ['interval', 1186, 1187, 'T', true, 'interval'],
  ['numeric', 1700, 1231, 'N', false, 'numeric'],
  ['uuid', 2950, 2951, 'U', false, 'uuid'],
  ['jsonb', 3802, 3807, 'U', false, 'jsonb'],
] as const;

export type TypeName = (typeof rows)[number][0];
export type ArrayTypeName = `${TypeName}[]`;

export const types: readonly TypeInfo[] = rows.map(([name, oid, array, category, preferred, label]) => ({
  name,
  oid,
  array,
  category,
  preferred,
  label,
}));
const byOid = new Map(types.map((type) => [type.oid, type]));
const byArray = new Map(types.map((type) => [type.array, type]));
const byName = new Map<string, TypeInfo>(types.map((type) => [type.name, type]));

/** A literal whose type is not decided yet (pg_type `unknown`); never in a finished tree. */
export const UNKNOWN: Oid = 705;

export const typeInfo = (oid: Oid): TypeInfo | undefined => byOid.get(oid);
/** Element type of an array type that we decode. */
export const elementInfo = (oid: Oid): TypeInfo | undefined => byArray.get(oid);
export const typeNamed = (name: string): TypeInfo | undefined => byName.get(name);

export function oidOf(name: TypeName | ArrayTypeName): Oid {
  const array = name.endsWith('[]');
  const info = byName.get(array ? name.slice(0, -2) : name) as TypeInfo;
  return array ? info.array : info.oid;
}

/** Name of a type that we decode, `int4` or `int4[]`; null for others. */
export function nameOf(oid: Oid): TypeName | ArrayTypeName | null {
  const plain = byOid.get(oid);
  if (plain !== undefined) return plain.name;
  const element = byArray.get(oid);
  return element === undefined ? null : `${element.name}[]`;
}

/** How a type is called in messages and docs. */
export function labelOf(type: SqlType): string {
  if (type.oid === UNKNOWN) return 'unknown';
  const plain = byOid.get(type.oid);
  if (plain !== undefined) return plain.label;
  const element = byArray.get(type.oid);
  return element !== undefined ? `${element.label}[]` : (type.name ?? `type ${type.oid}`);
}

const spoken: Readonly<Record<string, TypeName>> = {
  boolean: 'bool',
  bigint: 'int8',
  smallint: 'int2',
  int: 'int4',
  integer: 'int4',
  decimal: 'numeric',
  real: 'float4',
  float: 'float8',
  'double precision': 'float8',
  character: 'bpchar',
  char: 'bpchar',
  'character varying': 'varchar',
  'timestamp without time zone': 'timestamp',
  'timestamp with time zone': 'timestamptz',
};

/** Finds a type by any of its SQL names, without modifiers. */
export function typeSpoken(name: string): TypeInfo | undefined {
  return byName.get(spoken[name] ?? name);
}
export const typeNames: readonly string[] = [...byName.keys(), ...Object.keys(spoken)];

export const plainType = (name: TypeName | ArrayTypeName): SqlType => ({ oid: oidOf(name), typmod: -1 });
export const sameType = (a: SqlType, b: SqlType): boolean => a.oid === b.oid && a.typmod === b.typmod;
export const isUnknown = (expr: Expr): boolean => expr.type.oid === UNKNOWN;
