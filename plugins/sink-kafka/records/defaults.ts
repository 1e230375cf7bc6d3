import { oids } from '../../../core/postgres/oids.ts';
import type { Column } from '../../../core/postgres/relation.ts';
import { scaleOf } from './decimal.ts';

/**
 * What Debezium takes for a default that the server computes, by pg_type.oid; null: there are defaults of this type, but none
 * for that. A type that is not here has no defaults in its schemas.
 */
const computed: ReadonlyMap<number, string> = new Map([
  [oids.bool, 'f'],
  [oids.int8, '0'],
  [oids.int2, '0'],
  [oids.int4, '0'],
  [oids.text, ''],
  [oids.json, '{}'],
  [oids.xml, ''],
  [oids.float4, '0'],
  [oids.float8, '0'],
  [oids.bpchar, ''],
  [oids.varchar, ''],
  [oids.date, '1970-01-01'],
  [oids.time, '00:00:00'],
  [oids.timestamp, '1970-01-01 00:00:00'],
  [oids.timestamptz, '1970-01-01 00:00:00+00'],
  [oids.interval, '00:00:00'],
  [oids.bit, '0'],
  [oids.varbit, '0'],
  [oids.numeric, '0'],
  [oids.uuid, '00000000-0000-0000-0000-000000000000'],
  [oids.jsonb, '{}'],
]);

const call = /^\(?[A-Za-z0-9_.]+\(/;
const clock = /^(current_timestamp|current_time|current_date|localtime|localtimestamp)$/i;
const literal = /'((?:[^']|'')*)'/;

/** A column's default as the server's text of its value: of a literal, or what stands for a call; null: no default, or an expression. */
export function defaultText({ default: expression, baseType, typmod, under, typeKind }: Column): string | null {
  if (expression === undefined || expression === null || expression.startsWith('NULL::')) return null;
  const isEnum = (under?.typeKind ?? typeKind) === 'enum';
  const placeholder = computed.get(baseType);
  // Debezium knows the type by its name, which a domain's is not.
  if ((placeholder === undefined || under !== undefined) && !isEnum) return null;
  if (call.test(expression) || clock.test(expression)) return placeholder ?? null;
  const quoted = literal.exec(expression);
  if (quoted === null) return rawText(expression, baseType);
  const text = (quoted[1] ?? '').replaceAll("''", "'");
  return baseType === oids.numeric ? scaled(text, scaleOf(typmod)) : text;

  function rawText(raw: string, type: number): string | null {
    if (type === oids.bool) return raw === 'true' ? 't' : 'f';
    if (!/^-?\d+(\.\d+)?$/.test(raw)) return null;
    return type === oids.numeric ? scaled(raw, scaleOf(typmod)) : raw;
  }
}

/** The server writes a literal with the digits that it was given; the value has those of the column. */
function scaled(text: string, scale: number | null): string {
  if (scale === null || scale <= 0) return text;
  const [whole = '', fraction = ''] = text.split('.');
  return `${whole}.${fraction.slice(0, scale).padEnd(scale, '0')}`;
}
