import type { Column, TypeKind } from '../../../core/postgres/relation.ts';

/** What a mapping is chosen by: of the column's type under domains; of an array's element where it is one. */
export interface Typed {
  /** pg_type.oid; 0: an element of no built-in type. */
  readonly type: number;
  readonly typmod: number;
  /** Type name without schema, typmod and brackets. */
  readonly name: string;
  readonly kind: TypeKind;
  readonly column: string;
  readonly array: boolean;
  /** Of an enum, in its order. */
  readonly labels: readonly string[];
}

// biome-ignore format: pairs read better in rows
/** pg_type.oid of array types to that of their elements (pg_type.dat; fixed on every server). */
const elements: ReadonlyMap<number, number> = new Map([
  [1000, 16], [1001, 17], [1002, 18], [1003, 19], [1005, 21], [1007, 23], [1009, 25], [1014, 1042], [1015, 1043],
  [1016, 20], [1017, 600], [1021, 700], [1022, 701], [1028, 26], [1040, 829], [1041, 869], [651, 650], [1115, 1114],
  [1182, 1082], [1183, 1083], [1185, 1184], [1187, 1186], [1231, 1700], [1270, 1266], [1561, 1560], [1563, 1562],
  [2951, 2950], [199, 114], [3807, 3802], [791, 790], [143, 142], [775, 774], [1018, 601], [1019, 602], [1020, 603],
  [1027, 604], [629, 628], [719, 718], [3643, 3614], [3905, 3904], [3907, 3906], [3909, 3908], [3911, 3910],
  [3913, 3912], [3927, 3926], [2201, 1790],
]);

/** Vectors that are subscripted like arrays, but print as numbers with blanks between them (oidvector, int2vector). */
const printedVectors = new Set([22, 30]);

export function typedOf(column: Column): Typed {
  const under = column.under;
  const kind = under?.typeKind ?? column.typeKind;
  const typeName = under?.typeName ?? column.typeName;
  const type = column.baseType;
  const array = !printedVectors.has(type) && (typeName.endsWith('[]') || kind === 'array' || elements.has(type));
  return {
    type: array ? (elements.get(type) ?? 0) : type,
    typmod: under?.typmod ?? column.typmod,
    name: bareName(typeName),
    kind: array ? (column.elementKind ?? (elements.has(type) ? 'base' : 'pseudo')) : kind === 'domain' ? 'base' : kind,
    column: column.name,
    array,
    labels: column.labels ?? [],
  };
}

/** `public."My type"(3)[]` without schema, arguments and brackets. */
function bareName(typeName: string): string {
  const name = typeName.replace(/(\[\])+$/, '').replace(/\([^)]*\)/, '');
  return (name.split('.').at(-1) ?? name).replaceAll('"', '');
}
