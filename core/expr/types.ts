import { arrayOids, oids } from '../postgres/oids.ts';
import type { Expr, SqlType } from './expr.ts';
import type { Oid } from '../postgres/relation.ts';

/**
 * Types that expressions decode. Categories are those of pg_type.dat, the same on every server.
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
  ['bool', 'B', true, 'boolean'],
  ['bytea', 'U', false, 'bytea'],
  ['name', 'S', false, 'name'],
  ['int8', 'N', false, 'bigint'],
  ['int2', 'N', false, 'smallint'],
  ['int4', 'N', false, 'integer'],
  ['text', 'S', true, 'text'],
  ['oid', 'N', true, 'oid'],
  ['float4', 'N', false, 'real'],
  ['float8', 'N', true, 'double precision'],
  ['bpchar', 'S', false, 'character'],
  ['varchar', 'S', false, 'character varying'],
  ['date', 'D', false, 'date'],
  ['timestamp', 'D', false, 'timestamp without time zone'],
  ['timestamptz', 'D', true, 'timestamp with time zone'],
  ['interval', 'T', true, 'interval'],
  ['numeric', 'N', false, 'numeric'],
  ['uuid', 'U', false, 'uuid'],
  ['jsonb', 'U', false, 'jsonb'],
] as const;

export type TypeName = (typeof rows)[number][0];
export type ArrayTypeName = `${TypeName}[]`;

export const types: readonly TypeInfo[] = rows.map(([name, category, preferred, label]) => ({
  name,
  oid: oids[name],
  array: arrayOids[name],
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

/** The name of a type in messages and docs. */
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
