import { elementOids, oidsOf } from '../../../core/postgres/oids.ts';
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
  /** The column's own type is a domain. */
  readonly domain: boolean;
  /** Between the elements in an array's text. */
  readonly delimiter: string;
  /** Of an enum, in its order. */
  readonly labels: readonly string[];
}

/** Vectors that are subscripted like arrays, but print as numbers with blanks between them (oidvector, int2vector). */
const printedVectors = oidsOf('int2vector', 'oidvector');

export function typedOf(column: Column): Typed {
  const under = column.under;
  const kind = under?.typeKind ?? column.typeKind;
  const typeName = under?.typeName ?? column.typeName;
  const type = column.baseType;
  const array = !printedVectors.has(type) && (typeName.endsWith('[]') || kind === 'array' || elementOids.has(type));
  return {
    type: array ? (elementOids.get(type) ?? 0) : type,
    typmod: under?.typmod ?? column.typmod,
    name: bareName(typeName),
    kind: array
      ? (column.elementKind ?? (elementOids.has(type) ? 'base' : 'pseudo'))
      : kind === 'domain'
        ? 'base'
        : kind,
    column: column.name,
    array,
    domain: under !== undefined,
    delimiter: column.delimiter ?? ',',
    labels: column.labels ?? [],
  };
}

/** `public."My type"(3)[]` without schema, arguments and brackets. */
function bareName(typeName: string): string {
  const name = typeName.replace(/(\[\])+$/, '').replace(/\([^)]*\)/, '');
  return (name.split('.').at(-1) ?? name).replaceAll('"', '');
}
