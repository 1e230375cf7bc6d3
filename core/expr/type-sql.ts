import type { SqlType } from './expr.ts';
import { elementInfo, typeInfo } from './types.ts';
import { numericTypmod } from './values/decimal.ts';

/** A type as it is written in a cast: of pg_catalog with its modifiers, or under the name that the catalog gave. */
export function typeSql(type: SqlType): string {
  if (type.name !== undefined) return type.name;
  const element = elementInfo(type.oid);
  const info = element ?? typeInfo(type.oid);
  if (info === undefined) throw new Error(`type ${type.oid} has no name`);
  return `pg_catalog.${info.name}${modifiers(info.name, type.typmod)}${element === undefined ? '' : '[]'}`;
}

function modifiers(name: string, typmod: number): string {
  if (typmod < 0) return '';
  if (name === 'numeric') {
    const { precision, scale } = numericTypmod(typmod);
    return `(${precision},${scale})`;
  }
  if (name === 'varchar' || name === 'bpchar') return `(${typmod - 4})`;
  if (name === 'timestamp' || name === 'timestamptz') return `(${typmod})`;
  return '';
}

/** Modifiers as the parser reads them, to atttypmod. Null: not allowed for this type (a scale beyond the precision is of 15 and later). */
export function typmodOf(name: string, numbers: readonly number[]): number | null {
  const [a, b = 0] = numbers;
  if (a === undefined) return name === 'bpchar' ? 5 : -1;
  const one = numbers.length === 1;
  if (name === 'numeric' && a >= 1 && a <= 1000 && b >= 0 && b <= a) return ((a << 16) | (b & 0x7ff)) + 4;
  if ((name === 'varchar' || name === 'bpchar') && one && a >= 1 && a <= 10_485_760) return a + 4;
  if ((name === 'timestamp' || name === 'timestamptz') && one && a >= 0 && a <= 6) return a;
  return null;
}
