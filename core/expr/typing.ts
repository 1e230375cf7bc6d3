import type { Expr, SqlType } from './expr.ts';
import type { Column } from '../postgres/relation.ts';
import { elementInfo, labelOf, plainType, typeInfo } from './types.ts';

/** Types of expressions whose binary form is the same on every supported major and holds no oid of a user's type. */
const binaryUnsafe: ReadonlySet<string> = new Set(['name', 'oid']);

/** A column that an expression makes. Its type is a built-in one, or one that a column of the same table has. */
export function computedColumn(name: string, expr: Expr, siblings: readonly Column[]): Column {
  const { oid, typmod } = expr.type;
  const info = typeInfo(oid) ?? elementInfo(oid);
  const base = { name, notNull: false, generated: 'never', identity: 'never' } as const;
  if (info === undefined) {
    const sibling = siblings.find((each) => each.type === oid);
    if (sibling !== undefined) return { ...sibling, ...base, typmod };
    return {
      ...base,
      type: oid,
      typmod,
      typeName: labelOf(expr.type),
      typeKind: 'base',
      baseType: oid,
      binarySafe: false,
    };
  }
  return {
    ...base,
    type: oid,
    typmod,
    typeName: formatType(expr.type),
    typeKind: info.oid === oid ? 'base' : 'array',
    baseType: oid,
    binarySafe: !binaryUnsafe.has(info.name),
  };
}

/** As format_type prints a type of the language with its modifier (manual: "System Catalog Information Functions"). */
export function formatType(type: SqlType): string {
  const element = typeInfo(type.oid) === undefined ? elementInfo(type.oid) : undefined;
  const info = typeInfo(type.oid) ?? element;
  if (info === undefined) return labelOf(type);
  return `${withModifier(info.name, info.label, type.typmod)}${element === undefined ? '' : '[]'}`;
}

function withModifier(name: string, label: string, typmod: number): string {
  if (typmod < 0) return label;
  if (name === 'varchar' || name === 'bpchar') return `${label}(${typmod - 4})`;
  if (name === 'numeric') {
    // numeric.h: precision in the high half, an 11-bit signed scale in the low one, both offset by VARHDRSZ.
    const bits = typmod - 4;
    const scale = ((bits & 0x7ff) ^ 1024) - 1024;
    return `${label}(${(bits >> 16) & 0xffff},${scale})`;
  }
  if (name === 'timestamp' || name === 'timestamptz') {
    return label.replace('timestamp', `timestamp(${typmod})`);
  }
  return label;
}

/** The filters of two steps as one; the second is asked only of rows that pass the first (see predicateToSql). */
export function conjunction(first: Expr | null, second: Expr | null): Expr | null {
  if (first === null || second === null) return first ?? second;
  return { op: 'call', fn: 'and', args: [first, second], type: plainType('bool') };
}
