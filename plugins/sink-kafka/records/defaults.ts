import type { Column } from '../../../core/postgres/relation.ts';
import { scaleOf } from './decimal.ts';

/**
 * What Debezium takes for a default that the server computes, by pg_type.oid (under domains); null: there are defaults of this type, but none
 * for that. A type that is not here has no defaults in its schemas.
 */
const computed: ReadonlyMap<number, string> = new Map([
  [16, 'f'],
  [20, '0'],
  [21, '0'],
  [23, '0'],
  [25, ''],
  [114, '{}'],
  [142, ''],
  [700, '0'],
  [701, '0'],
  [1042, ''],
  [1043, ''],
  [1082, '1970-01-01'],
  [1083, '00:00:00'],
  [1114, '1970-01-01 00:00:00'],
  [1184, '1970-01-01 00:00:00+00'],
  [1186, '00:00:00'],
  [1560, '0'],
  [1562, '0'],
  [1700, '0'],
  [2950, '00000000-0000-0000-0000-000000000000'],
  [3802, '{}'],
]);

const call = /^\(?[A-Za-z0-9_.]+\(/;
const clock = /^(current_timestamp|current_time|current_date|localtime|localtimestamp)$/i;
const literal = /'((?:[^']|'')*)'/;

/** A column's default as the server's text of its value: of a literal, or what stands for a call; null: no default, or an expression. */
export function defaultText({ default: expression, baseType, typmod, under, typeKind }: Column): string | null {
  if (expression === undefined || expression === null || expression.startsWith('NULL::')) return null;
  const isEnum = (under?.typeKind ?? typeKind) === 'enum';
  const placeholder = computed.get(baseType);
  if (placeholder === undefined && !isEnum) return null;
  if (call.test(expression) || clock.test(expression)) return placeholder ?? null;
  const quoted = literal.exec(expression);
  if (quoted === null) return rawText(expression, baseType);
  const text = (quoted[1] ?? '').replaceAll("''", "'");
  return baseType === 1700 ? scaled(text, scaleOf(under?.typmod ?? typmod)) : text;

  function rawText(raw: string, type: number): string | null {
    if (type === 16) return raw === 'true' ? 't' : 'f';
    if (!/^-?\d+(\.\d+)?$/.test(raw)) return null;
    return type === 1700 ? scaled(raw, scaleOf(under?.typmod ?? typmod)) : raw;
  }
}

/** The server writes a literal with the digits that it was given; the value has those of the column. */
function scaled(text: string, scale: number | null): string {
  if (scale === null || scale <= 0) return text;
  const [whole = '', fraction = ''] = text.split('.');
  return `${whole}.${fraction.slice(0, scale).padEnd(scale, '0')}`;
}
